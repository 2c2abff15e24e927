"""LSTM and GRU layers over padded sequences, in one direction or both."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from emofuse.nn.exporting import run_recurrent


class Recurrent(nn.Module):
    """An LSTM or GRU whose results do not depend on padding.

    Of the two directions the hidden states are summed (CM-MSF §3.4: "the forward and backward passes are
    summed"), or stand side by side. The backward one runs over each sequence turned round within its own length, so that both go
    through whole padded batches: that is several times faster than packed sequences on a CPU.

    Args:
        cell: "lstm" or "gru".
        in_dim: size of the input.
        hidden: size of the hidden state, and of the output.
        bidirectional: whether there is a backward direction.
        merge: "sum" of the two directions, or "cat", of twice the size.
    """

    def __init__(
        self,
        cell: Literal["lstm", "gru"],
        in_dim: int,
        hidden: int,
        bidirectional: bool = False,
        merge: Literal["sum", "cat"] = "sum",
    ) -> None:
        super().__init__()
        self.merge = merge
        layer = nn.LSTM if cell == "lstm" else nn.GRU
        self.ahead = layer(in_dim, hidden, batch_first=True)
        self.back = layer(in_dim, hidden, batch_first=True) if bidirectional else None

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Run over whole sequences.

        Args:
            x: (B, T, in_dim)
            mask: (B, T) bool, the real steps; padding comes last.

        Returns:
            (B, T, hidden), or (B, T, 2 hidden) side by side; 0 at padding.
        """
        hidden = run_recurrent(self.ahead, x)
        if self.back is not None:
            turned = reversed_positions(mask)
            backwards = gather_steps(run_recurrent(self.back, gather_steps(x, turned)), turned)
            hidden = hidden + backwards if self.merge == "sum" else torch.cat([hidden, backwards], dim=-1)
        return hidden.masked_fill(~mask.unsqueeze(-1), 0.0)


def reversed_positions(mask: Tensor) -> Tensor:
    """(B, T): the places of each sequence from its last real step to its first; padding stays where it is."""
    places = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    return torch.where(mask, mask.sum(1, keepdim=True) - 1 - places, places)


def gather_steps(x: Tensor, places: Tensor) -> Tensor:
    """(B, T, d) with its steps taken from ``places``, (B, T)."""
    return x.gather(1, places.unsqueeze(-1).expand(-1, -1, x.shape[-1]))
