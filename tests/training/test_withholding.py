"""Dialogues of values from a feature file, with a modality left out that knows its training part."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.inference.evaluate import evaluate_fit
from emofuse.pipeline import EmotionPipeline
from emofuse.runs.settings import RunSettings
from emofuse.training.fit import fit_run
from emofuse.training.withholding import withhold_leaky
from tests.feature_file import emofuse, import_file, write_feature_file


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its video says the answer in the training part alone."""
    folder = tmp_path_factory.mktemp("leaky")
    arrays = dict(np.load(write_feature_file(folder / "file.npz", dialogues=8)))
    elsewhere = arrays["split"] != "train"
    video = arrays["video"][elsewhere]
    arrays["video"][elsewhere] = np.where(video == 0, 0, np.random.default_rng(0).normal(0, 1, video.shape))
    np.savez_compressed(folder / "file.npz", **arrays)
    return import_file(folder / "file.npz", folder / "corpus")


def settings_of(corpus: Path, **changes: object) -> RunSettings:
    return RunSettings().with_changes(
        {
            "data.manifest": str(corpus / "manifest.csv"),
            "data.protocol": "official",
            "model.name": "bc-lstm",
            "model.task": "regression",
            **{name.replace("__", "."): value for name, value in changes.items()},
        }
    )


def test_the_modality_that_knows_its_training_part_is_left_out(corpus: Path) -> None:
    manifest = Manifest.read(corpus / "manifest.csv").validate()
    settings, lines = withhold_leaky(settings_of(corpus), manifest)
    assert settings.model.modalities == ("text", "audio")
    assert len(lines) == 1
    assert lines[0].startswith("withheld: video features know their training part")
    assert " on val: gap" in lines[0]
    same, nothing = withhold_leaky(settings, manifest)
    assert (same, nothing) == (settings, [])
    with pytest.raises(EmofuseError, match="nothing else is left"):
        withhold_leaky(settings_of(corpus, model__modalities=["video"]), manifest)


def test_without_a_published_validation_part_it_is_refused_and_the_test_part_chooses_nothing(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = Manifest.read(corpus / "manifest.csv").validate()
    left = manifest.select(list(manifest.frame.loc[manifest.frame["split"] != "val", "id"]))
    monkeypatch.setattr("emofuse.training.withholding.fitted_features", None)  # nothing is looked at
    for settings, rows in (
        (settings_of(corpus), left),
        (settings_of(corpus, data__protocol="dialogue"), manifest),
    ):
        with pytest.raises(EmofuseError, match=r"no validation part of the publishers.*--modalities"):
            withhold_leaky(settings, rows)


def test_a_system_of_dialogues_learns_their_values_and_says_them_again(corpus: Path, tmp_path: Path) -> None:
    manifest = Manifest.read(corpus / "manifest.csv").validate()
    settings = settings_of(
        corpus,
        model__preset="tiny",
        model__modalities=["text", "audio"],
        linear_pool=True,
        device="cpu",
        threads=1,
        optimiser__epochs=12,
        optimiser__patience=12,
        optimiser__learning_rate=0.02,
        optimiser__batch_size=2,
    )
    run = tmp_path / "run"
    evaluate_fit(fit_run(settings, manifest, run), manifest)
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["task"] == "regression"
    assert metrics["test"]["mae"] < 0.7, "the answer can be read off words and sound"
    told_values = pd.read_parquet(run / "predictions.parquet").set_index("id")
    test = told_values[told_values["part"] == "test"]
    assert metrics["test"]["mae"] == pytest.approx(
        float((test["valence"] - test["predicted_valence"]).abs().mean())
    )
    pipe = EmotionPipeline.from_pretrained(run, device="cpu")
    for segment in pipe.predict_manifest(manifest.select(list(test.index))):
        assert segment.value == pytest.approx(test.loc[segment.id, "predicted_valence"], abs=1e-4)


def test_folds_are_refused(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(EmofuseError, match="leave out --all-folds"):
        emofuse("train", corpus, "--out", tmp_path / "run", "--all-folds", "--withhold-leaky")
