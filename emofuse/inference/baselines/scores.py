"""How a run compares with the linear models on its own features and split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import pandas as pd

from emofuse.data.stored_files import DamagedFileError, check_numbers, is_there
from emofuse.evaluation.comparison.compare_methods import compare_methods
from emofuse.evaluation.comparison.methods import Facts, JudgedRun, make_method
from emofuse.evaluation.comparison.paired import PairedDifference
from emofuse.evaluation.metrics.classification import json_number
from emofuse.inference.baselines.names import STRENGTH_NAMES
from emofuse.inference.prediction_table import report_on
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.stored_results import read_predictions
from emofuse.runs.tasks import Task

_ADVICE = "delete it"


@dataclass(frozen=True)
class BaselineScore:
    """A linear model on a run's features, and the run against it on the same test utterances.

    Attributes:
        name: of the model.
        metric: what is compared: weighted F1, or the mean absolute error.
        difference: the run's (b) minus the linear model's (a), with its paired interval over dialogues.
        val: the linear model's on the validation part, which chose among several.
        report: all metrics of the linear model on the test part.
        how: which linear model the validation part has chosen; empty where an older run does not say it.
    """

    name: str
    metric: str
    difference: PairedDifference
    val: float
    report: Any
    how: str = ""

    @property
    def gain(self) -> float:
        """How much better the run is, above 0 whichever way the metric goes."""
        return -self.difference.difference if self.metric == "mae" else self.difference.difference

    @property
    def interval(self) -> tuple[float, float]:
        """95 % of the gain; NaN where there is one group."""
        low, high = self.difference.interval
        return (-high, -low) if self.metric == "mae" else (low, high)

    @property
    def is_beaten(self) -> bool:
        """Whether the interval of the gain lies above 0."""
        return bool(self.interval[0] > 0)

    @property
    def says(self) -> str:
        """Of the run against the model, in words. Higher within chance is neither a victory nor a defeat."""
        if self.is_beaten:
            return "beats"
        return "is not surely better than" if self.gain > 0 else "does not beat"

    def line(self) -> str:
        """For a person, e.g. ``weighted F1 90.7 against 85.2 (+5.5, 95 % 2.1 to 8.8)``."""
        system, baseline = self._number(self.difference.b), self.score_text
        return f"{self.metric_name} {system} against {baseline} ({self.difference_text})"

    @property
    def score_text(self) -> str:
        """The linear model's own score."""
        return self._number(self.difference.a)

    def _number(self, score: float) -> str:
        return f"{score:.3f}" if self.metric == "mae" else f"{100 * score:.1f}"

    def note(self) -> str:
        """The same beside a table that has both scores, e.g. ``the system's weighted F1 differs by +5.5, 95 % …``."""
        how = f"{self.how}; " if self.how else ""
        return f"{how}the system's {self.metric_name} differs by {self.difference_text}"

    @property
    def metric_name(self) -> str:
        """In print."""
        return "MAE" if self.metric == "mae" else "weighted F1"

    @property
    def difference_text(self) -> str:
        """The run's score minus the model's, and its interval, e.g. ``+5.5, 95 % +2.1 to +8.8``."""
        sign = (lambda x: f"{x:+.3f}") if self.metric == "mae" else (lambda x: f"{100 * x:+.1f}")
        low, high = self.difference.interval
        interval = f"95 % {sign(low)} to {sign(high)}" if np.isfinite(low) else "no interval: one dialogue"
        return f"{sign(self.difference.difference)}, {interval}".replace("-", "−")

    def to_dict(self) -> dict[str, Any]:
        """What metrics.json holds."""
        known = np.isfinite(self.difference.interval[0])
        return {
            "name": self.name,
            "how": self.how,
            "metric": self.metric,
            "system": self.difference.b,
            "baseline": self.difference.a,
            "difference": self.difference.difference,
            "interval": list(self.difference.interval) if known else None,
            "p_value": json_number(self.difference.p_value),
            "beaten": self.is_beaten,
            "test": self.report.to_dict(),
        }


def verdict(scores: Sequence[BaselineScore]) -> str:
    """One line: whether the run beats the linear model that the validation part likes best; empty without any."""
    if not scores:
        return ""
    best = best_baseline(scores)
    return f"{best.says} the {best.name} on the same features and split: {best.line()}"


class Validated(Protocol):
    """A model with its score on the validation part."""

    @property
    def metric(self) -> str:
        """What it is scored by; the mean absolute error is better where it is smaller."""
        ...

    @property
    def val(self) -> float:
        """The score."""
        ...


AnyValidated = TypeVar("AnyValidated", bound=Validated)


