import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError, EmofuseWarning
from emofuse.evaluation import Split
from emofuse.evaluation.comparison.paired import PairedDifference
from emofuse.evaluation.metrics.intervals import Interval
from emofuse.features import FeatureStore
from emofuse.inference.baselines import BaselineScore, fit_baselines, verdict
from emofuse.inference.baselines.candidates import classifiers
from emofuse.inference.baselines.inputs import LinearRows, linear_rows, with_neighbours
from emofuse.inference.evaluate import evaluate_fit
from emofuse.inference.reporting.run_report import write_run_report
from emofuse.runs.run_folder import RunFolder
from emofuse.training.fit import fit_run
from tests.small_corpus import make_corpus, small_settings
from tests.small_runs import text_corpus, text_run, text_settings


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, RunFolder]:
    root = tmp_path_factory.mktemp("baseline")
    manifest = text_corpus(root / "corpus")
    folder = text_run(manifest, root / "run")
    fit_baselines(folder, manifest)
    return manifest, folder


def test_it_is_the_librarys_model_fitted_to_the_training_part_alone(run: tuple[Manifest, RunFolder]) -> None:
    manifest, folder = run
    split, table = folder.read_split(), pd.read_parquet(folder.baselines_file)
    (identity,) = FeatureStore(manifest.root / "features").identities()
    reader = FeatureStore(manifest.root / "features").reader(identity)
    train = reader.matrix(split.train)
    labels = [manifest.utterance(i).label for i in split.train]
    alone = table[(table["baseline"] == "linear model") & (table["part"] == "test")]
    assert list(alone["id"]) == list(split.test)
    strength, kind = alone["strength"].iloc[0], alone["kind"].iloc[0]
    model = {
        "logistic regression": LogisticRegression(C=strength, max_iter=1000),
        "linear discriminant analysis": LinearDiscriminantAnalysis(solver="lsqr", shrinkage=strength),
    }[kind]
    scale = lambda x: np.clip((x - train.mean(0)) / np.where(train.std(0) < 1e-6, 1, train.std(0)), -10, 10)  # noqa: E731
    expected = model.fit(scale(train), labels).predict_proba(scale(reader.matrix(split.test)))
    found = alone[[f"p_{label}" for label in model.classes_]].to_numpy()
    np.testing.assert_allclose(found, expected, atol=0.02)
    assert set(table["part"]) == {"val", "test"}


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("balanced", [False, True])
def test_each_kind_is_the_librarys(count: int, balanced: bool) -> None:
    random = np.random.default_rng(0)
    classes = random.integers(0, count, 90) + 1  # class 0 is missing
    rows = random.normal(size=(90, 12)) + np.eye(count + 1, 12)[classes]
    rows[:, 3] = 1.0  # a column that says nothing
    fits = list(classifiers(rows, classes, count + 1, balanced))
    assert {fit.kind for fit in fits} == {"logistic regression", "linear discriminant analysis"}
    for fit in fits:
        priors = np.full(count, 1 / count) if balanced else None
        model = (
            LogisticRegression(C=fit.strength, max_iter=1000, class_weight="balanced" if balanced else None)
            if fit.kind == "logistic regression"
            else LinearDiscriminantAnalysis(solver="lsqr", shrinkage=fit.strength, priors=priors)
        ).fit(rows, classes)
        found = np.exp(fit.outputs(rows))
        assert (found[:, 0] == 0).all()
        tolerance = 2e-2 if fit.kind == "logistic regression" else 1e-5
        np.testing.assert_allclose(found[:, 1:], model.predict_proba(rows), atol=tolerance)


def test_neighbours_are_those_of_the_dialogue_and_never_of_the_test_part_for_others(
    run: tuple[Manifest, RunFolder],
) -> None:
    manifest, _ = run
    vectors = np.arange(1, len(manifest.ids) + 1, dtype=np.float32)[:, None]
    place = {id: row for row, id in enumerate(manifest.ids)}
    found = with_neighbours(manifest, LinearRows(vectors, {}), 2, manifest.ids, {"d0t3"}).values
    turn = lambda name: vectors[place[name], 0]  # noqa: E731
    # itself, one before, one after, two before, two after; for others the dialogue closes over what is hidden
    assert found[place["d0t2"]].tolist() == [turn(f"d0t{k}") for k in (2, 1, 4, 0, 5)]
    assert found[place["d0t3"]].tolist() == [turn(f"d0t{k}") for k in (3, 2, 4, 1, 5)]
    assert found[place["d1t0"]].tolist() == [turn("d1t0"), 0, turn("d1t1"), 0, turn("d1t2")]


