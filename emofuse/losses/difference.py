"""MISA's difference loss: two sets of features made orthogonal."""

from __future__ import annotations

import torch
from torch import Tensor

from emofuse.losses.task_losses import wide


def difference(x: Tensor, y: Tensor) -> Tensor:
    """‖XᵀY‖²_F / (d d') of features that are centred over the rows and have length 1 in each.

    Source: MISA (Hazarika et al. 2020). It is divided by the number of entries, as in the authors' code, to which their
    published weights belong.

    Args:
        x: (B, d).
        y: (B, d'), of the same rows.

    Returns:
        Scalar, in float32 or wider; 0 for fewer than two rows.
    """
    if len(x) < 2:
        return wide(x).sum() * 0.0 + wide(y).sum() * 0.0
    with torch.autocast(x.device.type, enabled=False):
        return (_unit(wide(x)).T @ _unit(wide(y))).square().mean()


def _unit(x: Tensor) -> Tensor:
    centred = x - x.mean(dim=0)
    return centred / (torch.linalg.vector_norm(centred, dim=1, keepdim=True) + 1e-6)
