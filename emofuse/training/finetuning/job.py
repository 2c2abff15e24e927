"""One fine-tuning: train, judge, and keep the encoder with a record of what it has seen."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import lightning as L

from emofuse.data.atomic import write_text_aside
from emofuse.data.manifest import Manifest
from emofuse.data.quarantine import Quarantine
from emofuse.encoders.fine_tuning import FineTunedRecord, FineTuneSettings
from emofuse.encoders.pretrained import locate, revision_of
from emofuse.encoders.spec import UNTRAINED, EncoderSpec
from emofuse.errors import EmofuseError
from emofuse.evaluation import ClassificationReport, Split, write_split_file
from emofuse.runs.classification import balanced_class_weights
from emofuse.runs.corpus import Progress
from emofuse.runs.precision import wants_bf16
from emofuse.runs.run_record import environment
from emofuse.runs.tasks import MONITORS
from emofuse.training.checkpoints import drop_checkpoints
from emofuse.training.finetuning.batches import tuning_loader
from emofuse.training.finetuning.claims import marks_seen, seen_by_base
from emofuse.training.finetuning.judging import Judgement, judge_part
from emofuse.training.finetuning.module import FineTuneModule
from emofuse.training.finetuning.network import UtteranceClassifier, load_classifier
from emofuse.training.finetuning.parts import TuningParts, read_parts
from emofuse.training.finetuning.saving import save_encoder
from emofuse.training.trainer import train_best


@dataclass(frozen=True)
class FineTuned:
    """A fine-tuned encoder.

    Attributes:
        folder: which `EncoderSpec.name` can be set to.
        record: what it was made of and with, and how it scored.
    """

    folder: Path
    record: FineTunedRecord


@dataclass(frozen=True)
class TuningJob:
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
        self,
        split: Split,
        before_saving: Callable[[Mapping[str, Judgement]], None] | None = None,
        trained: Callable[[], UtteranceClassifier] | None = None,
    ) -> FineTuned:
        """Train, judge and save.

        Args:
            split: whose training part it is fitted to.
            before_saving: gets what is said of each part, the training part included.
            trained: gives a network in the place of one that is trained here.
        """
        source = None if self.spec.name in UNTRAINED else locate(self.spec.name, self.spec.revision)
        quarantine = Quarantine(self.folder / "quarantine.csv")
        L.seed_everything(self.seed, verbose=False)
        labels = self.manifest.labels
        classifier = (
            load_classifier(source, self.spec.modality, labels, self.settings)
            if trained is None
            else trained()
        )
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
        best_epoch = self._fit(classifier, parts, quarantine) if trained is None else None
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
            seen=sorted({*marks_seen(self.manifest, split), *seen_by_base(self.spec)}),
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
        """Train, and leave the best epoch's weights in the classifier.

        Raises:
            EmofuseError: nothing of the training part could be read, so the weights are what they were.
        """
        settings, labels = self.settings, self.manifest.labels
        weights = None
        if settings.class_weights == "balanced":
            weights = balanced_class_weights([labels[i] for i in parts.labels["train"]], labels)
        module = FineTuneModule(classifier, settings, weights, quarantine)
        best_epoch = train_best(
            module,
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
            monitor=settings.monitor,
            mode=MONITORS[settings.monitor],
            seed=self.seed,
            device=self.device,
            bf16=wants_bf16(settings.precision, self.device),
            gradient_clip=settings.gradient_clip,
            accumulate=settings.accumulate,
            progress=self.progress,
        )
        if not module.rows_read:
            drop_checkpoints(self.folder / "checkpoints")  # --resume begins anew once the files are mended
            raise EmofuseError(
                f"finetune {self.spec.modality}: none of the {len(parts.rows['train'])} utterances of the training part could be "
                f"read, so nothing was learnt; {quarantine.path} says why: mend those files and repeat with --resume, or choose "
                "another split"
            )
        return best_epoch


def _scores(reports: dict[str, ClassificationReport]) -> dict[str, dict[str, float]]:
    return {name: dict(report.metrics) for name, report in reports.items()}


def _metrics(reports: dict[str, ClassificationReport]) -> str:
    scores = {name: report.to_dict() for name, report in reports.items()}
    if "val" in scores:
        scores["val"]["note"] = "this part chose the epoch, so its figures are optimistic"
    return json.dumps(scores, indent=1, ensure_ascii=False) + "\n"