def test_absent_modalities_are_zero_and_marked_and_sequences_pooled(tmp_path: Path) -> None:
    manifest = text_corpus(tmp_path, dialogues=1, turns=3)
    a, _, c = manifest.ids
    steps = {a: np.array([[1.0], [3.0]]), c: np.array([[5.0]])}
    found = linear_rows(manifest, {"audio": steps}, [a, c]).values  # type: ignore[dict-item]
    np.testing.assert_allclose(found[[0, 2]], [[-1, 1, 1], [1, -1, 1]], atol=1e-4)
    assert found[1].tolist() == [0, 0, 0]


def test_the_report_says_first_whether_the_system_beats_it(run: tuple[Manifest, RunFolder]) -> None:
    manifest, folder = run
    outcome = evaluate_fit(folder, manifest)
    assert [score.name for score in outcome.baselines] == ["linear model", "linear model with neighbours"]
    assert outcome.lines()[0] == outcome.verdict
    few = f"  {outcome.test.n} test rows: too few to judge by"
    assert (few in outcome.lines()) == (outcome.test.n < 50)
    scripted = replace(outcome, leaks=replace(outcome.leaks, script=3))
    assert "  the texts are a script: every part holds all 3 of them, each more than once" in scripted.lines()
    assert any("sets of labels" in line for line in outcome.lines()) == (outcome.val.n >= 50)
    assert "on the same features and split: weighted F1" in outcome.verdict
    report = write_run_report(outcome, manifest).markdown.read_text(encoding="utf-8")
    assert outcome.verdict.startswith("DeepMSI-MER ")
    assert f"\n{outcome.verdict}. Trained on" in report
    assert (f"{outcome.test.n} test rows: too few to judge by." in report) == (outcome.test.n < 50)
    held = json.loads((folder.path / "metrics.json").read_text())["baselines"]
    system = outcome.test.weighted_f1
    for entry in held:
        assert entry["system"] == pytest.approx(system)
        assert entry["difference"] == pytest.approx(system - entry["baseline"])
        assert entry["baseline"] == pytest.approx(entry["test"]["weighted_f1"])


def score(metric: str, interval: tuple[float, float], val: float) -> BaselineScore:
    middle = sum(interval) / 2
    return BaselineScore(
        f"model {val}",
        metric,
        PairedDifference(0.5, 0.5 + middle, middle, Interval(*interval), 0.1),
        val,
        None,
    )


@pytest.mark.parametrize(
    ("metric", "interval", "says"),
    [
        ("weighted_f1", (0.01, 0.05), "beats the model"),
        ("weighted_f1", (-0.01, 0.05), "is not surely better than the model"),
        ("weighted_f1", (-0.05, 0.01), "does not beat the model"),
        ("weighted_f1", (np.nan, np.nan), "does not beat the model"),
        ("mae", (-0.05, -0.01), "beats the model"),
        ("mae", (-0.05, 0.01), "is not surely better than the model"),
        ("mae", (0.01, 0.05), "does not beat the model"),
    ],
)
def test_a_gain_must_be_larger_than_its_interval(
    metric: str, interval: tuple[float, float], says: str
) -> None:
    assert verdict([score(metric, interval, 0.4)]).startswith(says)


def test_the_validation_part_chooses_which_linear_model_counts() -> None:
    two = [score("weighted_f1", (0.1, 0.2), 0.4), score("weighted_f1", (-0.2, -0.1), 0.5)]
    assert "model 0.5" in verdict(two)
    two = [score("mae", (-0.2, -0.1), 0.4), score("mae", (0.1, 0.2), 0.5)]
    assert "model 0.4" in verdict(two)
    assert verdict([]) == ""


