"""A run whose encoder learns: what it keeps, that it resumes, and that its predictions are those of its training."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from emofuse.data.manifest import Manifest
from emofuse.encoders.fine_tuning import read_fine_tuned
from emofuse.errors import EmofuseError
from emofuse.features import FeatureStore
from emofuse.inference.evaluate import evaluate_fit
from emofuse.pipeline import EmotionPipeline
from emofuse.runs.run_folder import RunFolder
from emofuse.training.fit import fit_run
from tests.training.end_to_end.small import joint_settings


@pytest.fixture(scope="module")
def run(talk: Manifest, bert_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Trained end to end and evaluated."""
    place = tmp_path_factory.mktemp("joint")
    settings = joint_settings(
        talk, bert_folder, data__features=str(place / "features"), optimiser__epochs=8, optimiser__patience=8
    )
    folder = fit_run(settings, talk, place / "run")
    evaluate_fit(folder, talk)
    return folder


def test_the_run_keeps_the_encoder_that_has_learnt(run: RunFolder, talk: Manifest, bert_folder: Path) -> None:
    part = run.read_record().encoders["text"]
    kept = read_fine_tuned(run.encoder_folder("text"))
    assert kept is not None
    assert kept.end_to_end is not None
    assert kept.end_to_end.learning_rate == 0.002
    assert part.end_to_end is not None
    assert part.end_to_end.base == bert_folder.name
    assert part.end_to_end.learnt_parameters < part.end_to_end.parameters  # the embeddings stay as they are
    before, after = (
        load_file(folder / "model.safetensors") for folder in (bert_folder, run.encoder_folder("text"))
    )
    assert set(before) == set(after)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if name.startswith("encoder.layer")}


def test_a_prediction_is_what_the_validation_pass_of_the_training_said(
    run: RunFolder, talk: Manifest
) -> None:
    history = pd.read_csv(run.history_file)
    best = history.iloc[run.read_record().best_epoch]
    predicted = pd.read_parquet(run.predictions_file).query("part == 'val'")
    truth = predicted["label"].map({label: i for i, label in enumerate(talk.labels)}).to_numpy()
    p = predicted[[f"p_{label}" for label in talk.labels]].to_numpy()
    loss = -np.log(p[np.arange(len(p)), truth]).mean()
    assert loss == pytest.approx(best["val_loss"], abs=1e-4)
    assert history["val_weighted_f1"].max() > 0.9


def test_raw_texts_are_read_by_the_encoder_that_has_learnt(run: RunFolder, talk: Manifest) -> None:
    told = pd.read_parquet(run.predictions_file).query("part == 'test'").set_index("id")
    rows = talk.select(list(told.index))
    for segment in EmotionPipeline.from_pretrained(run.path).predict_manifest(rows):
        wanted = told.loc[segment.id, [f"p_{label}" for label in talk.labels]].to_numpy(float)
        assert list(segment.probabilities.values()) == pytest.approx(list(wanted), abs=1e-4)


def test_it_resumes_to_the_bit(
    talk: Manifest, bert_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {
        "data__features": str(tmp_path / "features"),
        "encoders__text": {
            "modality": "text",
            "name": str(bert_folder),
            "end_to_end": {"learning_rate": 0.002, "freeze_layers": 1, "gradient_checkpointing": True},
        },
        "optimiser__weight_average": "ema",
        "optimiser__schedule": "cosine",
        "optimiser__warmup_fraction": 0.2,
    }
    settings = joint_settings(talk, bert_folder, **changes)
    whole = fit_run(settings, talk, tmp_path / "whole")
    from emofuse.training import callbacks

    original = callbacks.SeedEachEpoch.on_train_epoch_start

    def interrupted(self, trainer, module):  # type: ignore[no-untyped-def]
        if trainer.current_epoch == 2:
            raise KeyboardInterrupt
        original(self, trainer, module)

    with monkeypatch.context() as patched:
        patched.setattr(callbacks.SeedEachEpoch, "on_train_epoch_start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fit_run(settings, talk, tmp_path / "cut")
    cut = fit_run(settings, talk, tmp_path / "cut", resume=True)
    for file in ("model.safetensors", "encoders/text/model.safetensors"):
        one, other = (load_file(folder.path / file) for folder in (whole, cut))
        assert all(torch.equal(one[name], other[name]) for name in one), file
    base = load_file(bert_folder / "model.safetensors")
    tuned = load_file(cut.path / "encoders" / "text" / "model.safetensors")
    changed = {name.split(".")[2] for name in base if not torch.equal(base[name], tuned[name])}
    assert changed == {"1", "2"}  # of three layers, the lowest stays


def test_a_run_that_is_judged_on_what_the_encoder_has_seen_is_refused(
    run: RunFolder, talk: Manifest, tmp_path: Path
) -> None:
    settings = joint_settings(talk, run.encoder_folder("text"), data__features=str(tmp_path), data__fold=1)
    with pytest.raises(EmofuseError, match=r"leak: the text encoder .* was fine-tuned on"):
        fit_run(settings, talk, tmp_path / "run")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"encoders__text__end_to_end__freeze_layers": 3}, "leaves none of its 3 layers to learn"),
        ({"optimiser__mixup": 0.2, "model__name": "late-fusion", "model__options": {}}, "cannot be mixed"),
        ({"data__normalise": {"text": "speaker"}}, "cannot be standardised"),
        (
            {"encoders__text__layers": [0, 3], "encoders__text__end_to_end__freeze_layers": 1},
            "layer 0 lies below",
        ),
    ],
)
def test_what_cannot_be_learnt_together_is_refused_in_one_line(
    talk: Manifest, bert_folder: Path, tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    settings = joint_settings(talk, bert_folder, data__features=str(tmp_path / "features"), **changes)
    with pytest.raises(EmofuseError, match=said):
        fit_run(settings, talk, tmp_path / "run")
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_frozen_layers_are_kept_in_the_feature_store_once(
    talk: Manifest, bert_folder: Path, tmp_path: Path
) -> None:
    frozen = {"encoders__text__end_to_end__freeze_layers": 2, "optimiser__epochs": 1}
    settings = joint_settings(talk, bert_folder, data__features=str(tmp_path / "features"), **frozen)
    fit_run(settings, talk, tmp_path / "run")
    kept = [i for i in FeatureStore(tmp_path / "features").identities() if i.kind == "hf-text-lower-layers"]
    assert [i.sampling["layer"] for i in kept] == [2]
    files = sorted(tmp_path.glob("features/*/*.arrow"))
    fit_run(settings.with_changes({"seed": 1}), talk, tmp_path / "again")
    assert sorted(tmp_path.glob("features/*/*.arrow")) == files
