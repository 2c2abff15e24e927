"""Contrastive loss between what two frequency bands say of the same nodes: GS-MCC."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from emofuse.losses.task_losses import wide


def frequency_contrast(anchors: Tensor, others: Tensor, temperature: float) -> Tensor:
    """Mean of -log(e^(1/τ) / (e^(1/τ) + Σ_j e^(cos(a_i, o_j)/τ))) over the rows i of anchors; 0 without rows.

    Source: GS-MCC (Meng et al. 2025), §4.4. No row is augmented: an anchor's positive is itself, and its negatives are all rows
    of the other band. With the low band as anchors it is LFCL, with the high one HFCL.

    Args:
        anchors: (V, d).
        others: (V, d), the other band.
        temperature: τ.
    """
    if not len(anchors):
        return wide(anchors).sum() * 0.0
    with torch.autocast(anchors.device.type, enabled=False):
        a, o = F.normalize(wide(anchors), dim=-1), F.normalize(wide(others), dim=-1)
        against = (a @ o.T / temperature).logsumexp(dim=-1)
        return F.softplus(against - 1.0 / temperature).mean()
