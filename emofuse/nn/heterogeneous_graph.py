"""Two modalities as a graph whose edges all lead from one to the other, as GraphSmile has it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from emofuse.nn.dialogue_graphs import node_numbers, pairs_in_windows, put_back
from emofuse.nn.geometric import geometric


class HeterogeneousConvolution(nn.Module):
    """x^(l) = D^-½ A D^-½ x^(l-1) W_l + b_l, and the sum x^(0) + Σ_l LeakyReLU(V_l x^(l)).

    Source: GraphSmile (Li et al. 2025), §III-C (GSF). Edges join an utterance in one modality to the utterances of its window in
    the other, so that every second layer is within a modality. A's entries are learned, one for each distance and direction,
    1 at first and always positive.

    Args:
        dim: of a node, before and after.
        layers: how many.
        past: utterances that a window has before an utterance.
        future: after it.
        dropout: on what each layer adds to the sum.
    """

    def __init__(self, dim: int, layers: int, past: int, future: int, dropout: float) -> None:
        super().__init__()
        self.past, self.future = past, future
        convolution = geometric("nn").GCNConv
        self.edge_weights = nn.Parameter(torch.zeros(2, past + future + 1))
        self.layers = nn.ModuleList(convolution(dim, dim, add_self_loops=False) for _ in range(layers))
        self.outputs = nn.ModuleList(
            nn.Sequential(nn.Linear(dim, dim), nn.LeakyReLU(), nn.Dropout(dropout)) for _ in range(layers)
        )

    def forward(self, pair: Tensor, present: Tensor) -> Tensor:
        """(2, B, N, dim) of two modalities (2, B, N, dim), each there for (2, B, N) bool; 0 where it is not."""
        edges, weights = self.edges(present)
        x = total = pair[present]
        for layer, output in zip(self.layers, self.outputs, strict=True):
            x = layer(x, edges, weights)
            total = total + output(x)
        return put_back(total, present)

    def edges(self, present: Tensor) -> tuple[Tensor, Tensor]:
        """(2, E) and their entries of A, (E,)."""
        rows, targets, sources = pairs_in_windows(
            present.flatten(0, 1), self.past, self.future, present.flip(0).flatten(0, 1)
        )
        numbers = node_numbers(present)
        ends = [numbers.flip(0).flatten(0, 1)[rows, sources], numbers.flatten(0, 1)[rows, targets]]
        weights = self.edge_weights[rows // present.shape[1], sources - targets + self.past].exp()
        return torch.stack(ends), weights
