import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import log_softmax
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.data.dataset import UtteranceDataset
from emofuse.data.manifest import Manifest
from emofuse.encoders.grid_statistics import DIM
from emofuse.errors import EmofuseError
from emofuse.evaluation import fit_temperature
from emofuse.inference.baselines import pool as baseline_pool
from emofuse.inference.baselines.candidates import classifiers
from emofuse.inference.baselines.fit import FittedLinear, fit_linear_models, training_features
from emofuse.inference.baselines.inputs import ShortenedFeatures, linear_rows
from emofuse.inference.baselines.pool import choose_pool, choose_weight, linear_module
from emofuse.inference.baselines.pool_scores import pool_scores
from emofuse.inference.evaluate import evaluate_fit
from emofuse.inference.exporting.folder import export_run
from emofuse.inference.predict_rows import RowPredictor
from emofuse.inference.reporting.run_report import write_run_report
from emofuse.models import model_info
from emofuse.models.pooled_system import PooledSystem
from emofuse.pipeline import EmotionPipeline
from emofuse.runs.linear_record import StoredPart
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.tasks import recorded_task
from emofuse.training.fit import fit_run
from tests.small_corpus import make_corpus, small_settings
from tests.small_runs import text_corpus, text_run, text_settings

DIALOGUES = {
    "linear_pool": True,
    "model__name": "bc-lstm",
    "model__preset": None,
    "model__options": {},
    "optimiser__epochs": 1,
}
VALUES = {
    "linear_pool": True,
    "model__task": "regression",
    "model__name": "cm-msf",
    "model__preset": "tiny",
    "model__options": {},
}


@pytest.fixture(scope="module")
def pooled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, RunFolder]:
    root = tmp_path_factory.mktemp("pool")
    manifest = text_corpus(root / "corpus")
    return manifest, text_run(manifest, root / "run", linear_pool=True)


@pytest.fixture(scope="module")
def dialogues(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, RunFolder]:
    root = tmp_path_factory.mktemp("pool-dialogues")
    manifest = text_corpus(root / "corpus")
    return manifest, text_run(manifest, root / "run", **DIALOGUES)


def valued(folder: Path) -> Manifest:
    words = text_corpus(folder)
    valence = words.frame["label"].map({"anger": -1.0, "joy": 1.0, "sadness": -0.5})
    Manifest.from_frame(words.frame.assign(valence=valence), words.root).write(folder / "manifest.csv")
    return Manifest.read(folder / "manifest.csv").validate()


def test_a_prediction_is_the_formulas(pooled: tuple[Manifest, RunFolder]) -> None:
    manifest, folder = pooled
    record, test = folder.read_linear(), folder.read_split().test
    assert record is not None
    predictor = RowPredictor(folder, manifest)
    parts, found = predictor.predict_parts(test), predictor.predict(test)
    w = record.weight
    system = log_softmax(parts["system"].logits / record.system_temperature, axis=1)
    linear = log_softmax(parts["linear"].logits / record.linear_temperature, axis=1)
    expected = np.exp(log_softmax((1 - w) * system + w * linear, axis=1))
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
    np.testing.assert_array_equal(
        RowPredictor(folder, manifest, alone=True).predict(test).logits, parts["system"].logits
    )


@pytest.mark.parametrize("name", ["pooled", "dialogues"])
def test_the_linear_model_of_a_batch_is_the_one_that_was_fitted(
    name: str, request: pytest.FixtureRequest
) -> None:
    manifest, folder = request.getfixturevalue(name)
    split, predictor = folder.read_split(), RowPredictor(folder, manifest)
    models = fit_linear_models(folder, manifest, training_features(folder, manifest))
    assert [model.rows.reach > 0 for model in models] == [False, True]
    for model in models if name == "dialogues" else models[:1]:
        assert isinstance(predictor.model, PooledSystem)
        predictor.model.linear = linear_module(model)
        for ids, hidden in ((split.val, set(split.test)), (split.test, set())):
            found = predictor._run(predictor.model.linear_alone, ids, [None], hidden, "", False)[0]
            np.testing.assert_allclose(found.logits, model.outputs(manifest, ids), atol=1e-5, rtol=1e-6)


