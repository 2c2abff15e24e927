"""Fine-tune an encoder on the training part of a split, and keep it with a record of what it has seen."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import lightning as L

from emofuse.data.atomic import write_text_aside
from emofuse.data.manifest import Manifest
from emofuse.data.quarantine import Quarantine
from emofuse.data.stored_files import stored_json
from emofuse.encoders.cross_fitted import CROSS_FIT_FILE, CrossFitRecord, part_folder
from emofuse.encoders.fine_tuning import (
    FineTunedRecord,
    FineTuneSettings,
    read_fine_tuned,
    training_settings,
)
from emofuse.encoders.packaged import model_folder
from emofuse.encoders.pretrained import locate, revision_of
from emofuse.encoders.spec import EMBEDDED, FACE_CNN, EncoderSpec
from emofuse.errors import EmofuseError
from emofuse.evaluation import ClassificationReport, Split, write_split_file
from emofuse.evaluation.protocols.same_utterances import utterance_marks
from emofuse.runs.classification import balanced_class_weights
from emofuse.runs.corpus import Progress
from emofuse.runs.corpus_identity import CorpusIdentity, claim_corpus
from emofuse.runs.folder_lock import locked_folder
from emofuse.runs.run_folder import environment
from emofuse.runs.settings import usual_threads
from emofuse.runs.threads import torch_threads
from emofuse.training.checkpoints import drop_checkpoints
from emofuse.training.finetuning.batches import tuning_loader
from emofuse.training.finetuning.cross_fitting import (
    cross_fit_groups,
    fine_tune_held_out,
    weighted_f1,
)
from emofuse.training.finetuning.judging import Judgement, judge_part
from emofuse.training.finetuning.module import FineTuneModule
from emofuse.training.finetuning.network import UtteranceClassifier, load_classifier
from emofuse.training.finetuning.parts import READING, TuningParts, read_parts
from emofuse.training.finetuning.saving import save_encoder
from emofuse.training.trainer import train_best, wants_bf16

_HELD_OUT_FILE = "held_out.json"
_CROPS = "crops"


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
        spec: a pretrained text, speech or image model, or ``"face-cnn"``, a small network of faces that starts from
            nothing, with ``finetune`` settings (or the defaults).
        manifest: a validated corpus.
        split: its training, validation and test ids; the test part may be empty.
        folder: becomes a model folder of transformers with split.json, history.csv and metrics.json besides.
        seed: of the head, the order and the augmentation.
        device: ``"cpu"`` or ``"cuda"``.
        workers: processes that read sound and pictures.
        threads: processor threads that it computes with; see `usual_threads`.
        protocol: that made the split, for the record.
        fold: of that protocol.
        resume: take up an interrupted fine-tuning after its last whole epoch; a finished one is returned.
        progress: called with (done, total, what).

    Raises:
        EmofuseError: the folder is taken, the model cannot be fine-tuned, or a part has nothing of its modality.
    """
    settings = _settings_of(spec)
    spec = _checked(spec).model_copy(update={"finetune": settings})
    with torch_threads(threads or usual_threads()), locked_folder(folder):
        _claim(folder, spec, manifest, split, seed, resume)
        crops = folder / _CROPS
        done = read_fine_tuned(folder)
        if done is not None:
            tuned = FineTuned(folder, done)
        else:
            job = _Job(
                spec, settings, manifest, folder, crops, seed, device, workers, protocol, fold, progress
            )
            count = settings.cross_fit
            tuned = job.tune(split) if count is None else _cross_fit(job, split, count)
        shutil.rmtree(crops, ignore_errors=True)
        return tuned


