"""A GRU whose update gate is an attention weight, run over a memory: AGHMN."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from emofuse.nn.exporting import run_over_time


class AttentionGRU(nn.Module):
    """Reads a memory m_1 … m_K one after the other, each as far as a query attends to it.

    Source: AGHMN (Jiao et al. 2020), §"Attention GRU". With g_k of softmax_k(qᵀ m_k): r = σ(W_r m_k + U_r h + b_r),
    h̃ = tanh(W m_k + r ∘ U h + b), h ← g_k h̃ + (1 − g_k) h, from h = 0.

    Args:
        dim: d, of memories and state.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.read = nn.Linear(dim, 2 * dim)  # W_r and W, side by side
        self.keep = nn.Linear(dim, 2 * dim)  # U_r and U

    def forward(self, memory: Tensor, weights: Tensor, *, backwards: bool = False) -> Tensor:
        """The last state (R, d) over memories (R, K, d) with weights (R, K); a weight of 0 leaves the state as it is."""
        steps = self.read(memory).transpose(0, 1), weights.T.unsqueeze(-1)
        if backwards:
            steps = steps[0].flip(0), steps[1].flip(0)
        return run_over_time(self._step, (torch.zeros_like(memory[:, 0]),), steps)[0][0]

    def _step(self, before: tuple[Tensor, ...], at: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], Tensor]:
        (h,), (read, g) = before, at
        (reset, new), (reset_by_state, state) = read.chunk(2, -1), self.keep(h).chunk(2, -1)
        candidate = torch.tanh(new + torch.sigmoid(reset + reset_by_state) * state)
        # Only the last state is wanted; of each step its weight is the least to hand on.
        return (g * candidate + (1 - g) * h,), g
