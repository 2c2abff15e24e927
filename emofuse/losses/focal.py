"""Focal loss: cross-entropy that heeds hard rows most."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from emofuse.losses.task_losses import wide


def focal_loss(logits: Tensor, labels: Tensor, gamma: float, class_weights: Tensor | None = None) -> Tensor:
    """Mean of -w_y (1 - p_y)^γ log p_y over rows whose label is not negative; 0 where there is none.

    Source: Lin et al. 2017, Eq. 4; MM-DFN trains with it.

    Args:
        logits: (..., C).
        labels: (...) class numbers, negative where there is none.
        gamma: γ; 0 is cross-entropy.
        class_weights: (C,), or None for equal ones. The mean is a weighted one, as in `cross_entropy`.
    """
    known = labels >= 0
    if not bool(known.any()):
        return wide(logits).sum() * 0.0
    y = labels[known]
    log_p = F.log_softmax(wide(logits[known]), dim=-1).gather(-1, y.unsqueeze(-1)).squeeze(-1)
    # Kept off 0, where a power below 1 has no slope.
    hardness = (-log_p.expm1()).clamp_min(1e-12).pow(gamma) if gamma else 1.0
    losses = -hardness * log_p
    if class_weights is None:
        return losses.mean()
    weights = class_weights.to(losses.dtype)[y]
    return (weights * losses).sum() / weights.sum()
