"""Several folds or seeds as one line: mean ± standard deviation, and one confusion matrix of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from emofuse.errors import EmofuseError
from emofuse.evaluation.metrics.classification import ClassificationReport, json_number
from emofuse.evaluation.metrics.sentiment import SentimentReport


class MeanSd(NamedTuple):
    """Mean and sample standard deviation (n − 1) over the ``runs`` in which the figure is defined."""

    mean: float
    sd: float
    runs: int

    def __str__(self) -> str:
        return f"{self.mean:.4f} ± {self.sd:.4f}"


@dataclass(frozen=True, eq=False)
class Aggregate:
    """Reports over folds or seeds.

    Attributes:
        runs: number of reports.
        n: utterances in all of them; over seeds each one counts once per seed.
        metrics: metric → mean ± sd.
        per_class_f1: label → mean ± sd of its F1; None for sentiment.
        confusion: (C, C) sum of the confusion matrices; None for sentiment.
        labels: the C classes; None for sentiment.
    """

    runs: int
    n: int
    metrics: dict[str, MeanSd]
    per_class_f1: dict[str, MeanSd] | None = None
    confusion: np.ndarray | None = None
    labels: tuple[str, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        plain: dict[str, Any] = {
            "runs": self.runs,
            "n": self.n,
            "metrics": {name: _mean_sd_dict(value) for name, value in self.metrics.items()},
        }
        if self.per_class_f1 is not None and self.confusion is not None and self.labels is not None:
            plain["per_class_f1"] = {name: _mean_sd_dict(value) for name, value in self.per_class_f1.items()}
            plain["confusion"] = self.confusion.tolist()
            plain["labels"] = list(self.labels)
        return plain


def _mean_sd_dict(value: MeanSd) -> dict[str, float | int | None]:
    return {"mean": json_number(value.mean), "sd": json_number(value.sd), "runs": value.runs}


def mean_sd(values: Sequence[float]) -> MeanSd:
    """Mean ± sd of the values that are not NaN; the sd of fewer than two is NaN."""
    defined = np.array([value for value in values if not np.isnan(value)])
    mean = float(defined.mean()) if len(defined) else float("nan")
    sd = float(defined.std(ddof=1)) if len(defined) > 1 else float("nan")
    return MeanSd(mean, sd, len(defined))


def aggregate(reports: Sequence[ClassificationReport] | Sequence[SentimentReport]) -> Aggregate:
    """Mean ± sd over the reports of folds or seeds.

    Folds of different size count the same. The standard deviation says how much folds or seeds differ; it is
    no interval for the mean.

    Raises:
        EmofuseError: there are no reports, their kinds are mixed, or their labels differ.
    """
    if not reports:
        raise EmofuseError("there are no reports to average")
    if len({type(report) for report in reports}) > 1:
        raise EmofuseError("reports of classes and of sentiment cannot be averaged together")
    # A metric that only some runs have (ece without probabilities) is averaged over those.
    names = list(dict.fromkeys(name for report in reports for name in report.metrics))
    metrics = {name: mean_sd([report.metrics.get(name, np.nan) for report in reports]) for name in names}
    classes = [report for report in reports if isinstance(report, ClassificationReport)]
    n = sum(report.n for report in reports)
    if not classes:
        return Aggregate(len(reports), n, metrics)
    labels = classes[0].labels
    if any(report.labels != labels for report in classes):
        raise EmofuseError(
            "the reports have different labels, or in another order: evaluate them with the same list"
        )
    return Aggregate(
        runs=len(reports),
        n=n,
        metrics=metrics,
        per_class_f1={label: mean_sd([report.per_class[label].f1 for report in classes]) for label in labels},
        confusion=np.sum([report.confusion for report in classes], axis=0),
        labels=labels,
    )
