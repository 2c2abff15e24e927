"""What a system of dialogues is given, checked: utterance vectors per modality, and which of them there are."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from emofuse.data.modality import Modality
from emofuse.errors import EmofuseError
from emofuse.models.given_inputs import first_given
from emofuse.nn.exporting import exporting
from emofuse.nn.modality_dropout import drop_modalities


def check_dialogues(
    inputs: Mapping[Modality, Tensor | None], sizes: Mapping[Modality, int], mask: Tensor | None
) -> Tensor:
    """(B, N) bool, which utterances there are; checks shapes on the way.

    Args:
        inputs: modality -> (B, N, d_m), or None.
        sizes: modality -> d_m.
        mask: (B, N) bool, False for the padding at a dialogue's end; None for no padding.

    Raises:
        EmofuseError: nothing is given, something of the wrong shape, or padding before an utterance.
    """
    some = first_given(inputs)
    if some.dim() != 3 or some.shape[1] == 0:
        raise EmofuseError(f"expected dialogues (B, N, features) with N > 0, got {tuple(some.shape)}")
    if mask is None:
        mask = torch.ones(some.shape[:2], dtype=torch.bool, device=some.device)
    for m, x in inputs.items():
        expected = (*mask.shape, sizes[m])
        if x is not None and tuple(x.shape) != expected:
            raise EmofuseError(f"{m} features have shape {tuple(x.shape)}, the model expects {expected}")
    if not exporting() and bool((mask[:, 1:] & ~mask[:, :-1]).any()):
        raise EmofuseError("the mask has an utterance after padding: padding belongs at a dialogue's end")
    return mask


def dialogue_presence(
    inputs: Mapping[Modality, Tensor | None],
    mask: Tensor,
    present: Mapping[str, Tensor],
    dropout: float = 0.0,
) -> dict[str, Tensor]:
    """modality -> (B, N) bool, the utterances that have it, after modality dropout.

    Args:
        inputs: as `check_dialogues`.
        mask: of `check_dialogues`.
        present: modality -> (B, N) bool; a modality not named is there for all.
        dropout: probability with which an utterance loses a modality; it never loses all.

    Raises:
        EmofuseError: a mask of the wrong shape.
    """
    available = {}
    for m, x in inputs.items():
        available[str(m)] = mask if x is not None else torch.zeros_like(mask)
        if m in present:
            if present[m].shape != mask.shape:
                raise EmofuseError(
                    f"present[{m!r}] has shape {tuple(present[m].shape)}, expected {tuple(mask.shape)}"
                )
            available[m] = available[m] & present[m].to(mask.device)
    if dropout > 0.0:
        left = drop_modalities({m: x.flatten() for m, x in available.items()}, dropout)
        available = {m: x.view_as(mask) for m, x in left.items()}
    return available
