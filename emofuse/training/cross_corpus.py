"""A run on a corpus that it was not made for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emofuse.data.atomic import write_text_aside, written_aside
from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.evaluation import ClassificationReport
from emofuse.training.evaluate import predict_rows, prediction_table, score
from emofuse.training.preparation import Progress
from emofuse.training.run_folder import RunFolder, RunRecord


@dataclass(frozen=True)
class OutsideOutcome:
    """How a run scored on rows of another manifest.

    Attributes:
        record: of the run.
        manifest: name of the corpus that was scored.
        report: metrics over its labelled rows.
        shared: what the corpus shares with what the run was trained on, in lines.
        metrics_file: where it was written.
    """

    record: RunRecord
    manifest: str
    report: ClassificationReport
    shared: list[str]
    metrics_file: Path

    def to_dict(self) -> dict[str, Any]:
        """What its metrics.json holds."""
        return {"data": self.manifest, "test": self.report.to_dict(), "warnings": self.shared}

    def lines(self) -> list[str]:
        """The same in a few lines for a person."""
        low, high = self.report.intervals["weighted_f1"]
        return [
            f"{self.manifest}: {self.report.n} labelled utterances",
            f"  weighted F1 {100 * self.report.weighted_f1:.1f} (95 % {100 * low:.1f} to {100 * high:.1f}), "
            f"accuracy {100 * self.report.accuracy:.1f}, UAR {100 * self.report.uar:.1f}",
            *[f"  warning: {line}" for line in self.shared],
        ]


def evaluate_on(
    folder: RunFolder, manifest: Manifest, *, part: str | None = None, progress: Progress | None = None
) -> OutsideOutcome:
    """Score a run on the labelled rows of another manifest.

    Writes ``evaluations/<fingerprint>/{metrics.json,predictions.parquet}`` into the run folder. Rows that the
    run was trained or stopped on are named in a warning, because their figures are optimistic.

    Args:
        folder: a fitted run.
        manifest: any corpus with the run's labels.
        part: only rows of this split.
        progress: told (done, total, what).

    Raises:
        EmofuseError: no row has a label, or there are labels that the run does not know.
    """
    record = folder.read_record()
    frame = manifest.frame
    wanted = frame["label"].notna() & ((frame["split"] == part) if part else True)
    ids = frame.loc[wanted, "id"].tolist()
    if not ids:
        raise EmofuseError(
            f"no row with a label{f' in split {part}' if part else ''}: there is nothing to score"
        )
    unknown = sorted(set(frame.loc[wanted, "label"]) - set(record.labels))
    if unknown:
        raise EmofuseError(
            f"the run does not know the labels {', '.join(unknown)}; it knows {', '.join(record.labels)}: "
            "rename them in the manifest, or leave those rows out"
        )
    chosen = manifest.select(ids)
    predictions = predict_rows(folder, chosen, ids, progress=progress)
    report = score(chosen, predictions, record.labels)
    target = folder.path / "evaluations" / chosen.fingerprint()[:12]
    with written_aside(target / "predictions.parquet") as aside:
        prediction_table(chosen, predictions, record.labels, part or "all").to_parquet(aside, index=False)
    outcome = OutsideOutcome(
        record, manifest.root.name, report, _seen_before(folder, ids), target / "metrics.json"
    )
    write_text_aside(outcome.metrics_file, json.dumps(outcome.to_dict(), indent=1, ensure_ascii=False) + "\n")
    return outcome


def _seen_before(folder: RunFolder, ids: Sequence[str]) -> list[str]:
    split = folder.read_split()
    seen = len(set(ids) & {*split.train, *split.val})
    if not seen:
        return []
    return [
        f"{seen} of {len(ids)} utterance ids stand in the run's training or validation part: optimistic if they are the same"
    ]