def best_baseline(scores: Sequence[AnyValidated]) -> AnyValidated:
    """The one that the validation part likes best; of equal ones the first."""
    return max(scores, key=lambda score: -score.val if score.metric == "mae" else score.val)


def baseline_scores(folder: RunFolder, system: pd.DataFrame, task: Task) -> list[BaselineScore]:
    """The linear models of a run's ``baselines.parquet`` on its test part, and the run against each.

    Args:
        folder: of the run; without that file there are none.
        system: the run's own predictions of its test part, as in predictions.parquet.
        task: of the run.

    Raises:
        EmofuseError: the file is damaged, or of other utterances.
    """
    file = folder.baselines_file
    if not is_there(file):
        return []
    table = read_baselines(folder, task)
    for _, rows in table[table["part"] == "test"].groupby("baseline"):
        if sorted(rows["id"]) != sorted(system["id"]):
            raise DamagedFileError(file, "it holds other utterances than the test part", _ADVICE)
    return score_baselines(table, system, task)


def read_baselines(folder: RunFolder, task: Task) -> pd.DataFrame:
    """A run's ``baselines.parquet``: as predictions.parquet, with the columns ``baseline`` and ``strength``.

    Raises:
        EmofuseError: it is damaged.
    """
    return read_rivals(folder.baselines_file, task, _ADVICE)


def read_rivals(file: Path, task: Task, advice: str) -> pd.DataFrame:
    """Predictions of what a run is compared with, named by the column ``baseline``.

    Raises:
        EmofuseError: the file is damaged.
    """
    table = read_predictions(file, task.name, list(task.labels), advice)
    for column in ("baseline", "strength", "speaker"):
        if column not in table:
            raise DamagedFileError(file, f"it has no column {column}", advice)
    if "kind" not in table:  # earlier runs knew logistic regression alone, and ridge
        table = table.assign(kind="", neighbours="")
    if "neighbours" not in table:
        raise DamagedFileError(file, "it has no column neighbours", advice)
    check_numbers(table, ["strength"], file, advice)
    return table.assign(kind=table["kind"].astype(str), neighbours=table["neighbours"].astype(str))


def score_baselines(table: pd.DataFrame, system: pd.DataFrame, task: Task) -> list[BaselineScore]:
    """Score the linear models of one run, or of the folds of a cross-validation together, against the system."""
    found = []
    for name, rows in table.groupby("baseline", sort=False):
        test = rows[rows["part"] == "test"].set_index("id", drop=False)
        if set(system["id"]) <= set(test["id"]):
            found.append(_score(str(name), rows, test.loc[system["id"]], system, task))
    return found


def _score(
    name: str, rows: pd.DataFrame, test: pd.DataFrame, system: pd.DataFrame, task: Task
) -> BaselineScore:
    metric = "weighted_f1" if task.name == "classification" else "mae"
    val = rows[rows["part"] == "val"]
    methods = [
        make_method(n, [judged_table(n, t, task)], Facts(model=n))
        for n, t in ((name, test), ("system", system))
    ]
    versus = compare_methods(methods).methods[1].versus
    return BaselineScore(
        name=name,
        metric=metric,
        difference=versus[metric].paired,
        val=report_on(val, task, bootstrap=0).metrics[metric] if len(val) else float("nan"),
        report=report_on(test, task, bootstrap=1000),
        how=_how(test),
    )


def _how(rows: pd.DataFrame) -> str:
    """Which linear models there are, e.g. ``linear discriminant analysis, shrinkage 0.3``; of several folds their kinds."""
    if len(rows.drop_duplicates(["kind", "strength", "neighbours"])) > 1:
        return " or ".join(sorted(set(rows["kind"]) - {""}))
    first = rows.iloc[0]
    if not first["kind"]:
        return ""
    strength = f"{first['kind']}, {STRENGTH_NAMES.get(first['kind'], 'strength')} {first['strength']:g}"
    return f"{strength}, {first['neighbours']}" if first["neighbours"] else strength


def judged_table(name: str, table: pd.DataFrame, task: Task) -> JudgedRun:
    """Rows of a `baselines.parquet`, or of a predictions.parquet, as a run to compare."""
    truth, predicted = (
        ("label", "predicted") if task.name == "classification" else ("valence", "predicted_valence")
    )
    columns = {"id": table["id"], "dialogue": table["dialogue"], "speaker": table["speaker"]}
    columns |= {"truth": table[truth], "predicted": table[predicted]}
    labels = tuple(task.labels) if task.name == "classification" else ()
    columns |= {f"p_{label}": table[f"p_{label}"] for label in labels}
    return JudgedRun(name, 0, pd.DataFrame(columns).reset_index(drop=True), labels)
