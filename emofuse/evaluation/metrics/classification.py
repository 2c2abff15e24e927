"""Classification metrics of one set of predictions, with intervals that respect dialogues.

Undefined stays undefined: the recall of a class that nobody shows, or the precision of one that is never
predicted, is NaN (``null`` in JSON), not 0, and averages leave it out.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emofuse.data.wording import counted
from emofuse.errors import EmofuseError
from emofuse.evaluation.metrics.calibration import checked_probabilities, expected_calibration_error
from emofuse.evaluation.metrics.class_sums import (
    class_metrics,
    class_statistics,
    confusion_matrix,
    metrics_from_confusions,
)
from emofuse.evaluation.metrics.intervals import Interval, bootstrap_intervals, group_indices, group_sums
from emofuse.evaluation.metrics.labels import Labels, check_classes, check_same_length, class_indices


@dataclass(frozen=True)
class PerClass:
    """The figures of one class.

    Attributes:
        precision: of the utterances given this label, the fraction that has it; NaN if none was given it.
        recall: of the utterances that have it, the fraction found (the field's "per-class accuracy");
            NaN without support.
        f1: harmonic mean of both, 2·TP / (2·TP + FP + FN); NaN where the class appears on neither side.
        support: utterances that have the label.
        f1_within_class: 2·recall / (1 + recall). It is what Tables 1 and 2 of the DeepMSI-MER paper list as
            per-class F1: computed over one true class at a time, where precision is always 1. It ignores
            false alarms, so it flatters; it is here only for comparison with those tables.
        recall_interval: 95 % bootstrap interval of the recall, None when not asked for.
        f1_interval: 95 % bootstrap interval of the F1, None when not asked for.
    """

    precision: float
    recall: float
    f1: float
    support: int
    f1_within_class: float
    recall_interval: Interval | None = None
    f1_interval: Interval | None = None


@dataclass(frozen=True)
class Majority:
    """What always predicting one label would score: the floor any model must clear."""

    label: str
    accuracy: float
    weighted_f1: float


@dataclass(frozen=True, eq=False)
class ClassificationReport:
    """All classification metrics of one set of predictions; fractions, not per cent.

    Attributes:
        labels: the C classes, in the order of the confusion matrix.
        n: utterances.
        groups: independent units resampled for the intervals (dialogues; utterances where none were given).
        accuracy: fraction right.
        uar: unweighted average recall, over the classes with support.
        weighted_f1: F1 averaged by support.
        macro_f1: F1 averaged over the classes that are present or predicted.
        per_class: label → its figures.
        confusion: (C, C) counts; rows are true labels, columns predicted ones.
        ece: expected calibration error, None without probabilities.
        intervals: metric → 95 % bootstrap interval; empty when not asked for.
        majority: the majority-class baseline on the same utterances.
    """

    labels: tuple[str, ...]
    n: int
    groups: int
    accuracy: float
    uar: float
    weighted_f1: float
    macro_f1: float
    per_class: dict[str, PerClass]
    confusion: np.ndarray
    ece: float | None
    intervals: dict[str, Interval]
    majority: Majority

    @property
    def metrics(self) -> dict[str, float]:
        """The headline figures by name; ``ece`` only where it is known."""
        figures = {
            "accuracy": self.accuracy,
            "uar": self.uar,
            "weighted_f1": self.weighted_f1,
            "macro_f1": self.macro_f1,
        }
        return figures if self.ece is None else figures | {"ece": self.ece}

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold; undefined figures are None."""
        return {
            "labels": list(self.labels),
            "n": self.n,
            "groups": self.groups,
            **{name: json_number(value) for name, value in self.metrics.items()},
            "intervals": {name: json_interval(interval) for name, interval in self.intervals.items()},
            "per_class": {label: _per_class_dict(figures) for label, figures in self.per_class.items()},
            "confusion": self.confusion.tolist(),
            "majority": {
                "label": self.majority.label,
                "accuracy": self.majority.accuracy,
                "weighted_f1": self.majority.weighted_f1,
            },
        }


def json_number(value: float) -> float | None:
    """None for NaN, which JSON does not know."""
    return None if np.isnan(value) else float(value)


def json_interval(interval: Interval | None) -> list[float | None] | None:
    """[low, high], or None where there is no interval."""
    return None if interval is None else [json_number(end) for end in interval]


def _per_class_dict(figures: PerClass) -> dict[str, Any]:
    return {
        "precision": json_number(figures.precision),
        "recall": json_number(figures.recall),
        "f1": json_number(figures.f1),
        "support": figures.support,
        "f1_within_class": json_number(figures.f1_within_class),
        "recall_interval": json_interval(figures.recall_interval),
        "f1_interval": json_interval(figures.f1_interval),
    }


def classification_report(
    y_true: Labels,
    y_pred: Labels,
    labels: Sequence[str],
    probabilities: Sequence[Sequence[float]] | np.ndarray | None = None,
    groups: Sequence[Hashable] | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    majority: str | None = None,
) -> ClassificationReport:
    """Every classification metric of one set of predictions.

    Args:
        y_true: N true labels, as names or as indices into ``labels``.
        y_pred: N predicted labels, likewise.
        labels: the C classes, in the order wanted.
        probabilities: (N, C) class distributions; with them the calibration error is computed.
        groups: N group names (dialogues): intervals then resample whole groups. Without them every utterance
            is taken as independent, which is too narrow for conversations.
        bootstrap: resamples for the 95 % intervals; 0 leaves them out.
        seed: of the resampling.
        majority: the label of the majority baseline, which should be the most frequent one of the *training*
            part; by default the most frequent one of ``y_true``.

    Raises:
        EmofuseError: nothing to evaluate, lengths that differ, an unknown label, or rows that are no
            distribution.
    """
    classes = check_classes(labels)
    n = check_same_length(y_true=y_true, y_pred=y_pred)
    true, predicted = class_indices(y_true, classes, "y_true"), class_indices(y_pred, classes, "y_pred")
    table = None if probabilities is None else _checked_table(probabilities, true, len(classes))
    group = group_indices(groups, n)
    intervals = _intervals(true, predicted, classes, table, group, bootstrap, seed)
    confusion = confusion_matrix(true, predicted, len(classes))
    figures = {
        name: float(value[0])
        for name, value in metrics_from_confusions(confusion[None]).items()
        if value.ndim == 1
    }
    return ClassificationReport(
        labels=classes,
        n=n,
        groups=int(group.max()) + 1,
        accuracy=figures["accuracy"],
        uar=figures["uar"],
        weighted_f1=figures["weighted_f1"],
        macro_f1=figures["macro_f1"],
        per_class=_per_class(confusion, classes, intervals),
        confusion=confusion,
        ece=None if table is None else expected_calibration_error(table, true),
        intervals={name: interval for name, interval in intervals.items() if ":" not in name},
        majority=_majority(true, classes, majority),
    )


def _checked_table(
    probabilities: Sequence[Sequence[float]] | np.ndarray, true: np.ndarray, c: int
) -> np.ndarray:
    table, _ = checked_probabilities(probabilities, true)
    if table.shape[1] != c:
        raise EmofuseError(
            f"probabilities have {counted(table.shape[1], 'column')} for {counted(c, 'label')}"
        )
    return table


def _per_class(
    confusion: np.ndarray, classes: tuple[str, ...], intervals: dict[str, Interval]
) -> dict[str, PerClass]:
    figures = metrics_from_confusions(confusion[None])
    columns = [figures[name][0] for name in ("precision", "recall", "f1")]
    return {
        label: PerClass(
            precision=float(precision),
            recall=float(recall),
            f1=float(f1),
            support=int(support),
            f1_within_class=float(2 * recall / (1 + recall)),
            recall_interval=intervals.get(f"recall:{label}"),
            f1_interval=intervals.get(f"f1:{label}"),
        )
        for label, precision, recall, f1, support in zip(
            classes, *columns, confusion.sum(axis=1), strict=True
        )
    }


def _intervals(
    true: np.ndarray,
    predicted: np.ndarray,
    classes: tuple[str, ...],
    table: np.ndarray | None,
    group: np.ndarray,
    bootstrap: int,
    seed: int,
) -> dict[str, Interval]:
    sums = group_sums(class_statistics(true, predicted, len(classes), table), group)
    return bootstrap_intervals(sums, class_metrics(classes, table is not None), bootstrap, seed)


def _majority(true: np.ndarray, classes: tuple[str, ...], label: str | None) -> Majority:
    if label is None:
        label = classes[int(np.bincount(true).argmax())]
    always = np.full_like(true, class_indices([label], classes, "majority")[0])
    figures = metrics_from_confusions(confusion_matrix(true, always, len(classes))[None])
    return Majority(
        label=label,
        accuracy=float(figures["accuracy"][0]),
        weighted_f1=float(figures["weighted_f1"][0]),
    )
