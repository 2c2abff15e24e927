"""Do features know the training part that they came with?

Encoders are often fine-tuned on the labels of a corpus, or fitted to its training part in another way, before its
features are published. Such features tell the answers of that part, and tell less of any other. A system that is trained
on them learns to trust what will not be there when it is judged.

The check: a linear model is fitted on some dialogues of the training part and judged on the others of the same part
(cross-fitting), and the same models are judged on the held-out part. Features that treat all utterances alike give both the
same score but for chance. The difference is the gap, and its interval comes from resampled dialogues of both parts.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emofuse.evaluation.metrics.class_sums import class_metrics, class_statistics
from emofuse.evaluation.metrics.classification import json_interval, json_number
from emofuse.evaluation.metrics.intervals import (
    Interval,
    group_indices,
    group_sums,
    interval_words,
    percentile_interval,
    resample,
)
from emofuse.evaluation.metrics.sentiment import sentiment_metrics, sentiment_statistics

WORTH = 0.05
"""A smaller gap raises no warning, however certain it is: parts of a corpus are never quite alike."""
_FOLDS = 5
_STRENGTHS = tuple(np.logspace(0, 5, 11))
# What a linear model is fitted on in seconds; more rows are left out by whole dialogues, more numbers are projected.
_MOST_ROWS, _MOST_NUMBERS = 6000, 512
_FEWEST_GROUPS = 4


@dataclass(frozen=True)
class FittedFeatures:
    """A linear model's scores inside the training part and outside of it, on features of one modality.

    Attributes:
        modality: whose features, or what they are called.
        held_out: the part that the training part is compared with, such as ``"test"``.
        metric: ``"uar"`` for classes, which does not hang on how frequent they are; ``"corr"`` for a value.
        inside: cross-fitted in the training part: no utterance, and no dialogue, is judged by a model that knows it.
        outside: of the same models on the held-out part, their mean.
        interval: 95 % of the gap, from resampled dialogues of both parts.
        chance: what knowing nothing scores.
    """

    modality: str
    held_out: str
    metric: str
    inside: float
    outside: float
    interval: Interval
    chance: float = 0.0

    @property
    def gap(self) -> float:
        """How much more the features tell of the training part."""
        return self.inside - self.outside

    @property
    def is_fitted(self) -> bool:
        """Whether the gap is clear and worth a warning: its interval lies above 0, and it is `WORTH` or more."""
        return bool(self.interval.low > 0 and self.gap >= WORTH)

    def line(self) -> str:
        """The finding for a person; where it is a warning, with what to do."""
        shares = self.metric == "uar"
        name, scale, digits = ("average recall", 100.0, 1) if shares else ("correlation", 1.0, 3)
        scores = (
            f"a linear model scores {name} {scale * self.inside:.{digits}f} inside the training part (cross-fitted) and "
            f"{scale * self.outside:.{digits}f} on {self.held_out}: gap {scale * self.gap:+.{digits}f} "
            f"({interval_words(self.interval, scale, digits)})"
        )
        if not self.is_fitted and max(self.inside, self.outside) < self.chance + WORTH:
            return f"{self.modality} features tell next to nothing in either part: {scores}"
        if not self.is_fitted:
            return f"{self.modality} features do not clearly tell more of the training part than of {self.held_out}: {scores}"
        return (
            f"{self.modality} features know their training part: {scores}; withhold the modality, or make its features "
            "anew by an encoder that has not seen the labels"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        return {
            "modality": self.modality,
            "held_out": self.held_out,
            "metric": self.metric,
            "inside": json_number(self.inside),
            "outside": json_number(self.outside),
            "chance": self.chance,
            "gap": json_number(self.gap),
            "interval": json_interval(self.interval),
            "fitted": self.is_fitted,
        }


def check_fitted_features(
    features: NDArray[Any],
    targets: Sequence[str] | NDArray[Any],
    groups: Sequence[Hashable],
    train: NDArray[np.bool_],
    held: NDArray[np.bool_],
    *,
    modality: str = "these",
    held_out: str = "test",
    bootstrap: int = 1000,
    seed: int = 0,
) -> FittedFeatures | None:
    """Compare what features tell of the training part with what they tell of another part.

    A gap has other causes too: a held-out part that is harder, or recorded elsewhere. It says that a system that is trained
    here meets less there, not who is to blame.

    Args:
        features: (n, d) finite numbers, a vector per utterance.
        targets: n labels, or n numbers.
        groups: n dialogues; none stands in both of two folds, and whole ones are resampled.
        train: (n,) which utterances are the training part.
        held: (n,) which are the part to compare it with.
        modality: for messages.
        held_out: name of that part.
        bootstrap: resamples.
        seed: of the folds' order, the projection and the resampling.

    Returns:
        None where there is too little to say anything: fewer than four dialogues in a part, or one class.
    """
    from sklearn.linear_model import RidgeClassifierCV, RidgeCV
    from sklearn.model_selection import GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    answers = np.asarray(targets)
    names = np.asarray(group_indices(list(groups), len(answers)))
    inner = _sampled_groups(np.flatnonzero(train), names, seed)
    outer = _sampled_groups(np.flatnonzero(held), names, seed)
    is_class = answers.dtype.kind not in "fiu"
    few = min(len(np.unique(names[rows])) if len(rows) else 0 for rows in (inner, outer)) < _FEWEST_GROUPS
    if few or len(np.unique(answers[inner])) < 2 or len(np.unique(answers[outer])) < 2:
        return None
    numbers = _projected(np.asarray(features, dtype=np.float32), seed)
    own = np.empty(len(inner), dtype=answers.dtype)
    theirs = []
    for fitted, judged in GroupKFold(
        _FOLDS if len(np.unique(names[inner])) >= _FOLDS else _FEWEST_GROUPS
    ).split(inner, groups=names[inner]):
        model = make_pipeline(
            StandardScaler(), RidgeClassifierCV(_STRENGTHS) if is_class else RidgeCV(_STRENGTHS)
        )
        if len(np.unique(answers[inner[fitted]])) < 2:
            return None
        model.fit(numbers[inner[fitted]], answers[inner[fitted]])
        own[judged] = model.predict(numbers[inner[judged]])
        theirs.append(model.predict(numbers[outer]))
    scorer = _Scorer(answers, is_class)
    inside, drawn_inside = scorer.scores(answers[inner], [own], names[inner], bootstrap, seed)
    outside, drawn_outside = scorer.scores(answers[outer], theirs, names[outer], bootstrap, seed + 1)
    return FittedFeatures(
        modality,
        held_out,
        scorer.metric,
        inside,
        outside,
        percentile_interval(drawn_inside - drawn_outside),
        1 / len(np.unique(answers[inner])) if is_class else 0.0,
    )


class _Scorer:
    """Average recall of classes, or the correlation of values, of a part as it is and in every resample."""

    def __init__(self, answers: NDArray[Any], is_class: bool) -> None:
        self.metric = "uar" if is_class else "corr"
        self.labels = [str(label) for label in np.unique(answers)] if is_class else []
        self._number = {label: at for at, label in enumerate(np.unique(answers))} if is_class else {}

    def scores(
        self,
        true: NDArray[Any],
        predicted: Sequence[NDArray[Any]],
        groups: NDArray[Any],
        bootstrap: int,
        seed: int,
    ) -> tuple[float, NDArray[np.float64]]:
        """Mean over several predictions of the same rows."""
        dialogues = np.unique(groups, return_inverse=True)[1]
        observed, drawn = [], []
        for each in predicted:
            sums = group_sums(self._statistics(true, each), dialogues)
            observed.append(self._metric(sums.sum(axis=0, keepdims=True))[0])
            drawn.append(self._metric(resample(sums, bootstrap, seed)))  # the same dialogues for each
        return float(np.mean(observed)), np.asarray(np.mean(drawn, axis=0))

    def _statistics(self, true: NDArray[Any], predicted: NDArray[Any]) -> NDArray[np.float64]:
        if self.metric == "corr":
            return sentiment_statistics(true.astype(np.float64), predicted.astype(np.float64))
        codes = [np.array([self._number[label] for label in column]) for column in (true, predicted)]
        return class_statistics(codes[0], codes[1], len(self.labels))

    def _metric(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        figures = (
            sentiment_metrics(sums) if self.metric == "corr" else class_metrics(self.labels, False)(sums)
        )
        return np.asarray(figures[self.metric])


def _sampled_groups(rows: NDArray[np.intp], groups: NDArray[Any], seed: int) -> NDArray[np.intp]:
    """Whole dialogues drawn by lot until there are enough rows."""
    if len(rows) <= _MOST_ROWS:
        return rows
    order = np.random.default_rng(seed).permutation(np.unique(groups[rows]))
    sizes = np.bincount(groups[rows], minlength=int(groups.max()) + 1)[order]
    chosen = order[: max(_FEWEST_GROUPS, int(np.searchsorted(np.cumsum(sizes), _MOST_ROWS)))]
    return rows[np.isin(groups[rows], chosen)]


def _projected(numbers: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """No more numbers than a linear model takes quickly; a random projection keeps what is linear in them."""
    from sklearn.random_projection import GaussianRandomProjection

    if numbers.shape[1] <= _MOST_NUMBERS:
        return numbers
    spread = numbers.std(axis=0)
    scaled = (numbers - numbers.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return np.asarray(GaussianRandomProjection(_MOST_NUMBERS, random_state=seed).fit_transform(scaled))
