"""Convolution over a graph whose edges have relations and weights, as DialogueGCN has it."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from emofuse.nn.exporting import exporting
from emofuse.nn.geometric import geometric


class EdgeAttention(nn.Module):
    """α_ij = softmax_j(g_iᵀ W_e g_j), j running over the neighbours of i.

    Source: DialogueGCN (Ghosal et al. 2019), Eq. 1.

    Args:
        dim: of a node.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.transform = nn.Linear(dim, dim, bias=False)
        self._softmax = geometric("utils").softmax

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        """(E,) for nodes (V, dim) and edges (2, E)."""
        sources, targets = edges
        scores = (x[targets] * self.transform(x)[sources]).sum(dim=-1)
        return cast(Tensor, self._softmax(scores, targets, num_nodes=x.shape[0]))


class RelationalConvolution(nn.Module):
    """h_i = Σ_r Σ_{j ∈ N_i^r} α_ij / c_ir W_r g_j + α_ii W_0 g_i, with c_ir = |N_i^r|.

    Source: DialogueGCN, Eq. 2 without its σ. The W_r share bases, W_r = Σ_b a_rb V_b (Schlichtkrull et al. 2018, Eq. 3), as
    the published code has it.

    Args:
        in_dim: of a node.
        out_dim: of what it becomes.
        relations: number of relations r.
        bases: number of bases b.
    """

    def __init__(self, in_dim: int, out_dim: int, relations: int, bases: int) -> None:
        super().__init__()
        self.relations = relations
        self.bases = nn.Parameter(torch.empty(bases, in_dim, out_dim))
        self.coefficients = nn.Parameter(torch.empty(relations, bases))
        self.itself = nn.Linear(in_dim, out_dim, bias=False)
        for basis in self.bases:
            nn.init.xavier_uniform_(basis)
        nn.init.xavier_uniform_(self.coefficients)
        self._scatter = geometric("utils").scatter

    def forward(
        self, x: Tensor, edges: Tensor, relations: Tensor, weights: Tensor, own_weights: Tensor
    ) -> Tensor:
        """Convolve.

        Args:
            x: (V, in_dim).
            edges: (2, E), none from a node to itself.
            relations: (E,) int64.
            weights: (E,), α_ij.
            own_weights: (V,), α_ii.

        Returns:
            (V, out_dim).
        """
        sources, targets = edges
        # What reaches one node by one relation is summed first: there are fewer of these than edges.
        groups, place = self._groups(targets * self.relations + relations, x.shape[0])
        ones = torch.ones_like(weights, dtype=torch.float32)  # half precision counts to 2048 at most
        counts = self._scatter(ones, place, dim_size=groups.shape[0]).to(weights.dtype)
        shares = weights / counts[place]
        heard = self._scatter(x[sources] * shares.unsqueeze(1), place, dim_size=groups.shape[0])
        through = (heard @ self.bases.transpose(0, 1).flatten(1)).unflatten(1, (len(self.bases), -1))
        mixed = (self.coefficients[groups % self.relations].unsqueeze(1) @ through).squeeze(1)
        h = self._scatter(mixed, groups // self.relations, dim_size=x.shape[0])
        return cast(Tensor, h + own_weights.unsqueeze(1) * self.itself(x))

    def _groups(self, of: Tensor, nodes: int) -> tuple[Tensor, Tensor]:
        """The pairs of node and relation that (E,) edges have, and the place of each edge's among them; in an export all."""
        if exporting():
            return torch.arange(nodes * self.relations, device=of.device), of
        groups, place = torch.unique(of, return_inverse=True)
        return groups, place
