"""How a run compares with the linear models on its own features and split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from emofuse.data.stored_files import DamagedFileError, check_numbers, is_there
from emofuse.evaluation.comparison.compare_methods import compare_methods
from emofuse.evaluation.comparison.methods import Facts, JudgedRun, make_method
from emofuse.evaluation.comparison.paired import PairedDifference
from emofuse.evaluation.metrics.classification import json_number
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
    """

    name: str
    metric: str
    difference: PairedDifference
    val: float
    report: Any

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

    def line(self) -> str:
        """For a person, e.g. ``weighted F1 90.7 against 85.2 (+5.5, 95 % 2.1 to 8.8)``."""
        number = (lambda x: f"{x:.3f}") if self.metric == "mae" else (lambda x: f"{100 * x:.1f}")
        system, baseline = number(self.difference.b), number(self.difference.a)
        return f"{self._metric_name} {system} against {baseline} ({self._difference_text})"

    def note(self) -> str:
        """The same beside a table that has both scores, e.g. ``the system's weighted F1 differs by +5.5, 95 % …``."""
        return f"the system's {self._metric_name} differs by {self._difference_text}"

    @property
    def _metric_name(self) -> str:
        return "MAE" if self.metric == "mae" else "weighted F1"

    @property
    def _difference_text(self) -> str:
        sign = (lambda x: f"{x:+.3f}") if self.metric == "mae" else (lambda x: f"{100 * x:+.1f}")
        low, high = self.difference.interval
        interval = f"95 % {sign(low)} to {sign(high)}" if np.isfinite(low) else "no interval: one dialogue"
        return f"{sign(self.difference.difference)}, {interval}".replace("-", "−")

    def to_dict(self) -> dict[str, Any]:
        """What metrics.json holds."""
        known = np.isfinite(self.difference.interval[0])
        return {
            "name": self.name,
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
    best = max(scores, key=lambda score: -score.val if score.metric == "mae" else score.val)
    says = "beats" if best.is_beaten else "does not beat"
    return f"{says} the {best.name} on the same features and split: {best.line()}"


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
    table = read_predictions(folder.baselines_file, task.name, list(task.labels), _ADVICE)
    for column in ("baseline", "strength", "speaker"):
        if column not in table:
            raise DamagedFileError(folder.baselines_file, f"it has no column {column}", _ADVICE)
    check_numbers(table, ["strength"], folder.baselines_file, _ADVICE)
    return table


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
    methods = [
        make_method(n, [judged_table(n, t, task)], Facts(model=n))
        for n, t in ((name, test), ("system", system))
    ]
    versus = compare_methods(methods).methods[1].versus
    return BaselineScore(
        name=name,
        metric=metric,
        difference=versus[metric].paired,
        val=report_on(rows[rows["part"] == "val"], task, bootstrap=0).metrics[metric],
        report=report_on(test, task, bootstrap=1000),
    )


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
