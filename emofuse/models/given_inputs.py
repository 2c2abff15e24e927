"""What a system is given: the modalities that it uses, and which rows have each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from emofuse.data.modality import Modality
from emofuse.errors import EmofuseError
from emofuse.nn.modality_dropout import drop_modalities


def inputs_of(
    modalities: Sequence[Modality], text: Tensor | None, audio: Tensor | None, video: Tensor | None
) -> dict[Modality, Tensor | None]:
    """Modality → what was given of it, for the modalities that a system is set to use; others are ignored."""
    given: dict[Modality, Tensor | None] = {"text": text, "audio": audio, "video": video}
    return {m: given[m] for m in modalities}


def first_given(inputs: Mapping[Modality, Tensor | None]) -> Tensor:
    """Any of the inputs, to take the size of the batch and the device from.

    Raises:
        EmofuseError: nothing is given.
    """
    some = next((x for x in inputs.values() if x is not None), None)
    if some is None:
        raise EmofuseError(f"the model needs at least one of {', '.join(inputs)}")
    return some


def row_presence(
    inputs: Mapping[Modality, Tensor | None], present: Mapping[str, Tensor], dropout: float
) -> dict[str, Tensor]:
    """modality → (B,) bool, the rows that have it, after modality dropout.

    Args:
        inputs: modality → (B, ...), or None.
        present: modality → (B,) bool; a modality not named is there for all.
        dropout: probability with which a row loses a modality; it never loses all.

    Raises:
        EmofuseError: nothing is given.
    """
    some = first_given(inputs)
    available: dict[str, Tensor] = {}
    for m, x in inputs.items():
        everywhere = torch.full((some.shape[0],), x is not None, device=some.device)
        available[m] = everywhere & present[m].to(some.device) if m in present else everywhere
    return drop_modalities(available, dropout) if dropout > 0.0 else available
