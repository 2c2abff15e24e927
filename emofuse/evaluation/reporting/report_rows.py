"""From metrics to the rows of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from emofuse.evaluation.comparison.paired import Comparison, PairedDifference
from emofuse.evaluation.metrics.aggregation import Aggregate
from emofuse.evaluation.metrics.classification import ClassificationReport
from emofuse.evaluation.metrics.estimate import Estimate
from emofuse.evaluation.metrics.sentiment import NOT_SHARES, SentimentReport
from emofuse.evaluation.reporting.report_content import ClassScores, Example, PairedRow

# The most telling first: on unbalanced emotions plain accuracy flatters.
_ORDER = ("weighted_f1", "macro_f1", "uar", "accuracy", "ece")

METRIC_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "weighted_f1": "Weighted F1",
        "macro_f1": "Macro F1",
        "uar": "Average recall (UAR)",
        "accuracy": "Accuracy",
        "ece": "Calibration error",
        "mae": "Mean absolute error",
        "corr": "Pearson correlation",
        "acc2_nonnegative": "Acc-2, negative/non-negative",
        "f1_nonnegative": "F1, negative/non-negative",
        "acc2_positive": "Acc-2, negative/positive",
        "f1_positive": "F1, negative/positive",
        "acc5": "Acc-5",
        "acc7": "Acc-7",
        "acc2_nonpositive": "Acc-2, non-positive/positive",
        "f1_nonpositive": "F1, non-positive/positive",
        "acc3_sims": "Acc-3 (CH-SIMS)",
        "acc5_sims": "Acc-5 (CH-SIMS)",
        "weighted_f1_best_test_epoch": "Weighted F1, best test epoch",
        "mae_best_test_epoch": "Mean absolute error, best test epoch",
    }
)


def metric_name(name: str) -> str:
    """A metric as a reader knows it; an unknown one keeps its name with spaces for underscores."""
    return METRIC_NAMES.get(name, name.replace("_", " "))


def metric_order(name: str) -> int:
    """Where a metric stands among others; those of sentiment keep the order in which they come."""
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


def headline(report: ClassificationReport | SentimentReport | Aggregate) -> dict[str, Estimate]:
    """The metrics of a report with their intervals, or of several runs with their standard deviation."""
    names = sorted(report.metrics, key=metric_order)
    if isinstance(report, Aggregate):
        means = report.metrics
        return {
            name: Estimate(means[name].mean, sd=means[name].sd, share=name not in NOT_SHARES)
            for name in names
        }
    return {
        name: Estimate.of(report.metrics[name], report.intervals.get(name), share=name not in NOT_SHARES)
        for name in names
    }


def class_scores(report: ClassificationReport) -> list[ClassScores]:
    """The per-class table, in the order of the report's labels."""
    return [
        ClassScores(
            label=label,
            precision=scores.precision,
            recall=Estimate.of(scores.recall, scores.recall_interval),
            f1=Estimate.of(scores.f1, scores.f1_interval),
            support=scores.support,
            f1_within_class=scores.f1_within_class,
        )
        for label, scores in report.per_class.items()
    ]


def paired_rows(first: str, second: str, comparison: Comparison) -> list[PairedRow]:
    """Tests between two named runs: paired bootstrap of weighted F1 and accuracy, McNemar on accuracy."""

    def bootstrap(metric: str, paired: PairedDifference) -> PairedRow:
        difference = Estimate.of(paired.difference, paired.interval)
        return PairedRow(first, second, metric, difference, paired.p_value, "paired bootstrap")

    accuracy, mcnemar = comparison.accuracy, comparison.mcnemar
    return [
        bootstrap("weighted_f1", comparison.weighted_f1),
        bootstrap("accuracy", accuracy),
        PairedRow(
            first,
            second,
            "accuracy",
            Estimate(accuracy.difference),
            mcnemar.p_value,
            f"McNemar ({mcnemar.only_b} right only in {second}, {mcnemar.only_a} only in {first})",
        ),
    ]


def pick_examples(
    ids: Sequence[str],
    y_true: ArrayLike,
    probabilities: ArrayLike,
    labels: Sequence[str],
    *,
    texts: Sequence[str | None] | None = None,
    speakers: Sequence[str | None] | None = None,
    count: int = 5,
) -> list[Example]:
    """Utterances worth a look: the most confident mistakes, the least sure successes, the surest successes.

    Args:
        ids: N utterance ids.
        y_true: (N,) true class indices.
        probabilities: (N, C) distributions.
        labels: the C classes.
        texts: N transcripts.
        speakers: N speakers.
        count: examples of each kind at most; no utterance comes twice.
    """
    table, true = np.asarray(probabilities, dtype=np.float64), np.asarray(y_true, dtype=np.int64)
    predicted, sure = table.argmax(axis=1), table.max(axis=1)
    right = predicted == true
    # Ids break ties, so that the same predictions always pick the same examples.
    order = np.lexsort((np.asarray(ids, dtype=str), -sure))
    kinds = {
        "Most confident mistakes": [i for i in order if not right[i]][:count],
        "Right, and surest of it": [i for i in order if right[i]][:count],
        "Right, but hardly sure": [i for i in order[::-1] if right[i]][:count],
    }
    seen: set[int] = set()
    examples = []
    for kind, rows in kinds.items():
        for i in (int(row) for row in rows):
            if i not in seen:
                seen.add(i)
                examples.append(
                    Example(
                        kind=kind,
                        id=ids[i],
                        text=texts[i] if texts is not None else None,
                        true=labels[true[i]],
                        predicted=labels[predicted[i]],
                        probability=float(sure[i]),
                        speaker=speakers[i] if speakers is not None else None,
                    )
                )
    return examples
