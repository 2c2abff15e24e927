"""Several methods on the same utterances: scores with intervals, and tests against the first of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from emofuse.errors import EmofuseError
from emofuse.evaluation.comparison.method_scores import MethodComparison, MethodScores, Versus
from emofuse.evaluation.comparison.methods import Method
from emofuse.evaluation.comparison.paired import McNemar, PairedDifference, holm, mcnemar, paired_difference
from emofuse.evaluation.metrics.class_sums import class_metrics, class_statistics
from emofuse.evaluation.metrics.estimate import Estimate
from emofuse.evaluation.metrics.intervals import (
    Interval,
    check_resamples,
    group_indices,
    group_sums,
    percentile_interval,
    resample,
)
from emofuse.evaluation.metrics.labels import class_indices
from emofuse.evaluation.metrics.sentiment import NOT_SHARES, sentiment_metrics, sentiment_statistics

TESTED = ("weighted_f1", "macro_f1", "uar", "accuracy", "mae", "corr", "acc2_positive", "acc7")


def compare_methods(
    methods: Sequence[Method], *, left_out: int = 0, bootstrap: int = 2000, seed: int = 0
) -> MethodComparison:
    """Score methods and test each against the first.

    Dialogues are resampled, the same ones for every method and every seed, so that what makes a dialogue
    hard for all of them does not count as a difference. Where there are several seeds, a resample's score is
    the mean over them: the test then says whether the difference would hold on other dialogues, not whether
    it would with other seeds, for which the standard deviation stands beside the mean.

    Args:
        methods: from :func:`~emofuse.evaluation.comparison.methods.on_same_utterances`.
        left_out: what that left out.
        bootstrap: resamples.
        seed: of the resampling.

    Raises:
        EmofuseError: no resamples, or two methods of one name.
    """
    check_resamples(bootstrap)
    if bootstrap == 0:
        raise EmofuseError("bootstrap=0: a comparison needs resamples, 1000 or more")
    names = [method.name for method in methods]
    if len(set(names)) < len(names):
        raise EmofuseError(
            f"two methods have the same name: {', '.join(names)}; write NAME=FOLDER to give one another"
        )
    group = group_indices(methods[0].rounds[0]["dialogue"].tolist(), len(methods[0].rounds[0]))
    labels = methods[0].labels
    drawn = [_Drawn(method, labels, group, bootstrap, seed) for method in methods]
    scores = [_scores(method, each, labels) for method, each in zip(methods, drawn, strict=True)]
    answers = {method.name: _answers(method) for method in methods}
    return MethodComparison(
        methods=tuple(_tested(scores, drawn, methods)),
        labels=labels,
        n=len(group),
        groups=int(group.max()) + 1,
        left_out=left_out,
        utterances=_utterances(methods[0]),
        answers=answers,
        sureness={method.name: _confidence(method, answers[method.name]) for method in methods},
    )


class _Drawn:
    """A method's figures as observed and in every resample, by round and as their mean."""

    def __init__(
        self, method: Method, labels: tuple[str, ...], group: np.ndarray, bootstrap: int, seed: int
    ) -> None:
        statistics, metrics = _scoring(method, labels)
        sums = [group_sums(statistics(table), group) for table in method.rounds]
        self.rounds = [_first(metrics(each.sum(axis=0, keepdims=True))) for each in sums]
        self.names = list(self.rounds[0])
        self.observed = {name: float(np.mean([each[name] for each in self.rounds])) for name in self.names}
        self.resampled: dict[str, np.ndarray] | None = None
        if len(sums[0]) > 1:  # the seed draws the same dialogues for every method
            tables = [metrics(resample(each, bootstrap, seed)) for each in sums]
            self.resampled = {name: np.mean([table[name] for table in tables], axis=0) for name in self.names}

    def interval(self, name: str) -> Interval:
        nothing = Interval(np.nan, np.nan)
        return nothing if self.resampled is None else percentile_interval(self.resampled[name])

    def estimate(self, name: str) -> Estimate:
        """With its interval, and of several rounds its standard deviation over them."""
        plain = Estimate.of(self.observed[name], self.interval(name), share=name not in NOT_SHARES)
        if len(self.rounds) == 1:
            return plain
        return replace(plain, sd=float(np.std([each[name] for each in self.rounds], ddof=1)))


_Statistics = Callable[[pd.DataFrame], np.ndarray]
_Metrics = Callable[[np.ndarray], Mapping[str, np.ndarray]]


