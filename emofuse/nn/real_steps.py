"""The real steps of padded sequences, brought together at the front."""

from __future__ import annotations

import torch
from torch import Tensor

from emofuse.nn.exporting import longest


def real_first(given: Tensor) -> Tensor:
    """(B, T) int64: the places of the real steps (B, T bool) in their order, then those of the others in theirs.

    A stable sort, counted out: programs have none.
    """
    real, others = given.cumsum(dim=1), (~given).cumsum(dim=1)
    rank = torch.where(given, real, real[:, -1:] + others) - 1
    places = torch.arange(given.shape[1], device=given.device).expand_as(rank)
    return torch.zeros_like(rank).scatter(1, rank, places)


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
        self.places = real_first(given)[:, :length]
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
