"""The real steps of padded sequences, brought together at the front."""

from __future__ import annotations

import torch
from torch import Tensor

from emofuse.nn.exporting import longest


class RealSteps:
    """Where the real steps of B sequences are, in whichever places padding stands.

    Args:
        given: (B, T) bool, True for real steps.

    Attributes:
        mask: (B, L) bool, the same steps once they stand in front; L is the longest count, at least 1.
    """

    def __init__(self, given: Tensor) -> None:
        self.given = given
        counts = given.sum(dim=1)
        length = longest(counts, given.shape[1])
        self.places = torch.argsort((~given).byte(), dim=1, stable=True)[:, :length]
        self.mask = torch.arange(length, device=given.device) < counts.unsqueeze(1)

    def take(self, x: Tensor) -> Tensor:
        """(B, T, d) to (B, L, d): real steps in their order, then whatever there is."""
        return x.gather(1, self.places.unsqueeze(-1).expand(-1, -1, x.shape[-1]))

    def scatter_back(self, x: Tensor) -> Tensor:
        """(B, L) or (B, L, d) to (B, T) or (B, T, d): every step where it was, 0 where padding was."""
        places, mask = self.places, self.mask
        if x.dim() == 3:
            places, mask = places.unsqueeze(-1).expand_as(x), mask.unsqueeze(-1)
        padded = x.new_zeros(*self.given.shape, *x.shape[2:])
        return padded.scatter(1, places, x.masked_fill(~mask, 0))
