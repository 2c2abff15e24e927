"""From a fitted run to predictions, metrics and a report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from emofuse.data.atomic import write_text_aside, written_aside
from emofuse.data.dataset import make_loader
from emofuse.data.manifest import Manifest, Utterance
from emofuse.data.quarantine import Quarantine
from emofuse.evaluation import ClassificationReport, LeakReport, audit, classification_report
from emofuse.training.calibration import read_calibration, with_temperature
from emofuse.training.inference import Predictions, predict_batches
from emofuse.training.preparation import Progress, choose_device, dataset_of, encode, feature_store_of
from emofuse.training.run_folder import RunFolder, RunRecord


@dataclass(frozen=True)
class Outcome:
    """How a run scored.

    Attributes:
        folder: the run.
        record: its run.json.
        test: metrics on the test part.
        val: metrics on the validation part, which chose the epoch: optimistic.
        leaks: what the parts share.
    """

    folder: RunFolder
    record: RunRecord
    test: ClassificationReport
    val: ClassificationReport
    leaks: LeakReport

    def to_dict(self) -> dict[str, Any]:
        """What metrics.json holds."""
        calibration = read_calibration(self.folder)
        return {
            "run": str(self.folder.path),
            "model": self.record.model_name,
            "modalities": self.record.model_config_["modalities"],
            "protocol": self.record.protocol,
            "optimistic": self.record.optimistic,
            "synthetic": self.record.synthetic,
            "seed": self.record.seed,
            "best_epoch": self.record.best_epoch,
            "fit_seconds": self.record.fit_seconds,
            "calibration": calibration.model_dump() if calibration else None,
            "test": self.test.to_dict(),
            "val": self.val.to_dict() | {"note": "this part chose the epoch, so its figures are optimistic"},
            "audit": self.leaks.to_dict(),
        }

    def lines(self) -> list[str]:
        """The same in a few lines for a person."""
        notes = [
            n
            for n, on in (("optimistic", self.record.optimistic), ("synthetic data", self.record.synthetic))
            if on
        ]
        low, high = self.test.intervals["weighted_f1"]
        majority = self.test.majority
        return [
            f"test part, protocol {self.record.protocol}{' (' + ', '.join(notes) + ')' if notes else ''}: "
            f"{self.test.n} utterances",
            f"  weighted F1 {100 * self.test.weighted_f1:.1f} (95 % {100 * low:.1f} to {100 * high:.1f}), "
            f"accuracy {100 * self.test.accuracy:.1f}, UAR {100 * self.test.uar:.1f}",
            f"  always saying {majority.label}: weighted F1 {100 * majority.weighted_f1:.1f}, "
            f"accuracy {100 * majority.accuracy:.1f}",
            *[f"  leak: {flag}" for flag in self.leaks.flags],
        ]


def predict_rows(
    folder: RunFolder,
    manifest: Manifest,
    ids: Sequence[str],
    *,
    progress: Progress | None = None,
    what: str = "predicting",
) -> Predictions:
    """Predictions of a run for rows of a manifest, its features through the corpus's feature store.

    A run that has been calibrated divides its logits by its temperature.
    """
    settings = folder.read_settings()
    record = folder.read_record()
    device = choose_device(settings.device)
    model = folder.load_model(record).to(device)
    quarantine = Quarantine(folder.quarantine_file)
    readers = {}
    for modality, part in record.encoders.items():
        spec = folder.encoder_spec(part, modality)
        encoded = encode(
            manifest,
            spec,
            feature_store_of(settings, manifest),
            device=device,
            quarantine=quarantine,
            workers=settings.data.workers,
            progress=progress,
        )
        readers[modality] = encoded.reader
    rows = [manifest.utterance(i) for i in ids]
    dataset = dataset_of(rows, model, readers, record.labels)
    loader = make_loader(dataset, settings.optimiser.batch_size, workers=settings.data.workers)
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(done, len(rows), what)

    predictions = predict_batches(model, loader, device=device, on_batch=advance)
    for setback in predictions.setbacks:
        quarantine.add(setback.utterance_id, setback.modality, setback.path, setback.reason, setback.message)
    calibration = read_calibration(folder)
    return with_temperature(predictions, calibration.temperature) if calibration else predictions


def evaluate_fit(folder: RunFolder, manifest: Manifest, *, progress: Progress | None = None) -> Outcome:
    """Score a fitted run on its own validation and test parts and write what was found beside it.

    Writes predictions.parquet and metrics.json; the report is made from them.
    """
    record = folder.read_record()
    split = folder.read_split()
    parts = {"val": split.val, "test": split.test}
    predictions = {
        name: predict_rows(folder, manifest, ids, progress=progress, what=f"predicting the {name} part")
        for name, ids in parts.items()
    }
    tables = [prediction_table(manifest, predictions[name], record.labels, name) for name in parts]
    with written_aside(folder.predictions_file) as aside:
        pd.concat(tables, ignore_index=True).to_parquet(aside, index=False)
    train_labels = pd.Series([manifest.utterance(i).label for i in split.train])
    majority = str(train_labels.mode()[0])
    outcome = Outcome(
        folder=folder,
        record=record.model_copy(update={"status": "evaluated"}),
        test=score(manifest, predictions["test"], record.labels, majority),
        val=score(manifest, predictions["val"], record.labels, majority),
        leaks=audit(manifest, split),
    )
    write_text_aside(
        folder.path / "metrics.json", json.dumps(outcome.to_dict(), indent=1, ensure_ascii=False) + "\n"
    )
    folder.write_record(outcome.record)
    return outcome


def score(
    manifest: Manifest, predictions: Predictions, labels: Sequence[str], majority: str | None = None
) -> ClassificationReport:
    """Classification metrics; intervals resample dialogues, because utterances of one are not independent."""
    return classification_report(
        predictions.labels,
        predictions.predicted,
        labels,
        probabilities=predictions.probabilities,
        groups=[manifest.utterance(i).dialogue for i in predictions.ids],
        majority=majority,
    )


def prediction_table(
    manifest: Manifest, predictions: Predictions, labels: Sequence[str], part: str
) -> pd.DataFrame:
    """One row per utterance: who, what was true, what was said, with which probabilities, from what."""
    rows: list[Utterance] = [manifest.utterance(i) for i in predictions.ids]
    table = pd.DataFrame(
        {
            "id": predictions.ids,
            "part": part,
            "dialogue": [row.dialogue for row in rows],
            "turn": [row.turn for row in rows],
            "speaker": [row.speaker for row in rows],
            "label": [row.label for row in rows],
            "predicted": [labels[i] for i in predictions.predicted],
        }
    )
    for i, label in enumerate(labels):
        table[f"p_{label}"] = predictions.probabilities[:, i]
    for modality, present in predictions.present.items():
        table[f"has_{modality}"] = present
    return table
