"""Central moment discrepancy: how far two distributions are apart, moment by moment."""

from __future__ import annotations

import torch
from torch import Tensor

from emofuse.losses.task_losses import wide


def central_moment_discrepancy(x: Tensor, y: Tensor, moments: int = 5) -> Tensor:
    """‖E(X) − E(Y)‖ + Σ_{k=2}^{K} ‖C_k(X) − C_k(Y)‖, C_k the k-th central moments, of features between 0 and 1.

    Source: Zellinger et al. (2017), as MISA (Hazarika et al. 2020) has it. Features within [a, b] would be divided
    by b − a first.

    Args:
        x: (n, d).
        y: (m, d).
        moments: K.

    Returns:
        Scalar, in float32 or wider; 0 where one of the two has no row.
    """
    if len(x) == 0 or len(y) == 0:
        return wide(x).sum() * 0.0 + wide(y).sum() * 0.0
    means = [wide(each).mean(dim=0) for each in (x, y)]
    centred = [wide(each) - mean for each, mean in zip((x, y), means, strict=True)]
    distance = torch.linalg.vector_norm(means[0] - means[1])
    for k in range(2, moments + 1):
        of_x, of_y = (each.pow(k).mean(dim=0) for each in centred)
        distance = distance + torch.linalg.vector_norm(of_x - of_y)
    return distance
