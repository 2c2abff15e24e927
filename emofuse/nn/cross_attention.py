"""Multi-head attention of one sequence on another of any length."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F


class CrossAttention(nn.Module):
    """Scaled dot-product attention of each query step on the real steps of a source.

    Source: Vaswani et al. (2017) §3.2.2. A query whose source has no real step gets 0. Attention weights know
    no dropout: a CPU has no fused attention with it.

    Args:
        query_dim: size of the queries.
        source_dim: size of the source.
        dim: size of the output.
        heads: number of heads. Each has ceil(dim / heads) features, so any number of heads will do.
    """

    def __init__(self, query_dim: int, source_dim: int, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        inner = heads * math.ceil(dim / heads)
        self.query = nn.Linear(query_dim, inner)
        self.key_value = nn.Linear(source_dim, 2 * inner)
        self.out = nn.Linear(inner, dim)

    def forward(self, query: Tensor, source: Tensor, source_mask: Tensor) -> Tensor:
        """Attend.

        Args:
            query: (B, T, query_dim)
            source: (B, S, source_dim), gives keys and values.
            source_mask: (B, S) bool, the real steps of the source.

        Returns:
            (B, T, dim)
        """
        q = self.query(query).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = self.key_value(source).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        sees_nothing = ~source_mask.any(dim=1, keepdim=True)
        attended = F.scaled_dot_product_attention(
            q,
            k,
            v,
            # A softmax over nothing is NaN: attend to everything instead, and set the result to zero afterwards.
            attn_mask=(source_mask | sees_nothing)[:, None, None],
        )
        out = self.out(attended.transpose(1, 2).flatten(-2))
        return out.masked_fill(sees_nothing.unsqueeze(-1), 0.0)
