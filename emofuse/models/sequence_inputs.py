"""What a system of sequences is given, checked: one sequence per modality, and which of its steps are real."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from emofuse.data.modality import Modality
from emofuse.errors import EmofuseError
from emofuse.models.given_inputs import first_given
from emofuse.nn.modality_dropout import drop_modalities
from emofuse.nn.real_steps import RealSteps


class GivenSequences(NamedTuple):
    """What B utterances are given.

    Attributes:
        x: modality → (B, T_m, d_m), as it was given; a single step of zeros where it was not.
        steps: modality → which of its steps are real.
        available: modality → (B,) bool, the rows that have a real step.
    """

    x: dict[str, Tensor]
    steps: dict[str, RealSteps]
    available: dict[str, Tensor]


def given_sequences(
    given: Mapping[Modality, Tensor | None],
    sizes: Mapping[Modality, int],
    masks: Mapping[str, Tensor],
    present: Mapping[str, Tensor],
    dropout: float,
) -> GivenSequences:
    """Inputs with their shapes checked, and what each row has of them after modality dropout.

    Args:
        given: modality → (B, T_m, d_m), or None.
        sizes: modality → d_m.
        masks: modality → (B, T_m) bool, False at padding; a modality not named has none.
        present: modality → (B,) bool, False for rows that lack it.
        dropout: probability with which a row loses a modality; it never loses all.

    Raises:
        EmofuseError: nothing is given, or something of the wrong shape.
    """
    x = check_sequences(given, sizes)
    real = real_steps(given, x, masks, present)
    available: dict[str, Tensor] = {m: mask.any(dim=1) for m, mask in real.items()}
    if dropout > 0.0:
        available = drop_modalities(available, dropout)
    steps: dict[str, RealSteps] = {m: RealSteps(real[m] & available[m].unsqueeze(1)) for m in real}
    return GivenSequences({str(m): sequence for m, sequence in x.items()}, steps, available)


def check_sequences(
    given: Mapping[Modality, Tensor | None], sizes: Mapping[Modality, int]
) -> dict[Modality, Tensor]:
    """Every modality as a tensor; one that is not given as a single step of zeros.

    Args:
        given: modality -> (B, T_m, d_m), or None.
        sizes: modality -> d_m.

    Raises:
        EmofuseError: nothing is given, or something of the wrong shape.
    """
    some = first_given(given)
    batch = some.shape[0] if some.dim() else 0
    checked: dict[Modality, Tensor] = {}
    for m, x in given.items():
        if x is None:
            x = torch.zeros(batch, 1, sizes[m], device=some.device)
        if x.dim() != 3 or x.shape[0] != batch or x.shape[1] == 0 or x.shape[2] != sizes[m]:
            raise EmofuseError(
                f"{m} has shape {tuple(x.shape)}, the model expects ({batch}, T, {sizes[m]}) with T > 0"
            )
        checked[m] = x
    return checked


def real_steps(
    given: Mapping[Modality, Tensor | None],
    sequences: Mapping[Modality, Tensor],
    masks: Mapping[str, Tensor],
    present: Mapping[str, Tensor],
) -> dict[Modality, Tensor]:
    """Which steps are neither padding nor of a modality that their row lacks.

    Args:
        given: modality -> what was given, None for nothing.
        sequences: modality -> (B, T_m, d_m), of `check_sequences`.
        masks: modality -> (B, T_m) bool, False at padding; a modality not named has none.
        present: modality -> (B,) bool, False for rows that lack it.

    Returns:
        modality -> (B, T_m) bool

    Raises:
        EmofuseError: a mask of the wrong shape.
    """
    real: dict[Modality, Tensor] = {}
    for m, x in sequences.items():
        real[m] = torch.full(x.shape[:2], given[m] is not None, device=x.device)
        if m in masks and given[m] is not None:
            real[m] = real[m] & _boolean(f"masks[{m!r}]", masks[m], real[m])
        if m in present:
            real[m] = real[m] & _boolean(f"present[{m!r}]", present[m], real[m][:, 0]).unsqueeze(1)
    return real


def _boolean(name: str, mask: Tensor, like: Tensor) -> Tensor:
    if mask.shape != like.shape:
        raise EmofuseError(f"{name} has shape {tuple(mask.shape)}, expected {tuple(like.shape)}")
    return mask.to(device=like.device, dtype=torch.bool)
