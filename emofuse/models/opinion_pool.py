"""The logarithmic opinion pool: what experts say together, each by its weight."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from emofuse.losses.task_losses import wide


def opinion_pool(
    experts: Mapping[str, Tensor],
    available: Mapping[str, Tensor],
    weights: Mapping[str, Tensor | float],
    temperatures: Mapping[str, Tensor | float],
    unlikeness: Mapping[str, Tensor] | None = None,
) -> Tensor:
    """log p(y) = Σ_m w_m log p_m(y) + const, p_m softened by its temperature. Source: Heskes 1998, Eq. 3.

    Args:
        experts: modality → (B, C) logits; no gradient reaches them.
        available: modality → (B,) bool; an expert without its modality is left out of the sum.
        weights: modality → w_m.
        temperatures: modality → τ_m.
        unlikeness: modality → (B,) how many times as far an input lies from the training data as the farthest of those
            do; an expert's weight is divided by what is above 1. None for inputs like those.

    Returns:
        (B, C) log-probabilities up to a constant.
    """
    total = torch.zeros_like(wide(next(iter(experts.values()))))
    for m, temperature in temperatures.items():
        log_probabilities = (wide(experts[m]).detach() / temperature).log_softmax(-1)
        weight = weights[m] * available[m].unsqueeze(-1)
        if unlikeness is not None:
            weight = weight / unlikeness[m].clamp(min=1.0).unsqueeze(-1)
        total = total + weight * log_probabilities
    return total