@pytest.mark.parametrize("longest", [3, 50])
def test_steps_of_a_batch_are_pooled_as_those_that_it_was_fitted_on(tmp_path: Path, longest: int) -> None:
    manifest = text_corpus(tmp_path, dialogues=4)
    random = np.random.default_rng(0)
    ids = manifest.ids
    steps = {
        m: {
            i: random.normal(size=(1 + n % 7, 4)).astype(np.float32) for n, i in enumerate(ids) if n % 5 != at
        }
        for at, m in ((0, "text"), (1, "audio"))
    }
    steps["audio"][ids[2]] = np.zeros((0, 4), np.float32)  # without a step it is absent
    shorter = {m: ShortenedFeatures(each, m, longest) for m, each in steps.items()}  # type: ignore[arg-type]
    rows = linear_rows(manifest, shorter, ids[:12])  # type: ignore[arg-type]
    labels = np.array([manifest.labels.index(u.label) for u in manifest.rows()])  # type: ignore[arg-type]
    fit = next(classifiers(rows.values, labels, 3, balanced=False))
    model = FittedLinear("linear model", rows, fit, 0.0)
    dataset = UtteranceDataset(
        list(manifest.rows()),
        {"text": "steps", "audio": "steps"},
        steps,  # type: ignore[arg-type]
        {"text": 4, "audio": 4},
        longest={"text": longest, "audio": longest},
    )
    batch = dataset.collate([dataset[n] for n in range(len(ids))])
    found = linear_module(model)(**batch.inputs)
    np.testing.assert_allclose(found, model.outputs(manifest, ids), atol=1e-5)


def test_one_step_is_a_vector_and_values_are_mixed(tmp_path: Path) -> None:
    manifest = valued(tmp_path / "corpus")
    folder = fit_run(text_settings(manifest, **VALUES), manifest, tmp_path / "run")
    record, test = folder.read_linear(), folder.read_split().test
    assert record is not None
    assert record.kind == "ridge"
    assert record.parts["text"].pooling == "vector"
    predictor = RowPredictor(folder, manifest)
    parts = predictor.predict_parts(test)
    alone = fit_linear_models(folder, manifest, training_features(folder, manifest))[0]
    np.testing.assert_allclose(parts["linear"].logits, alone.outputs(manifest, test), atol=1e-5)
    mixed = (1 - record.weight) * parts["system"].values + record.weight * parts["linear"].values
    np.testing.assert_allclose(predictor.predict(test).values, mixed, atol=1e-5)
    outcome = evaluate_fit(folder, manifest)
    assert outcome.verdict.startswith("CM-MSF + linear ")
    assert outcome.pool is not None
    assert outcome.pool.linear.metric == "mae"


def test_what_is_withheld_is_withheld_from_the_linear_model_too(
    dialogues: tuple[Manifest, RunFolder],
) -> None:
    manifest, folder = dialogues
    predictor = RowPredictor(folder, manifest)
    assert isinstance(predictor.model, PooledSystem)
    (none,) = predictor._run(predictor.model.linear_alone, folder.read_split().test, [[]], (), "", False)
    # Nothing but the bias is left, the same for all.
    assert np.ptp(none.logits, axis=0).max() == 0
    expected = torch.from_numpy(none.logits[0])
    torch.testing.assert_close(predictor.model.linear.bias.log_softmax(-1), expected, atol=1e-5, rtol=0)


def test_the_report_has_the_three_rows_and_the_first_line_names_them(
    pooled: tuple[Manifest, RunFolder],
) -> None:
    manifest, folder = pooled
    outcome = evaluate_fit(folder, manifest)
    first = outcome.lines()[0]
    assert first.startswith("DeepMSI-MER + linear ")
    assert "on the same features and split: weighted F1" in first
    assert "; DeepMSI-MER alone " in first
    assert "(pooled " in first
    assert outcome.pool is not None
    predictor = RowPredictor(folder, manifest)
    alone = predictor.predict_parts(folder.read_split().test)["system"]
    right = float((alone.predicted == alone.labels).mean())
    assert outcome.pool.system.report.accuracy == pytest.approx(right)
    assert outcome.pool.system.difference.b == pytest.approx(outcome.test.weighted_f1)
    page = write_run_report(outcome, manifest).markdown.read_text(encoding="utf-8")
    for row in ("DeepMSI-MER + linear (text)", "DeepMSI-MER alone", "alone, as it is pooled"):
        assert f"| {row}" in page or row in page
    held = json.loads((folder.path / "metrics.json").read_text())["pool"]
    assert [part["name"] for part in held["parts"]] == ["system alone", "linear model of the pool"]


def test_the_pipeline_says_what_the_evaluation_says(dialogues: tuple[Manifest, RunFolder]) -> None:
    manifest, folder = dialogues
    test = folder.read_split().test
    rows = manifest.select(test)
    pipe = EmotionPipeline.from_pretrained(folder.path, device="cpu")
    assert isinstance(pipe.model, PooledSystem)
    assert model_info(pipe.model).name == "bc-lstm"
    said = {s.id: s for s in pipe.predict_manifest(rows, by_modality=True, coverage=0.8)}
    table = pd.read_parquet(folder.predictions_file).set_index("id")
    for i in test:
        for label, probability in said[i].probabilities.items():
            assert probability == pytest.approx(table.loc[i, f"p_{label}"], abs=1e-5)
        assert said[i].by_modality["text"] == pytest.approx(said[i].probabilities, abs=1e-6)
        assert said[i].label_set


