"""Edges weighed by the angle between their nodes, and deep convolutions over them, as MMGCN has them."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.nn.dialogue_graphs import ModalityGraph
from emofuse.nn.exporting import exporting
from emofuse.nn.geometric import geometric

# The angle between parallel vectors has no slope; the authors' code draws cosines in by as much.
_INSIDE = 0.99999
_PAIRS_PER_EDGE = 32  # a matrix product makes so many products of vectors in the time of one by itself
_EDGES_AT_ONCE = 1 << 15  # so that the vectors of their ends are few


def angular_similarity(cosines: Tensor) -> Tensor:
    """1 - arccos(cosine) / π, from 0 for opposite vectors to 1 for parallel ones."""
    return 1.0 - torch.acos(_INSIDE * cosines.clamp(-1.0, 1.0)) / math.pi


def angular_edges(nodes: Tensor, graph: ModalityGraph, between: float) -> tuple[Tensor, Tensor]:
    """Edges of both kinds, and their weights in P̃ = (D + I)^-½ (A + I) (D + I)^-½.

    Source: MMGCN, Eq. 3-6. A_ij is the angular similarity of nodes i ≠ j; of one utterance in two modalities it is multiplied
    by γ. D is the degree matrix of A.

    Args:
        nodes: (V, d).
        graph: see `ModalityGraph`.
        between: γ.

    Returns:
        edges (2, E), those of a node to itself among them, and weights (E,).
    """
    at, i, j = graph.pairs
    m, n, dialogue, place = graph.links
    # In half precision the cosine of near vectors is 1, where the angle has no slope.
    with torch.autocast(nodes.device.type, enabled=False):
        nodes = nodes.to(torch.promote_types(nodes.dtype, torch.float32))
        unit = graph.put_back(F.normalize(nodes, dim=-1))
        within = _products(unit.flatten(0, 1), at, i, j)
        across = torch.einsum("mbnd,kbnd->mkbn", unit, unit)[m, n, dialogue, place]
    edges = torch.cat([graph.within, graph.between], dim=1)
    sources, targets = edges
    similar = torch.cat([angular_similarity(within), between * angular_similarity(across)])
    similar = torch.where(sources == targets, torch.ones_like(similar), similar)
    degrees = nodes.new_zeros(nodes.shape[0]).index_add(0, targets, similar)
    # With γ = 0 or opposite vectors a node still has itself, so no degree is 0.
    return edges, similar * (degrees[sources] * degrees[targets]).rsqrt()


def _products(rows: Tensor, at: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """(E,) of the products of vectors i and j of a row of (R, N, d), by matrix products of whole rows where edges are many.

    Where windows leave few of them, rows would grow with the square of their length.
    """
    if exporting() or rows.shape[0] * rows.shape[1] ** 2 <= _PAIRS_PER_EDGE * len(at):
        return (rows @ rows.mT)[at, i, j]
    parts = zip(*(x.split(_EDGES_AT_ONCE) for x in (at, i, j)), strict=True)
    return torch.cat([(rows[r, a] * rows[r, b]).sum(dim=-1) for r, a, b in parts])


class DeepGraphConvolution(nn.Module):
    """H^(l) = ReLU(((1 - α) P̃ H^(l-1) + α H^(0)) ((1 - β_l) I + β_l W^(l))), with β_l = log(η / l + 1).

    Source: MMGCN, Eq. 7, which is GCNII (Chen et al. 2020).

    Args:
        dim: of a node, before and after.
        layers: how many.
        alpha: α.
        eta: η.
        dropout: before each layer.
    """

    def __init__(self, dim: int, layers: int, alpha: float, eta: float, dropout: float = 0.0) -> None:
        super().__init__()
        convolution = geometric("nn").GCN2Conv
        self.layers = nn.ModuleList(
            convolution(dim, alpha, eta, layer, normalize=False, add_self_loops=False)
            for layer in range(1, layers + 1)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, first: Tensor, edges: Tensor, weights: Tensor) -> Tensor:
        """(V, dim) of H^(0) (V, dim), edges (2, E) and their weights in P̃, (E,)."""
        h = first
        for layer in self.layers:
            h = F.relu(layer(self.dropout(h), first, edges, weights))
        return cast(Tensor, self.dropout(h))
