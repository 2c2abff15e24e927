"""What a pool gains over the system alone and over the linear model alone, on the same test utterances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from emofuse.data.atomic import written_aside
from emofuse.evaluation import Split
from emofuse.inference.baselines.scores import BaselineScore, read_rivals, score_baselines
from emofuse.inference.prediction_table import prediction_table
from emofuse.models import model_info
from emofuse.runs.linear_record import LinearRecord
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.tasks import Task

if TYPE_CHECKING:
    from emofuse.inference.predict_rows import RowPredictor

SYSTEM, LINEAR = "system alone", "linear model of the pool"


@dataclass(frozen=True)
class PoolScores:
    """A pool beside its parts.

    Attributes:
        title: of the system.
        records: linear.json of the run, or of each fold.
        system: the system alone, and the pool against it.
        linear: the linear model alone, and the pool against it.
    """

    title: str
    records: Sequence[LinearRecord]
    system: BaselineScore
    linear: BaselineScore

    @property
    def parts(self) -> tuple[BaselineScore, BaselineScore]:
        """Both, the system first."""
        return self.system, self.linear

    @property
    def name_of_linear(self) -> str:
        """Such as ``linear model with neighbours alone``."""
        return f"{max(r.name for r in self.records)} alone"

    def verdict(self, says: str) -> str:
        """The first line of a report.

        Args:
            says: of the pool against the best linear model on the same features; empty where none stands beside it.
        """
        if not says:
            says = f"{self.linear.says} its linear model: {self.linear.line()}"
        return f"{says}; {self.title} alone {self.system.score_text} (pooled {self.system.difference_text})"

    def lines(self) -> list[str]:
        """For a person: what was pooled, and what the pool gains."""
        left_out = sorted({f"{m}: {why}" for r in self.records for m, why in r.left_out.items()})
        return [
            f"pooled with the {self.linear.how or 'linear model'}, {self._weights}",
            f"pooled against {self.title} alone: {self.system.line()}",
            f"pooled against the {self.name_of_linear}: {self.linear.line()}",
            *(f"not in the linear model: {line}" for line in left_out),
        ]

    @property
    def _weights(self) -> str:
        weights = [f"{r.weight:g}" for r in self.records]
        named = weights[0] if len(set(weights)) == 1 else ", ".join(weights)
        return f"whose weight is {named}, chosen on the validation part"

    def to_dict(self) -> dict[str, Any]:
        """What metrics.json holds."""
        return {
            "weights": [r.weight for r in self.records],
            "losses": [r.losses for r in self.records],
            "parts": [score.to_dict() for score in self.parts],
        }


def write_pool_parts(folder: RunFolder, predictor: RowPredictor, split: Split) -> None:
    """Keep what the parts of a pool say alone of the test part; nothing of a run that is no pool."""
    record, found = folder.read_linear(), predictor.predict_parts(split.test, "predicting with each part")
    if record is None or not found:
        folder.pool_file.unlink(missing_ok=True)
        return
    near = f"{record.reach} on each side" if record.reach else ""
    system = prediction_table(predictor.manifest, found["system"], predictor.task, "test")
    linear = prediction_table(predictor.manifest, found["linear"], predictor.task, "test")
    both = [
        system.assign(baseline=SYSTEM, kind="", strength=0.0, neighbours=""),
        linear.assign(baseline=LINEAR, kind=record.kind, strength=record.strength, neighbours=near),
    ]
    with written_aside(folder.pool_file) as aside:
        pd.concat(both, ignore_index=True).to_parquet(aside, index=False)


def pool_scores(folder: RunFolder, pooled: pd.DataFrame, task: Task) -> PoolScores | None:
    """How the parts of a run's pool score alone; None of a run that is no pool.

    Args:
        folder: of the run.
        pooled: its predictions of the test part.
        task: of the run.

    Raises:
        EmofuseError: a file is damaged.
    """
    return pool_scores_of([folder], pooled, task)


def pool_scores_of(folders: Sequence[RunFolder], pooled: pd.DataFrame, task: Task) -> PoolScores | None:
    """The same over the folds of a cross-validation together, where each is a pool."""
    records = [folder.read_linear() for folder in folders]
    kept = [record for record in records if record is not None]
    if not folders or len(kept) < len(records) or not all(folder.pool_file.exists() for folder in folders):
        return None
    tables = [
        read_rivals(folder.pool_file, task, f"run `emofuse evaluate {folder.path}`") for folder in folders
    ]
    scores = {
        score.name: score for score in score_baselines(pd.concat(tables, ignore_index=True), pooled, task)
    }
    if set(scores) != {SYSTEM, LINEAR}:
        return None
    title = model_info(folders[0].read_record().model_name).title
    return PoolScores(title, kept, scores[SYSTEM], scores[LINEAR])
