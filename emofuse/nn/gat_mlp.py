"""Graph attention and an MLP in one layer, and pairs of feature sets that complement each other by it: GraphCFC."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.nn.dialogue_graphs import modality_graph
from emofuse.nn.geometric import geometric

SLOPE = 0.2  # of LeakyReLU below 0, as in GAT


class FeedForward(nn.Module):
    """LayerNorm(x + W_2 GELU(W_1 x)), with dropout after each product.

    Args:
        dim: of a row, before and after; twice as wide inside.
        dropout: see above.
    """

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.inside = nn.Sequential(
            nn.Linear(dim, 2 * dim),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(2 * dim, dim),
            nn.Dropout(dropout),
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim) to (..., dim)."""
        return cast(Tensor, self.norm(x + self.inside(x)))


class TypedGraphAttention(nn.Module):
    """Σ_j α_ij W_l x_j, with α_ij = softmax_j(aᵀ LeakyReLU(W_l x_j + W_r x_i + W_e e_ij)), e_ij embedding the edge's type.

    Source: GraphCFC (Li et al. 2023), §III-E; the attention is GATv2's (Brody et al. 2022). Heads are averaged. It is what
    torch-geometric has as ``GATv2Conv``, but W_e goes over each type once, and not over each edge: types are few.

    Args:
        dim: of a node, before and after, and of a type.
        heads: how many.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.source, self.target = nn.Linear(dim, heads * dim), nn.Linear(dim, heads * dim)
        self.kind = nn.Linear(dim, heads * dim, bias=False)
        self.vector = nn.Parameter(torch.empty(heads, dim))
        self.bias = nn.Parameter(torch.zeros(dim))
        for weight in (self.source.weight, self.target.weight, self.kind.weight, self.vector):
            nn.init.xavier_uniform_(weight)
        self._softmax, self._scatter = geometric("utils").softmax, geometric("utils").scatter

    def forward(self, x: Tensor, edges: Tensor, kinds: Tensor, types: Tensor) -> Tensor:
        """(V, dim) of nodes (V, dim), edges (2, E), which type each is of (E,), and the types' embeddings (T, dim)."""
        sources, targets = edges
        heard = self.source(x)[sources].unflatten(-1, (self.heads, -1))
        inside = heard + (self.target(x)[targets] + self.kind(types)[kinds]).view_as(heard)
        scores = (F.leaky_relu(inside, SLOPE) * self.vector).sum(dim=-1)
        alpha = self._softmax(scores, targets, num_nodes=x.shape[0])
        mean = (alpha.unsqueeze(-1) * heard).mean(dim=1)
        return cast(Tensor, self._scatter(mean, targets, dim_size=x.shape[0])) + self.bias


class GATMLP(nn.Module):
    """x = LayerNorm(x + GAT(x)), then `FeedForward`.

    Source: GraphCFC, §III-E.

    Args:
        dim: of a node and of an edge's type.
        heads: of the attention.
        dropout: of the feed-forward network.
    """

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = TypedGraphAttention(dim, heads)
        self.norm = nn.LayerNorm(dim)
        self.feed_forward = FeedForward(dim, dropout)

    def forward(self, x: Tensor, edges: Tensor, kinds: Tensor, types: Tensor) -> Tensor:
        """(V, dim), see `TypedGraphAttention`."""
        return cast(Tensor, self.feed_forward(self.norm(x + self.attention(x, edges, kinds, types))))


class PairwiseComplement(nn.Module):
    """Two feature sets of the same utterances as one graph under L GAT-MLPs, then concatenated and mapped to one.

    Source: GraphCFC, §III-D (PairCC). Nodes of one set are joined within a window, an edge's type being the two speakers,
    whichever comes first. The two nodes of an utterance are joined by a type of its own.

    Args:
        dim: of both sets and of the result.
        layers: L.
        heads: of the attention.
        max_speakers: speakers that have types of their own; those beyond share the last one's.
        past: utterances that a window has before an utterance.
        future: after it.
        dropout: of the feed-forward networks.
    """

    def __init__(
        self, dim: int, layers: int, heads: int, max_speakers: int, past: int, future: int, dropout: float
    ) -> None:
        super().__init__()
        self.past, self.future, self.max_speakers = past, future, max_speakers
        self.layers = nn.ModuleList(GATMLP(dim, heads, dropout) for _ in range(layers))
        self.fusion = nn.Linear(2 * dim, dim)

    def forward(
        self, pair: tuple[Tensor, Tensor], has: tuple[Tensor, Tensor], speakers: Tensor, types: nn.Embedding
    ) -> Tensor:
        """Complement.

        Args:
            pair: (B, N, dim) twice.
            has: (B, N) bool twice, the utterances that there are in each set.
            speakers: (B, N), numbered from 0.
            types: embeddings of the types of `edge_types`.

        Returns:
            (B, N, dim).
        """
        graph = modality_graph({"first": has[0], "second": has[1]}, self.past, self.future)
        x = graph.gather({"first": pair[0], "second": pair[1]})
        who = speakers.clamp_max(self.max_speakers - 1).expand_as(graph.present)[graph.present]
        edges = torch.cat([graph.within, graph.between], dim=1)
        sources, targets = who[graph.within]
        within = edge_types(sources, targets, self.max_speakers)
        across = within.new_full((graph.links.shape[1],), types.num_embeddings - 1)
        kinds = torch.cat([within, across])
        for layer in self.layers:
            x = layer(x, edges, kinds, types.weight)
        return cast(Tensor, self.fusion(torch.cat([*graph.put_back(x)], dim=-1)))


def edge_types(one: Tensor, other: Tensor, speakers: int) -> Tensor:
    """Number of each unordered pair of speakers, of speakers (speakers + 1) / 2 pairs."""
    low, high = torch.minimum(one, other), torch.maximum(one, other)
    return low * speakers - low * (low - 1) // 2 + high - low
