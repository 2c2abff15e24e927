"""Every system through the same commands: train, evaluate, resume, predict."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.inference.evaluate import evaluate_fit
from emofuse.pipeline import EmotionPipeline
from emofuse.runs.settings import RunSettings
from emofuse.training.fit import fit_run
from emofuse.training.module import EmotionModule
from tests.feature_file import emofuse, import_file, told, write_feature_file
from tests.small_corpus import make_corpus

SYSTEMS = ("deepmsi-mer", "mfcre", "cm-msf")
# Of everything that a full size has several of, two.
SIZES: dict[str, dict[str, Any]] = {
    "deepmsi-mer": {},
    "mfcre": {"dim": 32, "ff_dim": 32, "multi_attn_layers": 2},
    "cm-msf": {"encoder_dim": 16, "encoder_layers": 2, "cascade_layers": 2, "dim": 16, "lstm_hidden": 16},
}
DROPOUT = {"deepmsi-mer": {}, "mfcre": {"dropout": 0.1}, "cm-msf": {"dropout": 0.1, "modality_dropout": 0.2}}


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vectors é")
    return import_file(write_feature_file(folder / "file.npz"), folder / "corpus")


@pytest.fixture(scope="module")
def sequences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sequences")
    return import_file(write_feature_file(folder / "file.npz"), folder / "corpus", "tokens")


@pytest.fixture(scope="module")
def folders(vectors: Path, sequences: Path) -> dict[str, Path]:
    return {"deepmsi-mer": vectors, "mfcre": vectors, "cm-msf": sequences}


def settings_of(system: str, folder: Path, **changes: Any) -> RunSettings:
    return RunSettings().with_changes(
        {
            "data.manifest": str(folder / "manifest.csv"),
            "data.protocol": "official",
            "data.workers": 0,
            "device": "cpu",
            "model.name": system,
            "model.preset": "tiny",
            "model.options": SIZES.get(system, {}) | DROPOUT.get(system, {}),
            "optimiser.batch_size": 8,
            "optimiser.epochs": 3,
            "optimiser.learning_rate": 0.003,
            **{name.replace("__", "."): value for name, value in changes.items()},
        }
    )


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_handful_of_utterances_is_learnt_by_heart(
    system: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    trained = told(
        *("train", folders[system], "--out", tmp_path / "run", "--model", system, "--protocol", "official"),
        *("--epochs", 10, "--lr", 0.01, "--batch-size", 8, "--device", "cpu", "--no-baseline"),
        *("--set", "optimiser.patience=10", "--set", "optimiser.monitor=val_loss", "--preset", "tiny"),
        *(word for name, size in SIZES[system].items() for word in ("--set", f"model.options.{name}={size}")),
    )
    assert trained["model"] == system
    found = told("evaluate", tmp_path / "run", "--data", folders[system], "--split", "train")
    assert found["test"]["n"] == 15
    assert found["test"]["accuracy"] == 1.0
    assert "training or validation part" in found["warnings"][0]


@pytest.mark.parametrize(
    ("system", "schedule"),
    [("mfcre", "plateau"), ("cm-msf", "step")],  # tests/training/test_fit.py has the constant one
)
def test_a_resumed_run_gives_what_an_uninterrupted_one_would_have(
    system: str,
    schedule: str,
    folders: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    manifest = Manifest.read(folders[system] / "manifest.csv")
    # A schedule that moves in every epoch: the metric is never better by more than its threshold of 0.
    settings = settings_of(
        system,
        folders[system],
        optimiser__schedule=schedule,
        optimiser__decay_epochs=1,
        optimiser__learning_rate=1e-2,
    )
    history = whole_and_resumed_agree(settings, manifest, tmp_path, monkeypatch)
    if schedule == "step":
        assert history["learning_rate"].tolist() == pytest.approx([1e-2, 5e-3, 2.5e-3])


@pytest.mark.parametrize(("system", "part"), [("self-mm", "train_unimodal"), ("mmim", "train_entropy")])
def test_what_a_training_remembers_outlives_a_power_cut(
    system: str, part: str, sequences: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = Manifest.read(sequences / "manifest.csv")
    settings = settings_of(system, sequences, model__task="regression", model__options={"dropout": 0.1})
    history = whole_and_resumed_agree(settings, manifest, tmp_path, monkeypatch)
    assert (history[part].iloc[2:] != 0).all()  # what earlier epochs have left


def whole_and_resumed_agree(
    settings: RunSettings, manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> pd.DataFrame:
    """Train once, once with a cut and a resumption, compare; gives the history."""
    whole = fit_run(settings, manifest, tmp_path / "whole")
    step = EmotionModule.training_step

    def power_cut(self: EmotionModule, batch: Any, batch_idx: int) -> torch.Tensor:
        if self.current_epoch == 2:
            raise RuntimeError("power cut")
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(EmotionModule, "training_step", power_cut)
        with pytest.raises(RuntimeError):
            fit_run(settings, manifest, tmp_path / "cut")
    torch.manual_seed(99)
    resumed = fit_run(settings, manifest, tmp_path / "cut", resume=True)
    ours, theirs = load_file(whole.weights_file), load_file(resumed.weights_file)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    tables = [pd.read_csv(run.history_file).drop(columns="seconds") for run in (whole, resumed)]
    pd.testing.assert_frame_equal(*tables)
    return tables[0]


@pytest.fixture(scope="module")
def runs(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {}
    for system in SYSTEMS:
        manifest = Manifest.read(folders[system] / "manifest.csv")
        run = fit_run(
            settings_of(system, folders[system], optimiser__epochs=1),
            manifest,
            tmp_path_factory.mktemp("runs") / system,
        )
        evaluate_fit(run, manifest)
        made[system] = run.path
    return made


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_set_of_modalities_is_scored(
    system: str, folders: dict[str, Path], runs: dict[str, Path]
) -> None:
    found = told("evaluate", runs[system], "--subsets")
    sets = [tuple(part["modalities"]) for part in found["subsets"]]
    modalities = tuple(found["modalities"])
    assert sets[-1] == modalities
    assert len(sets) == 2 ** len(modalities) - 1
    assert found["subsets"][-1]["test"] == found["test"]
    report = (runs[system] / "report.md").read_text(encoding="utf-8")
    assert [f"| given {' + '.join(part)} |" in report for part in sets] == [True] * (len(sets) - 1) + [False]
    outside = told("evaluate", runs[system], "--data", folders[system], "--subsets")
    assert outside["part"] == "test"
    assert [part["test"]["accuracy"] for part in outside["subsets"]] == pytest.approx(
        [part["test"]["accuracy"] for part in found["subsets"]]
    )


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_prediction_does_not_hang_on_what_else_is_predicted(
    system: str, folders: dict[str, Path], runs: dict[str, Path]
) -> None:
    pipe = EmotionPipeline.from_pretrained(runs[system], device="cpu")
    manifest = Manifest.read(folders[system] / "manifest.csv")
    together = {s.id: s.probabilities for s in pipe.predict_manifest(manifest)}
    dialogue = manifest.utterance(manifest.ids[7]).dialogue
    alone = manifest.select(
        id for id in reversed(manifest.ids) if manifest.utterance(id).dialogue == dialogue
    )
    for segment in pipe.predict_manifest(Manifest.from_frame(alone.frame, manifest.root)):
        assert segment.probabilities == pytest.approx(together[segment.id], abs=1e-5)
    table = pd.read_parquet(runs[system] / "predictions.parquet")
    test = table[table["part"] == "test"]
    for row in test.to_dict("records"):
        assert together[row["id"]]["joy"] == pytest.approx(row["p_joy"], abs=1e-5)


def test_a_dialogue_tells_what_its_utterance_alone_would_not(vectors: Path, runs: dict[str, Path]) -> None:
    pipe = EmotionPipeline.from_pretrained(runs["mfcre"], device="cpu")
    manifest = Manifest.read(vectors / "manifest.csv")
    whole = {s.id: s.probabilities["joy"] for s in pipe.predict_manifest(manifest)}
    one = manifest.select([manifest.ids[2]])
    [alone] = pipe.predict_manifest(one)
    assert abs(alone.probabilities["joy"] - whole[alone.id]) > 1e-4


def test_what_is_judged_later_is_not_seen_as_context(vectors: Path, tmp_path: Path) -> None:
    manifest = Manifest.read(vectors / "manifest.csv")
    settings = settings_of(
        "mfcre", vectors, data__protocol="random-kfold", data__folds=3, optimiser__epochs=2
    )
    run = fit_run(settings, manifest, tmp_path / "run")
    before = load_file(run.weights_file)
    split = run.read_split()
    hidden = import_other_values(tmp_path, vectors, set(split.test))
    changed = fit_run(
        settings.with_changes({"data.manifest": str(hidden / "manifest.csv")}),
        Manifest.read(hidden / "manifest.csv"),
        tmp_path / "again",
        split=split,
    )
    after = load_file(changed.weights_file)
    assert all(torch.equal(before[name], after[name]) for name in before)


def import_other_values(tmp_path: Path, folder: Path, ids: set[str]) -> Path:
    """The same corpus with other features in these utterances."""
    with np.load(folder.parent / "file.npz") as held:
        arrays = {name: held[name] for name in held.files}
    rows = np.isin(arrays["id"], list(ids))
    assert rows.any()
    for modality in ("text", "audio", "video"):
        arrays[modality][rows] = np.where(arrays[modality][rows] != 0, 7.0, 0.0)
    np.savez_compressed(tmp_path / "changed.npz", **arrays)
    return import_file(tmp_path / "changed.npz", tmp_path / "changed")


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return make_corpus(tmp_path_factory.mktemp("media"), dialogues=6)


@pytest.mark.parametrize("system", ["mfcre", "cm-msf"])
def test_raw_clips_are_trained_on_and_predicted(system: str, media: Manifest, tmp_path: Path) -> None:
    settings = settings_of(system, media.root, data__protocol="speaker", data__folds=3, optimiser__epochs=1)
    run = fit_run(settings, media, tmp_path / "run")
    assert set(run.read_record().encoders) == {"text", "audio", "video"}
    evaluate_fit(run, media)
    row = next(iter(media.rows()))
    pipe = EmotionPipeline.from_pretrained(run.path, device="cpu")
    [seen] = pipe(row.video, text=row.text)
    assert seen.used == ("text", "audio", "video")
    [silent] = pipe(row.video)
    assert silent.used == ("audio", "video")
    assert silent.missing == {"text": "no text was given"}
    assert seen.probabilities != pytest.approx(silent.probabilities, abs=1e-6)
    [later] = pipe(row.video, text=row.text, context=["I am so very angry with you!", "Me too."])
    sees_dialogues = system == "mfcre"
    assert (later.probabilities != pytest.approx(seen.probabilities, abs=1e-5)) == sees_dialogues
    told = pipe.predict_manifest(media)
    assert [segment.id for segment in told] == media.ids
    lines = emofuse("predict", run.path, media.root / "manifest.csv", "--csv", "--quiet").splitlines()
    assert len(lines) == len(media) + 1


@pytest.mark.parametrize(
    ("system", "arguments", "line"),
    [
        ("mfcre", ["--task", "regression"], "MFCRE does no regression; it does classification"),
        ("cm-msf", ["--task", "guess"], "model.task"),
        ("cm-msf", ["--task", "regression", "--class-weights", "balanced"], "a regression has none"),
        ("cm-msf", ["--set", "optimiser.monitor=val_mae"], "a classification has no val_mae"),
        ("mfcre", ["--text-encoder", "hashed-ngrams"], "no training row has usable text"),
        (
            "mfcre",
            ["--audio-encoder", "logmel-sequence"],
            "MFCRE takes one vector per utterance",
        ),
        ("mfcre", ["--set", "data.dialogue_overlap=128"], "has no middle"),
        ("mfcre", ["--set", "model.options.modalities=[text]"], "model.options.modalities: it follows from"),
        ("cm-msf", ["--set", "model.options.text_dim=3"], "model.options.text_dim: it follows from"),
        (
            "mfcre",
            ["--set", "optimiser.schedule=step", "--set", "optimiser.warmup_fraction=0.1"],
            "no warm-up",
        ),
    ],
)
def test_a_mistake_is_one_clear_line_and_leaves_no_run(
    system: str, arguments: list[str], line: str, vectors: Path, tmp_path: Path
) -> None:
    with pytest.raises(EmofuseError, match=line) as caught:
        emofuse(
            *(
                "train",
                vectors,
                "--out",
                tmp_path / "run",
                "--model",
                system,
                "--protocol",
                "official",
                "--quiet",
            ),
            *arguments,
        )
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run" / "config.yaml").exists()
