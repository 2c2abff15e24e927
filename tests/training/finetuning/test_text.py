import json
import os
import shutil
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForTokenClassification, AutoTokenizer

from emofuse.data.manifest import Manifest
from emofuse.encoders import EncoderSpec, create_encoder
from emofuse.encoders.fine_tuning import RECORD_FILE, read_fine_tuned
from emofuse.errors import EmofuseError
from emofuse.evaluation import Split, read_split_file, splits
from emofuse.features.dialogue_context import ContextWindow, texts_in_context
from emofuse.training.finetuning import fine_tune, job, saving
from emofuse.training.finetuning.claims import claim_tuning
from emofuse.training.finetuning.module import FineTuneModule
from emofuse.training.finetuning.run import FineTuned

QUICK = {
    "epochs": 6,
    "patience": 6,
    "dropout": 0.0,
    "learning_rate": 3e-3,
    "head_learning_rate": 1e-2,
    "batch_size": 8,
}


def spec_of(folder: Path, **options: object) -> EncoderSpec:
    tuning = {name: options.pop(name) for name in list(options) if name in FINE_TUNE_NAMES}
    return EncoderSpec.model_validate(
        {"modality": "text", "name": str(folder), "finetune": QUICK | tuning, **options}
    )


FINE_TUNE_NAMES = {
    "epochs", "freeze_layers", "freeze_front", "class_weights", "layer_drop", "accumulate", "learning_rate",
    "dropout", "gradient_checkpointing", "spec_augment", "monitor", "patience",
}  # fmt: skip


def split_of(manifest: Manifest) -> Split:
    return splits(manifest, "speaker", k=4, seed=0, val_fraction=0.25)[0]


@pytest.fixture(scope="module")
def tuned(talk: Manifest, bert_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> FineTuned:
    folder = tmp_path_factory.mktemp("tuned") / "mean"
    return fine_tune(spec_of(bert_folder), talk, split_of(talk), folder, seed=1, protocol="speaker", fold=0)


def test_it_learns_and_says_how_well(tuned: FineTuned, talk: Manifest) -> None:
    split = split_of(talk)
    assert tuned.record.parts == {"train": len(split.train), "val": len(split.val), "test": len(split.test)}
    assert tuned.record.scores["test"]["weighted_f1"] > 0.9
    assert tuned.record.labels == ["joy", "sadness"]
    assert (tuned.record.protocol, tuned.record.fold, tuned.record.seed) == ("speaker", 0, 1)
    assert tuned.record.data_fingerprint == talk.fingerprint()
    assert read_split_file(tuned.folder / "split.json") == split
    metrics = json.loads((tuned.folder / "metrics.json").read_text(encoding="utf-8"))
    assert "optimistic" in metrics["val"]["note"]
    assert not list(tuned.folder.glob(".saving*"))
    assert not (tuned.folder / "checkpoints").exists()


def test_a_kill_just_after_the_record_leaves_no_checkpoints_for_ever(
    tuned: FineTuned, talk: Manifest, bert_folder: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tuned.folder, tmp_path / "tuned"))
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "last.ckpt").touch()
    again = fine_tune(spec_of(bert_folder), talk, split_of(talk), folder, seed=1, resume=True)
    assert again.record == tuned.record
    assert not (folder / "checkpoints").exists()


def test_the_validation_loss_may_choose_the_epoch(talk: Manifest, bert_folder: Path, tmp_path: Path) -> None:
    spec = spec_of(bert_folder, monitor="val_loss", epochs=8, patience=1, learning_rate=0.01)
    chosen = fine_tune(spec, talk, split_of(talk), tmp_path / "run").record.best_epoch
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    assert chosen == history["val_loss"].argmin() != history["val_weighted_f1"].argmax()


def test_a_fine_tuning_of_a_version_without_a_monitor_opens(tuned: FineTuned, tmp_path: Path) -> None:
    record = json.loads((tuned.folder / RECORD_FILE).read_text(encoding="utf-8"))
    del record["settings"]["monitor"]
    (tmp_path / RECORD_FILE).write_text(json.dumps(record), encoding="utf-8")
    assert read_fine_tuned(tmp_path) == tuned.record
    assert tuned.record.settings.monitor == "val_weighted_f1"


def test_the_library_reads_the_folder_and_gives_the_scores_on_record(
    tuned: FineTuned, talk: Manifest
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tuned.folder)
    model = AutoModelForTokenClassification.from_pretrained(tuned.folder).eval()
    assert model.config.id2label == {0: "joy", 1: "sadness"}
    rows = [talk.utterance(id) for id in split_of(talk).test]
    right = 0
    for row in rows:
        with torch.no_grad():
            logits = model(**tokenizer(row.text, return_tensors="pt")).logits[0].mean(dim=0)
        right += model.config.id2label[int(logits.argmax())] == row.label
    assert right / len(rows) == pytest.approx(tuned.record.scores["test"]["accuracy"])