@pytest.mark.parametrize("damage", ["nothing", "baseline", "neighbours", "rows"])
def test_a_damaged_file_is_one_line(run: tuple[Manifest, RunFolder], tmp_path: Path, damage: str) -> None:
    manifest, folder = run
    table = pd.read_parquet(folder.baselines_file)
    kept = folder.baselines_file.read_bytes()
    try:
        if damage == "nothing":
            folder.baselines_file.write_bytes(b"")
        elif damage in table:
            table.drop(columns=damage).to_parquet(folder.baselines_file)
        else:
            table.iloc[:-1].to_parquet(folder.baselines_file)
        with pytest.raises(EmofuseError, match=r"baselines\.parquet.*delete it"):
            evaluate_fit(folder, manifest)
    finally:
        folder.baselines_file.write_bytes(kept)


def test_frames_and_values_have_one_too(tmp_path: Path) -> None:
    manifest = make_corpus(tmp_path / "corpus")
    clips = fit_run(small_settings(manifest, **{"optimiser.epochs": 1}), manifest, tmp_path / "clips")
    fit_baselines(clips, manifest)
    outcome = evaluate_fit(clips, manifest)
    assert outcome.baselines[0].report.n == outcome.test.n
    assert any(each.modality == "video" for each in FeatureStore(manifest.root / "features").identities())


def test_values_are_compared_by_their_error(tmp_path: Path) -> None:
    words = text_corpus(tmp_path / "words")
    valence = words.frame["label"].map({"anger": -1.0, "joy": 1.0, "sadness": -0.5})
    Manifest.from_frame(words.frame.assign(valence=valence), words.root).write(words.root / "manifest.csv")
    manifest = Manifest.read(words.root / "manifest.csv").validate()
    settings = text_settings(
        manifest, model__task="regression", model__name="cm-msf", model__preset="tiny", model__options={}
    )
    folder = fit_run(settings, manifest, tmp_path / "run")
    fit_baselines(folder, manifest)
    outcome = evaluate_fit(folder, manifest)
    assert "MAE" in outcome.verdict
    assert outcome.baselines[0].metric == "mae"


def test_from_the_command_line(tmp_path: Path) -> None:
    manifest = text_corpus(tmp_path / "corpus", dialogues=6)
    settings = text_settings(manifest, optimiser__epochs=1)
    (tmp_path / "recipe.yaml").write_text(settings.to_yaml(), encoding="utf-8")
    command = [
        "train",
        str(manifest.root / "manifest.csv"),
        "--recipe",
        str(tmp_path / "recipe.yaml"),
        "--quiet",
    ]
    shown = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "all"), "--all-folds"])
    assert shown.exit_code == 0, shown.output
    assert "the linear model" in shown.output.splitlines()[0]
    assert len(list((tmp_path / "all").glob("fold-*/baselines.parquet"))) == 3
    without = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "without"), "--no-baseline"])
    assert without.exit_code == 0, without.output
    assert "linear model" not in without.output


def test_a_training_part_with_one_class_has_a_model_that_says_it(tmp_path: Path) -> None:
    (fit,) = classifiers(np.ones((4, 2), np.float32), np.full(4, 1), 3, balanced=False)
    assert np.exp(fit.outputs(np.zeros((2, 2)))).tolist() == [[0, 1, 0]] * 2
    manifest = text_corpus(tmp_path / "corpus", dialogues=6)
    label = dict(zip(manifest.ids, manifest.frame["label"], strict=True))
    train = [i for i in manifest.ids[:24] if label[i] == "joy"]
    split = Split(train, manifest.ids[24:30], manifest.ids[30:])
    settings = text_settings(manifest, optimiser__epochs=1, linear_pool=True)
    with pytest.warns(EmofuseWarning, match="never in the training part: anger"):
        folder = fit_run(settings, manifest, tmp_path / "run", split=split)
    fit_baselines(folder, manifest)
    outcome = evaluate_fit(folder, manifest)
    share = np.mean([label[i] == "joy" for i in split.test])
    assert [score.report.accuracy for score in outcome.baselines] == pytest.approx([share, share])
    assert outcome.test.accuracy == pytest.approx(share)
