"""From the sequences of a modality's two encoders to one sequence in a size common to all modalities."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.nn.cross_attention import CrossAttention


class EncoderAlignment(nn.Module):
    """Two encoders' sequences A and B aligned by attention on each other, then made one.

    Source: CM-MSF §3.3, Eq. 1-6. For each of h heads i, with q, k, v linear in their sequence,

        C_ai = softmax(Q_a K_bᵀ / √d_k) V_b,      C_bi = softmax(Q_b K_aᵀ / √d_k) V_a        (1-4)
        C_a = [C_a1, …, C_ah] W_a + b_a           (C_b alike)                                 (5)
        H = W [C_a, C_b]                                                                      (6)

    A single sequence has nothing to be aligned with: H = W A.

    Args:
        dim: size of A, B, C_a, C_b and H.
        sequences: how many there are, 1 or 2.
        heads: h.
    """

    def __init__(self, dim: int, sequences: int = 2, heads: int = 8) -> None:
        super().__init__()
        directions = sequences if sequences > 1 else 0
        self.attentions = nn.ModuleList(CrossAttention(dim, dim, dim, heads) for _ in range(directions))
        self.combine = nn.Linear(sequences * dim, dim, bias=False)

    def forward(self, sequences: Sequence[Tensor], mask: Tensor) -> Tensor:
        """Align.

        Args:
            sequences: one or two of (B, T, dim), over the same steps.
            mask: (B, T) bool, the real steps.

        Returns:
            H, (B, T, dim).
        """
        if not self.attentions:
            return self.combine(sequences[0])
        a, b = sequences
        to_b, to_a = self.attentions
        return self.combine(torch.cat([to_b(a, b, mask), to_a(b, a, mask)], dim=-1))


class CommonSpace(nn.Module):
    """U = FC[ReLU(H W_o + b_1)], into the size that all modalities share (CM-MSF Eq. 7).

    Args:
        in_dim: size of H.
        dim: d, size of U.
        dropout: between the two layers.
    """

    def __init__(self, in_dim: int, dim: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.hidden = nn.Linear(in_dim, dim)
        self.fully_connected = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, H: Tensor) -> Tensor:
        """(..., in_dim) to (..., dim)."""
        return self.fully_connected(self.dropout(F.relu(self.hidden(H))))