@dataclass(frozen=True)
class _Job:
    """All that a fine-tuning needs but the split, in a folder that is locked.

    ``crops`` is where pictures that were decoded are kept; the encoders of a cross-fitting share it.
    """

    spec: EncoderSpec
    settings: FineTuneSettings
    manifest: Manifest
    folder: Path
    crops: Path
    seed: int
    device: str
    workers: int
    protocol: str | None
    fold: int | None
    progress: Progress | None

    def tune(
        self, split: Split, before_saving: Callable[[Mapping[str, Judgement]], None] | None = None
    ) -> FineTuned:
        """Train, judge and save; ``before_saving`` gets what is said of each part, the training part included."""
        source = None if self.spec.name == FACE_CNN else locate(self.spec.name, self.spec.revision)
        quarantine = Quarantine(self.folder / "quarantine.csv")
        L.seed_everything(self.seed, verbose=False)
        labels = self.manifest.labels
        classifier = load_classifier(source, self.spec.modality, labels, self.settings)
        parts = read_parts(
            self.spec,
            source,
            classifier.network,
            self.manifest,
            split,
            self.settings,
            self.seed,
            self.crops,
        )
        best_epoch = self._fit(classifier, parts, quarantine)
        judged = {
            name: judge_part(
                classifier, rows, self.settings, self.device, self.workers, quarantine, self.progress
            )
            for name, rows in parts.rows.items()
            if name != "train" or before_saving is not None
        }
        reports = {name: part.report(labels) for name, part in judged.items() if name != "train"}
        record = FineTunedRecord(
            modality=self.spec.modality,
            base=Path(self.spec.name).name if source and source.folder else self.spec.name,
            base_revision="untrained" if source is None else revision_of(source, classifier.network.config),
            reading=parts.reading,
            settings=self.settings,
            seed=self.seed,
            labels=labels,
            data_fingerprint=self.manifest.fingerprint(),
            protocol=self.protocol,
            fold=self.fold,
            parts={name: len(each) for name, each in parts.labels.items()},
            seen=sorted({*marks_seen(self.manifest, split), *_seen_by_base(self.spec)}),
            scores=_scores(reports),
            best_epoch=best_epoch,
            environment=environment(),
        )
        write_split_file(split, self.folder / "split.json")
        write_text_aside(self.folder / "metrics.json", _metrics(reports))
        if before_saving is not None:
            before_saving({name: part.judgement() for name, part in judged.items()})
        save_encoder(classifier.network, parts.reader, record, self.folder)
        drop_checkpoints(self.folder / "checkpoints")
        return FineTuned(self.folder, record)

    def _fit(self, classifier: UtteranceClassifier, parts: TuningParts, quarantine: Quarantine) -> int:
        """Train, and leave the best epoch's weights in the classifier."""
        settings, labels = self.settings, self.manifest.labels
        weights = None
        if settings.class_weights == "balanced":
            weights = balanced_class_weights([labels[i] for i in parts.labels["train"]], labels)
        return train_best(
            FineTuneModule(classifier, settings, weights, quarantine),
            tuning_loader(
                parts.rows["train"],
                settings.batch_size,
                shuffle_seed=self.seed,
                epoch_size=settings.epoch_size,
                workers=self.workers,
            ),
            tuning_loader(parts.rows["val"], settings.batch_size, workers=self.workers),
            checkpoints=self.folder / "checkpoints",
            history=self.folder / "history.csv",
            epochs=settings.epochs,
            patience=settings.patience,
            monitor="val_weighted_f1",
            mode="max",
            seed=self.seed,
            device=self.device,
            bf16=wants_bf16(settings.precision, self.device),
            gradient_clip=settings.gradient_clip,
            accumulate=settings.accumulate,
            progress=self.progress,
        )


def _cross_fit(job: _Job, split: Split, count: int) -> FineTuned:
    """Fine-tune once per group without it, then on all; what was finished before an interruption is kept."""
    groups, kind = cross_fit_groups(
        job.manifest, split.train, count, job.seed, by_speaker=job.protocol in ("speaker", "session")
    )
    alone = job.settings.model_copy(update={"cross_fit": None})
    spec = job.spec.model_copy(update={"finetune": alone})

    def without(number: int, part: Split) -> Judgement:
        folder = part_folder(job.folder, number)
        inner = replace(job, spec=spec, settings=alone, folder=folder)

        def keep(judged: Mapping[str, Judgement]) -> None:
            write_text_aside(folder / _HELD_OUT_FILE, json.dumps(judged.get("test", {})) + "\n")

        with locked_folder(folder):
            _claim(folder, spec, job.manifest, part, job.seed, resume=True)
            if read_fine_tuned(folder) is None:
                inner.tune(part, keep)
        held = stored_json(folder / _HELD_OUT_FILE, "fine-tune again")
        return {name: (true, said) for name, (true, said) in held.items()}

    held_out = fine_tune_held_out(split, groups, without)

    def keep_record(judged: Mapping[str, Judgement]) -> None:
        record = CrossFitRecord(
            held_out=groups,
            count=count,
            grouped_by=kind,
            trained_f1=weighted_f1(judged["train"]),
            held_out_f1=weighted_f1(held_out),
        )
        write_text_aside(job.folder / CROSS_FIT_FILE, record.model_dump_json() + "\n")

    return job.tune(split, keep_record)


def _checked(spec: EncoderSpec) -> EncoderSpec:
    if spec.modality not in READING:
        raise EmofuseError(f"finetune {spec.modality}: stage 1 fine-tunes text, audio and video encoders")
    if spec.name == FACE_CNN and spec.modality != "video":
        raise EmofuseError(f"encoder {FACE_CNN}: reads video, not {spec.modality}")
    if spec.name in EMBEDDED:
        raise EmofuseError(
            f"encoder {spec.name}: is embedded and has nothing to fine-tune; name a pretrained model"
        )
    if (
        spec.pooling == "tokens" and spec.modality != "video"
    ):  # of video it says what the system is given later
        raise EmofuseError(f"encoder {spec.name}: a classifier needs one vector; use pooling cls or mean")
    if spec.pooling == "cls" and spec.modality != "text":
        what = "speech" if spec.modality == "audio" else "video"
        raise EmofuseError(f"encoder {spec.name}: {what} has no CLS token; use pooling mean")
    return spec


def _settings_of(spec: EncoderSpec) -> FineTuneSettings:
    if spec.name != FACE_CNN:
        return spec.finetune or FineTuneSettings()
    return training_settings(**(spec.finetune.model_dump(exclude_unset=True) if spec.finetune else {}))


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


def _seen_by_base(spec: EncoderSpec) -> list[str]:
    """What the base was fitted to, where emofuse fine-tuned that too."""
    base = read_fine_tuned(model_folder(spec.name))
    return base.seen if base is not None else []


def marks_seen(manifest: Manifest, split: Split) -> list[str]:
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