def test_the_features_of_stage_two_are_what_the_head_has_seen(tuned: FineTuned, talk: Manifest) -> None:
    encoder = create_encoder(EncoderSpec(modality="text", name=str(tuned.folder)))
    rows = [talk.utterance(id) for id in split_of(talk).test]
    features = encoder.encode([row.text for row in rows])
    weights = load_file(tuned.folder / "model.safetensors")
    logits = features @ weights["classifier.weight"].numpy().T + weights["classifier.bias"].numpy()
    right = [tuned.record.labels[i] == row.label for i, row in zip(logits.argmax(1), rows, strict=True)]
    assert np.mean(right) == pytest.approx(tuned.record.scores["test"]["accuracy"])


def test_what_stands_in_the_dialogue_is_learnt_with_context_alone(
    echo: Manifest, bert_folder: Path, tmp_path: Path
) -> None:
    split = splits(echo, "speaker", k=4, seed=0, val_fraction=0.25)[0]
    for pooling in ("mean", "cls"):
        spec = spec_of(bert_folder, context_before=1, pooling=pooling, epochs=10, patience=10)
        read = fine_tune(spec, echo, split, tmp_path / pooling)
        assert read.record.scores["test"]["accuracy"] > 0.9
    alone = fine_tune(spec_of(bert_folder, epochs=2), echo, split, tmp_path / "alone")
    assert alone.record.scores["test"]["accuracy"] < 0.75  # every utterance has the same words

    encoder = create_encoder(EncoderSpec(modality="text", name=str(tmp_path / "cls")))
    assert (encoder.identity.pooling, encoder.identity.sampling["context_before"]) == ("cls", 1)
    texts = texts_in_context(echo.rows(), ContextWindow(before=1))
    features = encoder.encode([texts[id] for id in split.test])
    weights = load_file(tmp_path / "cls" / "model.safetensors")
    logits = features @ weights["classifier.weight"].numpy().T + weights["classifier.bias"].numpy()
    truth = [echo.utterance(id).label for id in split.test]
    right = [echo.labels[i] == label for i, label in zip(logits.argmax(1), truth, strict=True)]
    assert np.mean(right) > 0.9


