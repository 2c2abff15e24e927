"""Graph attention whose edges have relations and positions, as RGAT has it."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.nn.geometric import geometric

SLOPE = 0.2  # of LeakyReLU below 0, as in GAT


class RelationalGraphAttention(nn.Module):
    """h'_i = Σ_r Σ_{j ∈ N_i^r} α_ijr W_r h_j, with α_ijr = softmax(LeakyReLU(a_rᵀ [W_r h_i ; W_r h_j] + PE_ijr)).

    Source: RGAT (Ishiwatari et al. 2020), §3.3-3.4. The softmax runs over all neighbours of i in all relations. Each head has
    its own W, a and PE; heads are put side by side. PE is a learned number for each relation and distance.

    Args:
        dim: of a node, before and after; a multiple of `heads`.
        heads: how many.
        relations: number of relations r.
        positions: distances 0 … positions - 1 that have an encoding of their own; those beyond share the last. 0 for none.
    """

    def __init__(self, dim: int, heads: int, relations: int, positions: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(relations, dim, dim))
        self.attention = nn.Parameter(torch.empty(2, relations, heads, dim // heads))
        for matrix in self.weight:
            nn.init.xavier_uniform_(matrix)
        nn.init.xavier_uniform_(self.attention)
        self.positions = nn.Parameter(torch.zeros(relations, positions, heads)) if positions else None
        self._softmax, self._scatter = geometric("utils").softmax, geometric("utils").scatter

    def forward(self, h: Tensor, edges: Tensor, relations: Tensor, distances: Tensor) -> Tensor:
        """Attend.

        Args:
            h: (V, dim).
            edges: (2, E).
            relations: (E,) int64.
            distances: (E,) int64, 0 or more.

        Returns:
            (V, dim).
        """
        sources, targets = edges
        z = torch.einsum("vd,rdk->vrk", h, self.weight).unflatten(-1, (self.attention.shape[2], -1))
        of_target, of_source = (z * self.attention[0]).sum(dim=-1), (z * self.attention[1]).sum(dim=-1)
        scores = of_target[targets, relations] + of_source[sources, relations]
        if self.positions is not None:
            scores = scores + self.positions[relations, distances.clamp_max(self.positions.shape[1] - 1)]
        alpha = self._softmax(F.leaky_relu(scores, SLOPE), targets, num_nodes=h.shape[0])
        heard = alpha.unsqueeze(-1) * z[sources, relations]
        return cast(Tensor, self._scatter(heard.flatten(1), targets, dim_size=h.shape[0]))


class RelationalGraphLayer(nn.Module):
    """Attention, then a feed-forward network, each with a residual connection and layer normalisation.

    Args:
        dim: of a node.
        heads: see `RelationalGraphAttention`, as for the next two.
        relations: number of them.
        positions: distances with an encoding of their own.
        ff_dim: width of the feed-forward network.
        dropout: on what is added.
    """

    def __init__(
        self, dim: int, heads: int, relations: int, positions: int, ff_dim: int, dropout: float
    ) -> None:
        super().__init__()
        self.attention = RelationalGraphAttention(dim, heads, relations, positions)
        self.feed_forward = nn.Sequential(
            nn.Linear(dim, ff_dim), nn.ReLU(), nn.Dropout(dropout), nn.Linear(ff_dim, dim)
        )
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, h: Tensor, edges: Tensor, relations: Tensor, distances: Tensor) -> Tensor:
        """(V, dim), see `RelationalGraphAttention`."""
        h = self.attention_norm(h + self.dropout(self.attention(h, edges, relations, distances)))
        return cast(Tensor, self.feed_forward_norm(h + self.dropout(self.feed_forward(h))))
