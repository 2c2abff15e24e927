"""Contrast of two views of the same nodes: HAUCL."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from emofuse.losses.task_losses import wide


def two_view_contrast(one: Tensor, other: Tensor, temperature: float) -> Tensor:
    """Mean over the rows i of both views of −log(e^(s(a_i, b_i)/τ) / (Σ_j e^(s(a_i, b_j)/τ) + Σ_{j≠i} e^(s(a_i, a_j)/τ))).

    s is the cosine, and a and b are the two views in turn. A row's positive is itself in the other view; all other rows of both
    views are its negatives. 0 without rows.

    Source: HAUCL (Yi et al. 2024), whose published code takes it from GRACE (Zhu et al. 2020, Eq. 1).

    Args:
        one: (V, d).
        other: (V, d).
        temperature: τ.
    """
    if not len(one):
        return wide(one).sum() * 0.0
    with torch.autocast(one.device.type, enabled=False):
        a, b = F.normalize(wide(one), dim=-1), F.normalize(wide(other), dim=-1)
        between = a @ b.T / temperature
        own = torch.eye(len(a), dtype=torch.bool, device=a.device)
        losses = []
        for cross, within in ((between, a @ a.T / temperature), (between.T, b @ b.T / temperature)):
            against = torch.cat([cross, within.masked_fill(own, -torch.inf)], dim=1)
            losses.append((against.logsumexp(dim=1) - cross.diagonal()).mean())
        return torch.stack(losses).mean()
