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
    here = torch.stack(list(present.values()), dim=1)
    luck = torch.rand(here.shape, device=here.device).masked_fill(~here, -1.0)
    luckiest = F.one_hot(luck.argmax(dim=1), here.shape[1]).bool()
    left = here & ((luck >= probability) | luckiest)
    return dict(zip(present, left.unbind(dim=1), strict=True))
