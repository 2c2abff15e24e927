"""The sizes of a linear model, and how it is pooled with a system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from emofuse.data.modality import Modality

Pooling = Literal["vector", "mean+deviation", "pictures"]
COLUMNS: Mapping[Pooling, int] = MappingProxyType({"vector": 1, "mean+deviation": 2, "pictures": 3})
"""Columns that each number of a vector, a step or a picture becomes."""

NEVER = -1e3
"""Log-probability of a class that the training part lacks."""


@dataclass(frozen=True)
class LinearPart:
    """One modality of a linear model.

    Attributes:
        pooling: how its features become columns: as they are; a sequence as the mean and the deviation of its steps;
            pictures, which the system reads itself, as in `emofuse.nn.described_pictures`.
        dim: numbers of a vector, of a step, or of a picture.
        marked: a column says whether the utterance has it.
    """

    pooling: Pooling
    dim: int
    marked: bool

    @property
    def standardised(self) -> int:
        """Columns that are standardised."""
        return self.dim * COLUMNS[self.pooling]

    @property
    def columns(self) -> int:
        """Columns in all."""
        return self.standardised + self.marked


@dataclass(frozen=True)
class LinearShape:
    """The sizes of a linear model.

    Attributes:
        parts: modality → columns, in their order.
        outputs: C classes, or 1 for a value.
        classes: it tells classes.
        reach: neighbours on either side in the dialogue.
        components: principal components that a neighbour is reduced to; 0 where it stands as it is.
    """

    parts: Mapping[Modality, LinearPart]
    outputs: int
    classes: bool
    reach: int = 0
    components: int = 0

    def input_of(self, modality: Modality) -> str:
        """The name by which a batch holds what is read of a modality."""
        return "frames" if self.parts[modality].pooling == "pictures" else modality

    @property
    def alone(self) -> int:
        """Columns of an utterance by itself."""
        return sum(part.columns for part in self.parts.values())

    @property
    def columns(self) -> int:
        """Columns with those of its neighbours."""
        return self.alone + 2 * self.reach * (self.components or self.alone)


@dataclass(frozen=True)
class PoolWeights:
    """How two outputs become one.

    Attributes:
        linear: share w of the linear model, from 0 to 1.
        system_temperature: T_s that the system's logits are divided by; of a value it counts nothing.
        linear_temperature: T_l of the linear model's.
    """

    linear: float
    system_temperature: float = 1.0
    linear_temperature: float = 1.0
