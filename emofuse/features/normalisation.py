"""Features without what all utterances of a voice, or of a recording, have in common.

Each group of utterances is standardised by its own mean and spread, which needs no label. A small group does not know them
well, so its own are drawn towards those of the training part: with n utterances they count n against ``worth``.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from emofuse.errors import EmofuseError

Normalise = Literal["none", "speaker", "recording"]

_SMALLEST_SPREAD = 1e-6
# Utterances that the training part's statistics are worth, see `docs/voice.md` for how it was measured.
MEAN_WORTH, SPREAD_WORTH = 8.0, 10.0
FEW = 5  # a smaller group gets a note


class Features(Protocol):
    """Features by utterance: (d,), or (T, d) for a sequence."""

    def __contains__(self, utterance_id: object) -> bool: ...

    def __getitem__(self, utterance_id: str) -> np.ndarray: ...


@dataclass(frozen=True)
class TrainingStatistics:
    """What is known of a group before any of its utterances.

    Attributes:
        mean: (d,) of all training utterances.
        spread: (d,) standard deviation within the training part's groups.
    """

    mean: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, features: Features, groups: Mapping[str, Hashable]) -> TrainingStatistics:
        """The statistics of a training part.

        Args:
            features: of its utterances; those without any count nothing.
            groups: utterance id → its group, for every utterance of the training part.

        Raises:
            EmofuseError: no utterance has features.
        """
        members: dict[Hashable, list[str]] = {}
        for id, group in groups.items():
            if id in features:
                members.setdefault(group, []).append(id)
        sums = [_Sums.over(features[id] for id in ids) for ids in members.values()]
        if not sums:
            raise EmofuseError("no training row has features to take a mean of; see quarantine.csv")
        count = sum(each.count for each in sums)
        mean = np.sum([each.total for each in sums], axis=0) / count
        within = np.sum([each.scatter for each in sums], axis=0)
        # Where every group is a single utterance, nothing is known within groups but the spread of them all.
        if not (within > 0).any():
            within = np.sum([each.scatter_about(mean) for each in sums], axis=0)
        return cls(mean.astype(np.float32), np.sqrt(within / count).astype(np.float32))


@dataclass(frozen=True)
class _Sums:
    """Of a group: its utterances, the sum of their means, and of their squared distances from the group's mean."""

    count: int
    total: np.ndarray
    scatter: np.ndarray

    @classmethod
    def over(cls, rows: Iterable[np.ndarray]) -> _Sums:
        """In one pass, numerically stable (Welford 1962; Chan et al. 1983): every utterance counts alike, however long."""
        count, mean, scatter = 0, np.zeros(1), np.zeros(1)
        for row in rows:
            steps = np.atleast_2d(row).astype(np.float64)
            own = steps.mean(axis=0)
            offset = own - mean
            count += 1
            mean = mean + offset / count
            scatter = scatter + offset**2 * (count - 1) / count + steps.var(axis=0)
        return cls(count, count * mean, scatter)

    def scatter_about(self, centre: np.ndarray) -> np.ndarray:
        """The same sum of squares about another point."""
        offset: np.ndarray = self.total / self.count - centre
        return self.scatter + self.count * offset**2


@dataclass(frozen=True)
class NormalisedFeatures:
    """Features of another source, each without its group's mean and spread.

    Attributes:
        source: the features as the encoder gives them.
        groups: utterance id → its group; one that is not named is a group of its own.
        training: what is known of a group before any of its utterances.
        worth: utterances that the training part's mean is worth.
        dim: size of a vector.
    """

    source: Features
    groups: Mapping[str, Hashable]
    training: TrainingStatistics
    worth: float = MEAN_WORTH
    _members: dict[Hashable, list[str]] = field(init=False, repr=False, compare=False)
    _known: dict[Hashable, tuple[np.ndarray, np.ndarray]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        members: dict[Hashable, list[str]] = {}
        for id, group in self.groups.items():
            if id in self.source:
                members.setdefault(group, []).append(id)
        object.__setattr__(self, "_members", members)

    @property
    def dim(self) -> int:
        """Size of a vector."""
        return len(self.training.mean)

    def __contains__(self, utterance_id: object) -> bool:
        return utterance_id in self.source

    def __getitem__(self, utterance_id: str) -> np.ndarray:
        centre, spread = self._statistics(utterance_id)
        return ((self.source[utterance_id] - centre) / spread).astype(np.float32, copy=False)

    def matrix(self, ids: Iterable[str]) -> np.ndarray:
        """(n, d) vectors in the order of ``ids``."""
        return np.stack([self[id] for id in ids])

    def note(self, utterance_id: str) -> str:
        """What a user should know where an utterance's group is too small to know its own mean and spread."""
        count = len(self._ids_beside(utterance_id))
        if count >= FEW:
            return ""
        what = "it stands alone" if count == 1 else f"its speaker or recording has {count} utterances here"
        return f"standardised mostly by the training part's mean and spread, since {what}"

    def _ids_beside(self, id: str) -> list[str]:
        return self._members[self.groups[id]] if id in self.groups else [id]

    def _statistics(self, id: str) -> tuple[np.ndarray, np.ndarray]:
        """(d,) mean and (d,) spread that an utterance is standardised by; those of a lone one are not kept."""
        beside = self._ids_beside(id)
        if len(beside) < 2:
            return drawn_statistics(_Sums.over(self.source[i] for i in beside), self.training, self.worth)
        group = self.groups[id]
        if group not in self._known:
            sums = _Sums.over(self.source[i] for i in beside)
            self._known[group] = drawn_statistics(sums, self.training, self.worth)
        return self._known[group]


def drawn_statistics(
    sums: _Sums, training: TrainingStatistics, worth: float = MEAN_WORTH
) -> tuple[np.ndarray, np.ndarray]:
    """(d,) mean and (d,) spread of a group of n utterances, drawn towards the training part's.

    mean = (Σx + a·m) / (n + a) and spread² = (Σ(x - x̄)² + b·s²) / (n - 1 + b), with the worths a and b.
    """
    mean = (sums.total + worth * training.mean) / (sums.count + worth)
    squares = sums.scatter + SPREAD_WORTH * training.spread.astype(np.float64) ** 2
    spread = np.sqrt(squares / (sums.count - 1 + SPREAD_WORTH))
    spread = np.where(spread < _SMALLEST_SPREAD, 1.0, spread)
    return mean.astype(np.float32), spread.astype(np.float32)