def test_a_pool_of_dialogues_is_exported_as_a_whole(
    dialogues: tuple[Manifest, RunFolder], tmp_path: Path
) -> None:
    _, folder = dialogues
    export = export_run(folder, tmp_path / "program", "torch")  # checked against the pool on other sizes
    assert export.axes == ["batch", "dialogue"]
    assert RunFolder(tmp_path / "program").title(folder.read_record()).endswith(" + linear")


def test_the_weight_is_the_best_or_even_where_that_costs_little() -> None:
    random = np.random.default_rng(0)
    labels, each = random.integers(0, 3, 400), [str(n) for n in range(400)]
    good, noise = np.eye(3)[labels] * 3 + random.normal(size=(400, 3)), random.normal(size=(400, 3))
    weights, losses = choose_pool(good, noise, labels, each, classes=True)
    assert weights.linear == 0
    assert losses[0.0] == min(losses.values())
    assert weights.system_temperature == pytest.approx(fit_temperature(good, labels))
    assert choose_pool(noise, good, labels, each, classes=True)[0].linear == 1
    other = np.eye(3)[labels] * 3 + random.normal(size=(400, 3))
    assert choose_pool(good, other, labels, each, classes=True)[0].linear == 0.5
    truth = random.normal(size=400)
    values, off = truth[:, None] + 0.1 * random.normal(size=(400, 1)), random.normal(size=(400, 1))
    assert choose_pool(values, off, truth, each, classes=False)[0].linear == 0


def test_the_standard_error_is_that_of_dialogues() -> None:
    # 0.5 costs 0.1 more on average: 1.1 in one dialogue, and -0.9 in another of the same length.
    more = np.array([1.1] * 50 + [-0.9] * 50)
    losses = {0.0: np.ones(100), 0.5: 1 + more, 1.0: np.full(100, 9.0)}
    alternating, two = [str(n) for n in range(100)], ["a"] * 50 + ["b"] * 50
    assert choose_weight(losses, alternating) == 0.5 - 0.5 * (more.std(ddof=1) / 10 < 0.1)
    assert choose_weight({**losses, 0.5: 1 + more + 0.2}, alternating) == 0.0
    assert choose_weight({**losses, 0.5: 1 + more + 0.2}, two) == 0.5  # the error over two dialogues is 1
    assert choose_weight({**losses, 0.5: np.full(100, 1.01)}, two) == 0.0  # always worse
    assert choose_weight({**losses, 0.5: np.full(100, 1.01)}, ["a"] * 100) == 0.5  # nothing is known


def test_an_interrupted_run_is_taken_up_and_says_so_until_then(tmp_path: Path) -> None:
    manifest = text_corpus(tmp_path / "corpus", dialogues=6)
    settings = text_settings(manifest, optimiser__epochs=1, linear_pool=True)
    folder = fit_run(settings, manifest, tmp_path / "run")
    before = folder.linear_weights_file.read_bytes(), folder.linear_file.read_bytes()
    folder.linear_file.unlink()
    with pytest.raises(EmofuseError, match=r"linear\.json is missing.*--resume"):
        folder.load_model(folder.read_record())
    fit_run(settings, manifest, tmp_path / "run", resume=True)
    assert (folder.linear_weights_file.read_bytes(), folder.linear_file.read_bytes()) == before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"weight": 1.5}, "weight"),
        ({"outputs": 9}, "9 outputs, and the run 3"),
        ({"reach": 2}, "sees single utterances"),
        ({"parts": {"text": {"pooling": "vector", "dim": 5, "marked": False}}}, "reads 5 numbers"),
        ({"parts": {"audio": {"pooling": "vector", "dim": 64, "marked": False}}}, "the system none"),
        ({"components": 4}, "centre is missing"),
    ],
)
def test_an_edited_record_is_one_line(
    pooled: tuple[Manifest, RunFolder], change: dict[str, object], says: str
) -> None:
    _, folder = pooled
    kept = folder.linear_file.read_text()
    try:
        folder.linear_file.write_text(json.dumps(json.loads(kept) | change))
        with pytest.raises(EmofuseError, match=says) as caught:
            folder.load_model(folder.read_record())
        assert "\n" not in str(caught.value)
    finally:
        folder.linear_file.write_text(kept)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, RunFolder]:
    root = tmp_path_factory.mktemp("pool-clips")
    manifest = make_corpus(root / "corpus")
    silent = manifest.frame["id"] == manifest.ids[4]
    mute = manifest.frame.assign(video=manifest.frame["video"].where(~silent, ""))
    Manifest.from_frame(mute, manifest.root).write(manifest.root / "manifest.csv")
    manifest = Manifest.read(manifest.root / "manifest.csv").validate()
    settings = small_settings(manifest, optimiser__epochs=1, linear_pool=True)
    return manifest, fit_run(settings, manifest, root / "run")