def _scoring(method: Method, labels: tuple[str, ...]) -> tuple[_Statistics, _Metrics]:
    if not labels:
        return lambda table: sentiment_statistics(*_pair(table, np.float64)), sentiment_metrics
    columns = [f"p_{label}" for label in labels]
    with_ece = all(set(columns) <= set(table) for table in method.rounds)

    def statistics(table: pd.DataFrame) -> np.ndarray:
        true, predicted = (class_indices(table[c].tolist(), labels, c) for c in ("truth", "predicted"))
        return class_statistics(
            true, predicted, len(labels), table[columns].to_numpy(float) if with_ece else None
        )

    return statistics, class_metrics(labels, with_ece)


def _pair(table: pd.DataFrame, kind: Any) -> tuple[np.ndarray, np.ndarray]:
    return table["truth"].to_numpy(kind), table["predicted"].to_numpy(kind)


def _first(figures: Mapping[str, np.ndarray]) -> dict[str, float]:
    return {name: float(values[0]) for name, values in figures.items()}


def _scores(method: Method, drawn: _Drawn, labels: tuple[str, ...]) -> MethodScores:
    plain = [name for name in drawn.names if ":" not in name]
    return MethodScores(
        name=method.name,
        rounds=len(method.rounds),
        runs=len(method.runs),
        facts=method.facts,
        metrics={name: drawn.estimate(name) for name in plain},
        class_f1={label: drawn.estimate(f"f1:{label}") for label in labels},
        confusion=_confusion(method, labels) if labels else None,
        versus={},
    )


def _confusion(method: Method, labels: tuple[str, ...]) -> np.ndarray:
    """(C, C) mean over rounds of the parts of each true class; NaN in the row of one that nobody shows."""
    tables = [
        pd.crosstab(table["truth"], table["predicted"], normalize="index").reindex(
            index=list(labels), columns=list(labels)
        )
        for table in method.rounds
    ]
    shown = np.array([[label in set(method.rounds[0]["truth"])] for label in labels])
    mean = np.mean([table.fillna(0.0).to_numpy() for table in tables], axis=0)
    return np.where(shown, mean, np.nan)


def _tested(scores: list[MethodScores], drawn: list[_Drawn], methods: Sequence[Method]) -> list[MethodScores]:
    """Every method after the first with its tests; p-values are corrected over the methods, by metric."""
    first = drawn[0]
    metrics = [name for name in TESTED if name in first.names]
    paired = [{name: _difference(first, other, name) for name in metrics} for other in drawn[1:]]
    corrected = {name: holm([each[name].p_value for each in paired]) for name in metrics}
    exact = [_mcnemar(methods[0], method) for method in methods[1:]]
    exact_corrected = holm([test.p_value if test else float("nan") for test in exact])
    return [
        scores[0],
        *(
            replace(
                score,
                versus={name: Versus(paired[i][name], corrected[name][i]) for name in metrics},
                mcnemar=exact[i],
                mcnemar_corrected=exact_corrected[i],
            )
            for i, score in enumerate(scores[1:])
        ),
    ]


def _difference(first: _Drawn, other: _Drawn, name: str) -> PairedDifference:
    known = first.resampled is not None and other.resampled is not None
    between = other.resampled[name] - first.resampled[name] if known else None  # type: ignore[index]
    return paired_difference(first.observed[name], other.observed[name], between)


def _mcnemar(first: Method, other: Method) -> McNemar | None:
    if not first.labels or len(first.rounds) > 1 or len(other.rounds) > 1:
        return None
    right = [np.equal(*_pair(method.rounds[0], object)).astype(bool) for method in (first, other)]
    return mcnemar(*right)


def _utterances(method: Method) -> pd.DataFrame:
    table = method.rounds[0]
    return table[[column for column in ("id", "dialogue", "speaker", "truth") if column in table]]


def _answers(method: Method) -> list[Any]:
    rows = list(zip(*(table["predicted"] for table in method.rounds), strict=True))
    if not method.labels:
        return [float(np.mean(row)) for row in rows]
    # Of equally frequent answers the one of the earlier seed stands.
    return [Counter(row).most_common(1)[0][0] for row in rows]


def _confidence(method: Method, answers: Sequence[Any]) -> np.ndarray:
    columns = [f"p_{label}" for label in method.labels]
    if not columns or not all(set(columns) <= set(table) for table in method.rounds):
        return np.full(len(answers), np.nan)
    mean = np.mean([table[columns].to_numpy(float) for table in method.rounds], axis=0)
    return np.asarray(mean[np.arange(len(answers)), [method.labels.index(answer) for answer in answers]])
