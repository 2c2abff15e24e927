"""A system and the encoders that learn with it, as one network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from torch import nn

from emofuse.data.modality import Modality
from emofuse.training.end_to_end.encoder import JointEncoder


@dataclass(frozen=True)
class Places:
    """In the place of an utterance's features its number, by which its encoder finds what to read.

    Attributes:
        numbers: utterance → number; float32 holds those below 2²⁴ exactly.
    """

    numbers: Mapping[str, int]

    def __contains__(self, utterance_id: object) -> bool:
        return utterance_id in self.numbers

    def __getitem__(self, utterance_id: str) -> NDArray[np.float32]:
        return np.array([self.numbers[utterance_id]], np.float32)


class JointSystem(nn.Module):
    """``system`` with encoders in front: batches hold `Places`, which become features here.

    Args:
        system: of the registry; it takes a vector or steps of each modality that has an encoder here.
        encoders: modality → its encoder.
        places: modality → the numbers that its encoder knows utterances by.
    """

    def __init__(
        self,
        system: nn.Module,
        encoders: Mapping[Modality, JointEncoder],
        places: Mapping[Modality, Places],
    ) -> None:
        super().__init__()
        self.system = system
        self.encoders = nn.ModuleDict({str(modality): encoder for modality, encoder in encoders.items()})
        self.places = dict(places)

    def forward(self, **inputs: Any) -> Any:
        """What the system says; ``inputs`` as a batch has them."""
        given = dict(inputs)
        for modality, encoder in self.encoders.items():
            if modality in given:
                _encode(modality, cast(JointEncoder, encoder), given)
        return self.system(**given)

    def training_loss(self, *args: Any, **named: Any) -> Any:
        """The system's own."""
        return self.system.training_loss(*args, **named)  # type: ignore[operator]

    def joint_encoders(self) -> dict[Modality, JointEncoder]:
        """Modality → encoder."""
        return {cast(Modality, m): cast(JointEncoder, encoder) for m, encoder in self.encoders.items()}


def _encode(modality: str, encoder: JointEncoder, given: dict[str, Any]) -> None:
    """Put features in the place of numbers: (B, 1) or (B, N, 1) to (B, d) or (B, N, d); (B, 1, 1) to steps (B, T, d)."""
    numbers, there = given[modality], given["present"][modality]
    steps, real = encoder(numbers.reshape(*there.shape)[there].round().long())
    if encoder.vectors:
        features = steps.new_zeros(*there.shape, encoder.dim)
        if len(steps):
            features[there] = steps.squeeze(1)
        given[modality] = features
        return
    longest = max(1, steps.shape[1])
    sequences = steps.new_zeros(len(there), longest, encoder.dim)
    masks = real.new_zeros(len(there), longest)
    if len(steps):
        sequences[there], masks[there] = steps, real
    given[modality] = sequences
    given["masks"] = {**given["masks"], modality: masks}


def trained_parameters(encoder: nn.Module) -> int:
    """How many numbers of an encoder learn."""
    return sum(parameter.numel() for parameter in encoder.parameters() if parameter.requires_grad)