def test_pictures_that_a_system_reads_itself_are_in_the_linear_model(
    clips: tuple[Manifest, RunFolder],
) -> None:
    manifest, folder = clips
    record, split = folder.read_linear(), folder.read_split()
    assert record is not None
    assert record.parts["video"] == StoredPart(pooling="pictures", dim=DIM, marked=True)
    assert folder.baselines_file.exists()
    predictor = RowPredictor(folder, manifest)
    readers = training_features(folder, manifest)
    readers["video"] = baseline_pool._described_pictures(RowPredictor(folder, manifest, alone=True))
    model = fit_linear_models(folder, manifest, readers)[0]
    ids = [*split.val, *split.test, *split.train]
    assert manifest.ids[4] in ids  # the one without pictures
    linear = predictor.predict_parts(ids)["linear"]
    np.testing.assert_allclose(linear.logits, model.outputs(manifest, ids), atol=1e-5, rtol=1e-5)
    without = predictor.predict_subsets(ids, [("text", "audio")])[0].logits
    assert np.abs(without - predictor.predict(ids).logits).max() > 1e-3


def test_a_system_of_pictures_alone_is_pooled(tmp_path: Path) -> None:
    manifest = make_corpus(tmp_path / "corpus", dialogues=4)
    changes = {"optimiser.epochs": 1, "linear_pool": True, "model.modalities": ["video"]}
    folder = fit_run(small_settings(manifest, **changes), manifest, tmp_path / "run")
    assert evaluate_fit(folder, manifest).lines()[0].startswith("DeepMSI-MER + linear ")


def test_a_pool_of_an_earlier_version_says_what_its_linear_model_left_out(
    pooled: tuple[Manifest, RunFolder],
) -> None:
    _, folder = pooled
    table = pd.read_parquet(folder.predictions_file)
    kept = folder.linear_file.read_text()
    try:
        folder.linear_file.write_text(json.dumps(json.loads(kept) | {"left_out": {"video": "it is frames"}}))
        task = recorded_task("classification", folder.read_record().labels)
        found = pool_scores(folder, table[table["part"] == "test"], task)
        assert found is not None
        assert found.lines()[-1] == "not in the linear model: video: it is frames"
    finally:
        folder.linear_file.write_text(kept)


def test_a_record_of_pictures_that_the_system_does_not_see_is_refused(
    pooled: tuple[Manifest, RunFolder], clips: tuple[Manifest, RunFolder]
) -> None:
    for (_, folder), dim, says in (
        (pooled, DIM, "the system none"),
        (clips, 5, "reads 5 numbers of pictures"),
    ):
        kept = folder.linear_file.read_text()
        try:
            edited = json.loads(kept)
            edited["parts"]["video"] = {"pooling": "pictures", "dim": dim, "marked": False}
            folder.linear_file.write_text(json.dumps(edited))
            with pytest.raises(EmofuseError, match=says):
                folder.load_model(folder.read_record())
        finally:
            folder.linear_file.write_text(kept)


def test_folds_of_pools_from_the_command_line(tmp_path: Path) -> None:
    manifest = text_corpus(tmp_path / "corpus", dialogues=6)
    (tmp_path / "recipe.yaml").write_text(
        text_settings(manifest, optimiser__epochs=1, data__folds=2).to_yaml()
    )
    command = ["train", str(manifest.root / "manifest.csv"), "--recipe", str(tmp_path / "recipe.yaml")]
    shown = CliRunner().invoke(
        app, [*command, "--out", str(tmp_path / "all"), "--all-folds", "--linear-pool", "--quiet"]
    )
    assert shown.exit_code == 0, shown.output
    assert shown.output.startswith("DeepMSI-MER + linear ")
    assert "; DeepMSI-MER alone " in shown.output.splitlines()[0]
    assert len(list((tmp_path / "all").glob("fold-*/linear.json"))) == 2
    found = json.loads((tmp_path / "all" / "metrics.json").read_text())
    pooled = found["pool"]["parts"][0]["system"]
    assert pooled == pytest.approx(found["pooled"]["weighted_f1"])
    compared = CliRunner().invoke(app, ["leaderboard", str(tmp_path / "all")])
    assert "deepmsi-mer + linear" in compared.output