def test_an_interrupted_fine_tuning_ends_in_the_weights_of_an_uninterrupted_one(
    talk: Manifest, bert_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, split = spec_of(bert_folder, epochs=3), split_of(talk)
    whole = fine_tune(spec, talk, split, tmp_path / "whole")
    step = FineTuneModule.training_step

    def cut(self: FineTuneModule, batch: object, batch_idx: int) -> torch.Tensor | None:
        if self.current_epoch == 1 and batch_idx == 1:
            raise RuntimeError("power cut")
        return step(self, batch, batch_idx)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(FineTuneModule, "training_step", cut)
        with pytest.raises(RuntimeError):
            fine_tune(spec, talk, split, tmp_path / "cut")
    assert not (tmp_path / "cut" / "config.json").exists()
    with pytest.raises(EmofuseError, match="add --resume"):
        fine_tune(spec, talk, split, tmp_path / "cut")
    with pytest.raises(EmofuseError, match="other settings or another split"):
        fine_tune(spec_of(bert_folder, epochs=5), talk, split, tmp_path / "cut", resume=True)
    text = [f"{split.train[0]} again", *talk.frame["text"][1:]]
    other = Manifest.from_frame(talk.frame.assign(text=text), talk.root)
    with pytest.raises(EmofuseError, match="another state of this corpus: 1 row changed"):
        fine_tune(spec, other, split, tmp_path / "cut", resume=True)
    torch.manual_seed(99)
    resumed = fine_tune(spec, talk, split, tmp_path / "cut", resume=True)
    weights = [(found.folder / "model.safetensors").read_bytes() for found in (whole, resumed)]
    assert weights[0] == weights[1]
    assert resumed.record.best_epoch == whole.record.best_epoch
    before = (tmp_path / "cut" / "model.safetensors").stat().st_mtime_ns
    fine_tune(spec, talk, split, tmp_path / "cut", resume=True)
    assert (tmp_path / "cut" / "model.safetensors").stat().st_mtime_ns == before


def test_a_folder_that_is_half_written_is_no_model(
    talk: Manifest, bert_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, split = spec_of(bert_folder, epochs=1), split_of(talk)
    replace = Path.replace

    def full_disk(self: Path, target: Path) -> Path:
        if target.name == "tokenizer.json":
            raise OSError("no space left")
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(saving.Path, "replace", full_disk)
        with pytest.raises(OSError, match="no space"):
            fine_tune(spec, talk, split, tmp_path / "run")
    with pytest.raises(EmofuseError, match=r"config\.json is missing"):
        create_encoder(EncoderSpec(modality="text", name=str(tmp_path / "run")))
    fine_tune(spec, talk, split, tmp_path / "run", resume=True)
    create_encoder(EncoderSpec(modality="text", name=str(tmp_path / "run")))
    assert not list((tmp_path / "run").glob(".saving*"))


def test_frozen_layers_stay_as_they_are(talk: Manifest, bert_folder: Path, tmp_path: Path) -> None:
    spec = spec_of(bert_folder, epochs=1, freeze_layers=2, freeze_front=True)
    fine_tune(spec, talk, split_of(talk), tmp_path / "run")
    before, after = (
        load_file(bert_folder / "model.safetensors"),
        load_file(tmp_path / "run/model.safetensors"),
    )
    changed = {
        name for name, weight in before.items() if not torch.equal(weight, after.get(f"bert.{name}", weight))
    }
    assert changed
    assert all(name.startswith("encoder.layer.2.") for name in changed)


def test_balanced_class_weights_and_gradient_accumulation_have_an_effect(
    talk: Manifest, bert_folder: Path, tmp_path: Path
) -> None:
    rare = talk.frame.assign(label=["joy" if i % 3 else label for i, label in enumerate(talk.frame["label"])])
    manifest = Manifest.from_frame(rare, talk.root).validate()
    weights = {}
    for name, options in {
        "plain": {},
        "balanced": {"class_weights": "balanced"},
        "accumulated": {"accumulate": 2},
        "checkpointed": {"gradient_checkpointing": True},
    }.items():
        spec = spec_of(bert_folder, epochs=1, **options)
        fine_tune(spec, manifest, split_of(manifest), tmp_path / name)
        weights[name] = load_file(tmp_path / name / "model.safetensors")["classifier.weight"]
    torch.testing.assert_close(weights["checkpointed"], weights["plain"])  # recomputing changes no number
    for name in ("balanced", "accumulated"):
        assert not torch.allclose(weights[name], weights["plain"]), name


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"layer_drop": 0.1}, "layer_drop is for speech models"),
        ({"spec_augment": 0.1}, "spec_augment is for speech models"),
        ({"freeze_layers": 7}, "more than its 3 layers"),
        ({"pooling": "tokens"}, "use pooling cls or mean"),
        ({"max_length": 400}, "more than the 48 tokens"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    talk: Manifest, bert_folder: Path, tmp_path: Path, options: dict[str, object], line: str
) -> None:
    with pytest.raises(EmofuseError, match=line):
        fine_tune(spec_of(bert_folder, **options), talk, split_of(talk), tmp_path / "run")


def test_a_model_in_the_way_is_not_written_over(talk: Manifest, bert_folder: Path) -> None:
    with pytest.raises(EmofuseError, match="holds a model already"):
        fine_tune(spec_of(bert_folder), talk, split_of(talk), bert_folder)


def test_nothing_to_learn_from_is_said(talk: Manifest, bert_folder: Path, tmp_path: Path) -> None:
    silent = Manifest.from_frame(talk.frame.assign(text=None), talk.root)
    with pytest.raises(EmofuseError, match="no labelled row of the train part has any"):
        fine_tune(spec_of(bert_folder), silent, split_of(talk), tmp_path / "run")


def test_weights_that_went_astray_are_not_saved(
    talk: Manifest, bert_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def astray(module: FineTuneModule, *loaders: object, **options: object) -> int:
        module.classifier.network.classifier.weight.data.fill_(torch.nan)
        module.rows_read = 1
        return 0

    monkeypatch.setattr(job, "train_best", astray)
    monkeypatch.setattr(job, "judge_part", lambda *arguments: Mock())
    monkeypatch.setattr(job, "_metrics", lambda reports: "{}")
    monkeypatch.setattr(job, "_scores", lambda reports: {})
    with pytest.raises(EmofuseError, match=r"classifier\.weight is not finite"):
        fine_tune(spec_of(bert_folder), talk, split_of(talk), tmp_path / "run")
    assert not (tmp_path / "run" / RECORD_FILE).exists()


@pytest.mark.timeout(20)  # who opens a pipe waits
@pytest.mark.parametrize("kind", ["bytes", "pipe"])
def test_a_claim_that_is_no_text_is_one_line(talk: Manifest, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "finetune.json"
    os.mkfifo(file) if kind == "pipe" else file.write_bytes(b"\xff")
    with pytest.raises(EmofuseError, match=r"finetune\.json: .*choose another folder"):
        claim_tuning(tmp_path, spec_of(tmp_path), talk, split_of(talk), 0, resume=True)
