"""A run on a corpus that it was not made for, through a label map where the labels differ."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emofuse.data.atomic import write_text_aside, written_aside
from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.evaluation import ClassificationReport, classification_report
from emofuse.evaluation.label_map import LabelMap
from emofuse.evaluation.label_map_files import write_label_map
from emofuse.training.classification import Classification
from emofuse.training.evaluate import prediction_table
from emofuse.training.inference import Predictions
from emofuse.training.predict_rows import predict_rows
from emofuse.training.preparation import Progress
from emofuse.training.run_folder import RunFolder, RunRecord


@dataclass(frozen=True)
class OutsideOutcome:
    """How a run scored on rows of another manifest.

    Attributes:
        record: of the run.
        manifest: name of the corpus that was scored.
        report: metrics over its labelled rows, in the names that the label map leads to.
        left_out: labelled rows that the label map leaves out.
        shared: what the corpus shares with what the run was trained on, in lines.
        mapping: what the label map did, in lines.
        metrics_file: where it was written.
    """

    record: RunRecord
    manifest: str
    report: ClassificationReport
    left_out: int
    shared: list[str]
    mapping: list[str]
    metrics_file: Path

    def to_dict(self) -> dict[str, Any]:
        """What its metrics.json holds."""
        return {
            "data": self.manifest,
            "test": self.report.to_dict(),
            "left_out": self.left_out,
            "label_map": self.mapping,
            "warnings": self.shared,
        }

    def lines(self) -> list[str]:
        """The same in a few lines for a person."""
        low, high = self.report.intervals["weighted_f1"]
        left_out = f", {self.left_out} left out" if self.left_out else ""
        return [
            f"{self.manifest}: {self.report.n} labelled utterances{left_out}",
            f"  weighted F1 {100 * self.report.weighted_f1:.1f} (95 % {100 * low:.1f} to {100 * high:.1f}), "
            f"accuracy {100 * self.report.accuracy:.1f}, UAR {100 * self.report.uar:.1f}",
            *[f"  {line}" for line in self.mapping],
            *[f"  warning: {line}" for line in self.shared],
        ]


def labelled_part(manifest: Manifest, part: str | None) -> pd.DataFrame:
    """The rows with a label, of one split or of all.

    Raises:
        EmofuseError: there are none.
    """
    frame = manifest.frame
    wanted = frame["label"].notna() & ((frame["split"] == part) if part else True)
    if not wanted.any():
        raise EmofuseError(
            f"no row with a label{f' in split {part}' if part else ''}: there is nothing to score"
        )
    return frame[wanted]


def evaluate_on(
    folder: RunFolder,
    manifest: Manifest,
    *,
    part: str | None = None,
    label_map: LabelMap | None = None,
    progress: Progress | None = None,
) -> OutsideOutcome:
    """Score a run on the labelled rows of another manifest.

    Writes ``evaluations/<fingerprint>/{metrics.json,predictions.parquet,label-map.yaml}`` into the run
    folder. Rows that the run was trained or stopped on are named in a warning, because their figures are
    optimistic.

    Args:
        folder: a fitted run.
        manifest: any corpus whose labels the run knows, or the map leads to them.
        part: only rows of this split.
        label_map: what the corpus's and the run's labels count as; by default themselves.
        progress: told (done, total, what).

    Raises:
        EmofuseError: no row has a label, or there are labels that neither the run nor the map knows.
    """
    record = folder.read_record()
    rows, map_ = labelled_part(manifest, part), label_map or LabelMap()
    map_.check(rows["label"], record.labels)
    truth = dict(zip(rows["id"], map_.truth(rows["label"]), strict=True))
    ids = [i for i, label in truth.items() if label is not None]
    if not ids:
        raise EmofuseError("the label map leaves every labelled row out: there is nothing to score")
    chosen = manifest.select(ids)
    predictions = predict_rows(folder, manifest, ids, progress=progress)
    table = _mapped_table(chosen, predictions, record, map_, part or "all")
    target = folder.path / "evaluations" / _name(chosen, label_map)
    with written_aside(target / "predictions.parquet") as aside:
        table.to_parquet(aside, index=False)
    if label_map is not None:
        write_label_map(label_map, target / "label-map.yaml")
    outcome = OutsideOutcome(
        record=record,
        manifest=manifest.root.name,
        report=_report(table, map_.classes(record.labels)),
        left_out=len(truth) - len(ids),
        shared=_seen_before(folder, ids),
        mapping=list(map_.lines(rows["label"], record.labels)),
        metrics_file=target / "metrics.json",
    )
    write_text_aside(outcome.metrics_file, json.dumps(outcome.to_dict(), indent=1, ensure_ascii=False) + "\n")
    return outcome


def _name(manifest: Manifest, label_map: LabelMap | None) -> str:
    """A folder for these rows under this map."""
    if label_map is None:
        return manifest.fingerprint()[:12]
    sides = json.dumps([dict(label_map.data), dict(label_map.run)], sort_keys=True)
    return f"{manifest.fingerprint()[:12]}-{hashlib.sha256(sides.encode()).hexdigest()[:6]}"


def _mapped_table(
    manifest: Manifest, predictions: Predictions, record: RunRecord, label_map: LabelMap, part: str
) -> pd.DataFrame:
    """The table of predictions in the names of the map; ``own_label`` is what the corpus itself says."""
    table = prediction_table(manifest, predictions, Classification(record.labels), part)
    columns = [f"p_{label}" for label in record.labels]
    classes = label_map.classes(record.labels)
    probabilities = label_map.probabilities(table[columns].to_numpy(), record.labels)
    mapped = pd.DataFrame(probabilities, columns=[f"p_{name}" for name in classes], index=table.index)
    table = table.assign(
        own_label=table["label"],
        label=pd.Series(label_map.truth(table["label"]), index=table.index, dtype=object),
        predicted=[classes[i] for i in probabilities.argmax(axis=1)],
    )
    return pd.concat([table.drop(columns=columns), mapped], axis=1)


def _report(table: pd.DataFrame, classes: Sequence[str]) -> ClassificationReport:
    """Intervals resample dialogues, because utterances of one are not independent."""
    return classification_report(
        table["label"].tolist(),
        table["predicted"].tolist(),
        classes,
        probabilities=table[[f"p_{name}" for name in classes]].to_numpy(),
        groups=table["dialogue"].tolist(),
    )


def _seen_before(folder: RunFolder, ids: Sequence[str]) -> list[str]:
    split = folder.read_split()
    seen = len(set(ids) & {*split.train, *split.val})
    if not seen:
        return []
    return [
        f"{seen} of {len(ids)} utterance ids stand in the run's training or validation part: optimistic if they are the same"
    ]
