"""Whole modalities withheld in training, so that a system learns to do without."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F


def drop_modalities(present: Mapping[str, Tensor], probability: float) -> dict[str, Tensor]:
    """Withhold each modality of each row with a probability; a row keeps at least one of those it had.

    Args:
        present: modality -> (B,) bool, what each row has.
        probability: between 0 and 1.

    Returns:
        modality -> (B,) bool, what each row is left with.
    """
    available = torch.stack(list(present.values()), dim=1)
    draws = torch.rand(available.shape, device=available.device).masked_fill(~available, -1.0)
    last_kept = F.one_hot(draws.argmax(dim=1), available.shape[1]).bool()
    left = available & ((draws >= probability) | last_kept)
    return dict(zip(present, left.unbind(dim=1), strict=True))
