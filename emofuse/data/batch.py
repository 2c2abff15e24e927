"""The batch that a training or prediction step takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from emofuse.data.modality import Modality


class FeatureSource(Protocol):
    """Where an utterance's features of one modality come from: (d,), or (T, d) for a sequence."""

    def __contains__(self, utterance_id: object) -> bool: ...

    def __getitem__(self, utterance_id: str) -> np.ndarray: ...


@runtime_checkable
class EpochFeatures(FeatureSource, Protocol):
    """Features that change from epoch to epoch."""

    def begin_epoch(self, epoch: int) -> None:
        """Choose what is seen in an epoch."""


def begin_epoch(features: Mapping[Modality, FeatureSource], epoch: int) -> None:
    """Tell those features of an epoch that change from one to the next."""
    for source in features.values():
        if isinstance(source, EpochFeatures):
            source.begin_epoch(epoch)


@dataclass(frozen=True)
class DecodeFailure:
    """A medium that could not be decoded: the row goes on without that modality."""

    utterance_id: str
    modality: Modality
    path: str
    reason: str
    message: str


@dataclass
class Batch:
    """R utterances, as B items of a system: utterances, or dialogues of up to N turns.

    Attributes:
        ids: the R utterances.
        inputs: what a model's ``forward`` takes by name; ``present`` maps a modality to bool flags, (B,) or
            (B, N).
        labels: (B,) or (B, N) targets: class indices, -1 where there is none, or values, NaN where there is
            none.
        decode_failures: media that could not be decoded.
        scored: (B, N) bool, the places of ``ids`` in order; None where row i is utterance i.
        stands_in: nothing of it counts. One of several processes takes it where a batch has no share for it.
        weight: of its loss among the batches whose gradients are summed for a step.
    """

    ids: list[str]
    inputs: dict[str, Any]
    labels: Tensor
    decode_failures: list[DecodeFailure] = field(default_factory=list)
    scored: Tensor | None = None
    stands_in: bool = False
    weight: float = 1.0

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, values: Tensor) -> Tensor:
        """(B, ...) or (B, N, ...) as (R, ...), in the order of ``ids``; none of one that stands in."""
        if self.stands_in:
            values = values[:0]
        return values if self.scored is None else values[self.scored[: len(values)]]

    def to(self, device: torch.device | str) -> Batch:
        """The same batch with its tensors on ``device``."""
        return replace(
            self,
            inputs={name: _move(value, device) for name, value in self.inputs.items()},
            labels=_move(self.labels, device),
            scored=_move(self.scored, device),
        )

    def only(self, modalities: Sequence[Modality]) -> Batch:
        """The same batch with everything of the other modalities withheld."""
        present = dict(self.inputs["present"])
        kept = dict(self.inputs)
        for modality in set(present) - set(modalities):
            present[modality] = torch.zeros_like(present[modality])
            kept.pop(modality, None)
            if modality == "video":
                kept.pop("frames", None)
        return replace(self, inputs=kept | {"present": present})


def _move(value: Any, device: torch.device | str) -> Any:
    if isinstance(value, dict):
        return {name: _move(part, device) for name, part in value.items()}
    return value.to(device, non_blocking=True) if isinstance(value, Tensor) else value


def feature_tensor(source: FeatureSource, utterance_id: str) -> Tensor:
    """A copy as float32: memory-mapped rows are read-only, and tensors must own what they may change."""
    return torch.from_numpy(np.array(source[utterance_id], np.float32))
