"""What a system learns to say of an utterance, as a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from emofuse.data.utterance import Utterance


class Target(Protocol):
    """An utterance's target as a number, and how the number is stored in a batch."""

    @property
    def absent(self) -> float:
        """The number that means that there is no target."""

    @property
    def dtype(self) -> torch.dtype:
        """Of a tensor of targets."""

    def of(self, utterance: Utterance) -> float:
        """The number of one utterance."""


@dataclass(frozen=True)
class ClassTarget:
    """The index of an utterance's label among ``labels``; -1 for another label or none."""

    labels: Sequence[str] = ()
    absent: float = -1
    dtype: torch.dtype = torch.int64

    def of(self, utterance: Utterance) -> float:
        """A class index."""
        return self.labels.index(utterance.label) if utterance.label in self.labels else self.absent


@dataclass(frozen=True)
class ValenceTarget:
    """An utterance's valence as it is; NaN for none."""

    absent: float = float("nan")
    dtype: torch.dtype = torch.float32

    def of(self, utterance: Utterance) -> float:
        """A number on the corpus's own scale."""
        return self.absent if utterance.valence is None else utterance.valence
