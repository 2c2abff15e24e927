"""Fine-tune an encoder on the training part of a split, and keep it with a record of what it has seen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import lightning as L
import numpy as np
import torch

from emofuse.data.atomic import write_text_aside
from emofuse.data.manifest import Manifest
from emofuse.data.quarantine import Quarantine
from emofuse.encoders.fine_tuning import FineTunedRecord, FineTuneSettings, read_fine_tuned
from emofuse.encoders.pretrained import locate, revision_of
from emofuse.encoders.spec import EMBEDDED, EncoderSpec
from emofuse.errors import EmofuseError
from emofuse.evaluation import ClassificationReport, Split, classification_report, write_split_file
from emofuse.evaluation.protocols.same_utterances import utterance_marks
from emofuse.runs.classification import balanced_class_weights
from emofuse.runs.corpus import Progress
from emofuse.runs.corpus_identity import CorpusIdentity, claim_corpus
from emofuse.runs.folder_lock import locked_folder
from emofuse.runs.run_folder import environment
from emofuse.runs.settings import usual_threads
from emofuse.runs.threads import torch_threads
from emofuse.training.checkpoints import drop_checkpoints
from emofuse.training.finetuning.batches import TuningRows, tuning_loader
from emofuse.training.finetuning.module import FineTuneModule, quarantine_failures
from emofuse.training.finetuning.network import UtteranceClassifier, load_classifier
from emofuse.training.finetuning.parts import READING, read_parts
from emofuse.training.finetuning.saving import save_encoder
from emofuse.training.trainer import train_best, wants_bf16


@dataclass(frozen=True)
class FineTuned:
    """A fine-tuned encoder.

    Attributes:
        folder: which `EncoderSpec.name` can be set to.
        record: what it was made of and with, and how it scored.
    """

    folder: Path
    record: FineTunedRecord


def fine_tune(
    spec: EncoderSpec,
    manifest: Manifest,
    split: Split,
    folder: Path,
    *,
    seed: int = 0,
    device: str = "cpu",
    workers: int = 0,
    threads: int | None = None,
    protocol: str | None = None,
    fold: int | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> FineTuned:
    """Fine-tune the model that ``spec`` names to tell the manifest's labels apart.

    Weights are fitted to the training part alone; the validation part chooses the epoch; the test part, where
    there is one, is read once, at the end, and only to be scored.

    Args:
        spec: a pretrained text or speech model, with ``finetune`` settings (or the defaults).
        manifest: a validated corpus.
        split: its training, validation and test ids; the test part may be empty.
        folder: becomes a model folder of transformers with split.json, history.csv and metrics.json besides.
        seed: of the head, the order and the augmentation.
        device: ``"cpu"`` or ``"cuda"``.
        workers: processes that read sound.
        threads: processor threads that it computes with; see `usual_threads`.
        protocol: that made the split, for the record.
        fold: of that protocol.
        resume: take up an interrupted fine-tuning after its last whole epoch; a finished one is returned.
        progress: called with (done, total, what).

    Raises:
        EmofuseError: the folder is taken, the model cannot be fine-tuned, or a part has nothing of its modality.
    """
    settings = spec.finetune or FineTuneSettings()
    spec = _checked(spec).model_copy(update={"finetune": settings})
    with torch_threads(threads or usual_threads()), locked_folder(folder):
        _claim(folder, spec, manifest, split, seed, resume)
        done = read_fine_tuned(folder)
        if done is not None:
            return FineTuned(folder, done)
        return _tune(spec, settings, manifest, split, folder, seed, device, workers, protocol, fold, progress)


def _tune(
    spec: EncoderSpec,
    settings: FineTuneSettings,
    manifest: Manifest,
    split: Split,
    folder: Path,
    seed: int,
    device: str,
    workers: int,
    protocol: str | None,
    fold: int | None,
    progress: Progress | None,
) -> FineTuned:
    """Train, judge and save, in a folder that is locked."""
    source = locate(spec.name, spec.revision)
    quarantine = Quarantine(folder / "quarantine.csv")
    L.seed_everything(seed, verbose=False)
    classifier = load_classifier(source, spec.modality, manifest.labels, settings)
    parts = read_parts(spec, source, classifier.network, manifest, split, settings, seed)
    weights = None
    if settings.class_weights == "balanced":
        labels = [manifest.labels[i] for i in parts.labels["train"]]
        weights = balanced_class_weights(labels, manifest.labels)
    best_epoch = train_best(
        FineTuneModule(classifier, settings, weights, quarantine),
        tuning_loader(
            parts.rows["train"],
            settings.batch_size,
            shuffle_seed=seed,
            epoch_size=settings.epoch_size,
            workers=workers,
        ),
        tuning_loader(parts.rows["val"], settings.batch_size, workers=workers),
        checkpoints=folder / "checkpoints",
        history=folder / "history.csv",
        epochs=settings.epochs,
        patience=settings.patience,
        monitor="val_weighted_f1",
        mode="max",
        seed=seed,
        device=device,
        bf16=wants_bf16(settings.precision, device),
        gradient_clip=settings.gradient_clip,
        accumulate=settings.accumulate,
        progress=progress,
    )
    reports = {
        name: _judge(classifier, rows, manifest.labels, settings, device, workers, quarantine, progress)
        for name, rows in parts.rows.items()
        if name != "train"
    }
    record = FineTunedRecord(
        modality=spec.modality,
        base=Path(spec.name).name if source.folder else spec.name,
        base_revision=revision_of(source, classifier.network.config),
        reading=parts.reading,
        settings=settings,
        seed=seed,
        labels=manifest.labels,
        data_fingerprint=manifest.fingerprint(),
        protocol=protocol,
        fold=fold,
        parts={name: len(labels) for name, labels in parts.labels.items()},
        seen=_seen(manifest, split),
        scores=_scores(reports),
        best_epoch=best_epoch,
        environment=environment(),
    )
    write_split_file(split, folder / "split.json")
    write_text_aside(folder / "metrics.json", _metrics(reports))
    save_encoder(classifier.network, parts.reader, record, folder)
    drop_checkpoints(folder / "checkpoints")
    return FineTuned(folder, record)


def _checked(spec: EncoderSpec) -> EncoderSpec:
    if spec.modality not in READING:
        raise EmofuseError(f"finetune {spec.modality}: stage 1 fine-tunes text and audio encoders")
    if spec.name in EMBEDDED:
        raise EmofuseError(
            f"encoder {spec.name}: is embedded and has nothing to fine-tune; name a pretrained model"
        )
    if spec.pooling == "tokens":
        raise EmofuseError(f"encoder {spec.name}: a classifier needs one vector; use pooling cls or mean")
    if spec.pooling == "cls" and spec.modality == "audio":
        raise EmofuseError(f"encoder {spec.name}: speech has no CLS token; use pooling mean")
    return spec


def _claim(
    folder: Path, spec: EncoderSpec, manifest: Manifest, split: Split, seed: int, resume: bool
) -> None:
    """Take the folder for these settings on these data, or see that it was taken for the same."""
    asked = {
        "encoder": spec.model_dump(mode="json"),
        "seed": seed,
        "data": manifest.fingerprint(),
        "train": list(split.train),
        "val": list(split.val),
    }
    path = folder / "finetune.json"
    text = json.dumps(asked, ensure_ascii=False, indent=1) + "\n"
    if not path.exists():
        if read_fine_tuned(folder) is not None or (folder / "config.json").exists():
            raise EmofuseError(f"{folder}: holds a model already; choose another folder")
        CorpusIdentity.of(manifest).write(folder)
        write_text_aside(path, text)
        return
    if not resume:
        raise EmofuseError(
            f"{folder}: holds a fine-tuning already; choose another folder, or add --resume to take it up"
        )
    held = path.read_text(encoding="utf-8")
    claim_corpus(folder, manifest, () if held == text else _fingerprints(held))
    if held != text:
        raise EmofuseError(
            f"{path}: the fine-tuning to resume was started with other settings or another split; repeat them or choose "
            "a new folder"
        )


def _fingerprints(claim: str) -> list[str]:
    """That of the corpus that a claim names, as far as it can be read."""
    try:
        return [str(json.loads(claim)["data"])]
    except (ValueError, KeyError, TypeError):
        return []


def _judge(
    classifier: UtteranceClassifier,
    rows: TuningRows,
    labels: Sequence[str],
    settings: FineTuneSettings,
    device: str,
    workers: int,
    quarantine: Quarantine,
    progress: Progress | None,
) -> ClassificationReport:
    classifier.to(device).eval()
    logits, truth, done = [], [], 0
    with torch.inference_mode():
        for batch in tuning_loader(rows, settings.batch_size, workers=workers):
            quarantine_failures(quarantine, batch.decode_failures)
            done += len(batch) + len(batch.decode_failures)
            if len(batch):
                logits.append(classifier(batch.to(device)).cpu().double())
                truth.append(batch.labels)
            if progress is not None:
                progress(done, len(rows), "scoring")
    classifier.cpu()
    if not logits:
        raise EmofuseError("finetune: nothing of a part could be read; see quarantine.csv")
    probabilities = torch.cat(logits).softmax(dim=-1).numpy()
    true = torch.cat(truth).numpy().astype(np.int64)
    return classification_report(
        true, probabilities.argmax(axis=1), labels, probabilities=probabilities, bootstrap=0
    )


def _seen(manifest: Manifest, split: Split) -> list[str]:
    """Marks of the training and the validation part, without those that other utterances carry too."""
    fitted = {*split.train, *split.val}
    marks = utterance_marks(manifest, manifest.ids)
    seen, others = (
        set().union(*(those for id, those in marks.items() if (id in fitted) == inside))
        for inside in (True, False)
    )
    return sorted(seen - others)


def _scores(reports: dict[str, ClassificationReport]) -> dict[str, dict[str, float]]:
    return {name: dict(report.metrics) for name, report in reports.items()}


def _metrics(reports: dict[str, ClassificationReport]) -> str:
    scores = {name: report.to_dict() for name, report in reports.items()}
    if "val" in scores:
        scores["val"]["note"] = "this part chose the epoch, so its figures are optimistic"
    return json.dumps(scores, indent=1, ensure_ascii=False) + "\n"
