"""Two bidirectional LSTMs with layer normalisation between them, of which the last states are taken."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from emofuse.nn.recurrent import Recurrent


class StackedLSTM(nn.Module):
    """The utterance encoder of MISA (Hazarika et al. 2020).

    Args:
        dim: of a step.
        hidden: units of each layer in each direction.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.first = Recurrent("lstm", dim, hidden, bidirectional=True, merge="cat")
        self.second = Recurrent("lstm", 2 * hidden, hidden, bidirectional=True, merge="cat")
        self.norm = nn.LayerNorm(2 * hidden)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, dim), real steps (B, T) first, to (B, 4 hidden): both layers' last states, both ways; 0 without steps."""
        states = self.first(x, mask)
        again = self.second(self.norm(states), mask)
        return torch.cat([self._ends(states, mask), self._ends(again, mask)], dim=-1)

    @staticmethod
    def _ends(states: Tensor, mask: Tensor) -> Tensor:
        """(B, 2 hidden): ahead at the last real step, back at the first."""
        ahead, back = states.chunk(2, dim=-1)
        counts = mask.sum(dim=1)
        rows = torch.arange(states.shape[0], device=states.device)
        return torch.cat([ahead[rows, (counts - 1).clamp_min(0)], back[:, 0]], dim=-1)
