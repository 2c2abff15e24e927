"""A variational autoencoder of a hypergraph: which node belongs to which hyperedge, as probabilities: HAUCL."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.nn.dialogue_graphs import ModalityGraph
from emofuse.nn.geometric import geometric
from emofuse.nn.hypergraph import DialogueHypergraph


class Reconstruction(NamedTuple):
    """What the autoencoder makes of a hypergraph.

    Attributes:
        belonging: (2 V,), the probability of each pair of node and hyperedge.
        loss: (V,), of each node: the mean over its two pairs of −log p and of the divergence of the hyperedge, and the
            divergence of the node.
    """

    belonging: Tensor
    loss: Tensor


class _Gaussian(nn.Module):
    """Mean and deviation of a posterior, a sample of it while training, and its divergence from the normal prior."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.mean, self.deviation = (
            nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim)) for _ in range(2)
        )

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        mean, deviation = self.mean(h), F.softplus(self.deviation(h)) + 1e-6
        divergence = 0.5 * (mean.square() + deviation.square() - 1 - 2 * deviation.log()).sum(dim=-1)
        return (mean + deviation * torch.randn_like(mean) if self.training else mean), divergence


class HypergraphAutoencoder(nn.Module):
    """p_ve, the probability with which a node belongs to a hyperedge that it stands in.

    Encoder: h_e = ReLU(W₂ mean_{v ∈ e} ReLU(W₁ x_v)), h_v = ReLU(W₄ mean_{e ∋ v} ReLU(W₃ h_e)). Posteriors N(μ, σ²) of both,
    z of them; decoder: two layers over z_v ∘ z_e give two logits, and a Gumbel-softmax of them p_ve. A run that is not
    training takes μ for z and a plain softmax, so that it says the same each time.

    Source: HAUCL (Yi et al. 2024), variational hypergraph autoencoder.

    Args:
        dim: of nodes.
        hidden: of everything inside.
        temperature: of the Gumbel-softmax.
        floor: the least p_ve, so that no hyperedge loses all its nodes.
    """

    def __init__(self, dim: int, hidden: int, temperature: float, floor: float = 1e-3) -> None:
        super().__init__()
        self._scatter = geometric("utils").scatter
        self.from_nodes, self.to_edges = nn.Linear(dim, hidden), nn.Linear(hidden, hidden)
        self.from_edges, self.to_nodes = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.node, self.edge = _Gaussian(hidden), _Gaussian(hidden)
        self.decoder = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 2))
        self.temperature, self.floor = temperature, floor

    def forward(self, x: Tensor, hypergraph: DialogueHypergraph) -> Reconstruction:
        """Of nodes (V, d)."""
        v, e = hypergraph.nodes, hypergraph.hyperedges
        h_e = self._mean(F.relu(self.from_nodes(x))[v], e, hypergraph.count)
        h_e = F.relu(self.to_edges(h_e))
        h_v = F.relu(self.to_nodes(self._mean(F.relu(self.from_edges(h_e))[e], v, x.shape[0])))
        (z_v, node), (z_e, edge) = self.node(h_v), self.edge(h_e)
        logits = self.decoder(z_v[v] * z_e[e])
        chosen = F.gumbel_softmax(logits, self.temperature) if self.training else logits.softmax(dim=-1)
        belonging = self.floor + (1 - self.floor) * chosen[:, 1]
        pairs = -logits.log_softmax(dim=-1)[:, 1] + edge[e]
        return Reconstruction(belonging, self._mean(pairs, v, x.shape[0]) + node)

    def _mean(self, values: Tensor, of: Tensor, count: int) -> Tensor:
        found: Tensor = self._scatter(values, of, dim_size=count, reduce="mean")
        return found


def reconstruction_by_utterance(
    loss: Tensor, graph: ModalityGraph, modalities: list[str]
) -> dict[str, Tensor]:
    """Modality → (B, N), the loss (V,) of its nodes; 0 where there is none."""
    by_modality = graph.put_back(loss.unsqueeze(-1)).squeeze(-1)
    return dict(zip(modalities, by_modality, strict=True))
