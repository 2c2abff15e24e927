"""Hypergraph convolution with weights of hyperedges and of nodes within them, as M3NET has it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.nn.dialogue_graphs import ModalityGraph
from emofuse.nn.geometric import geometric


@dataclass(frozen=True)
class DialogueHypergraph:
    """Hyperedges over the nodes of a `ModalityGraph`; pairs (node, hyperedge), each node standing in two.

    Attributes:
        nodes: (2 V,), a node.
        hyperedges: (2 V,), the hyperedge that it stands in: first all contextual ones, then all multimodal ones.
        modality: (V,), of a node.
        place: (V,), where in its dialogue it stands.
        count: number of hyperedges, those without nodes among them.
    """

    nodes: Tensor
    hyperedges: Tensor
    modality: Tensor
    place: Tensor
    count: int


def dialogue_hypergraph(graph: ModalityGraph) -> DialogueHypergraph:
    """A contextual hyperedge for each modality of a dialogue, and a multimodal one for each utterance.

    Source: M3NET (Chen et al. 2023), §3.3.
    """
    modalities, dialogues, length = graph.present.shape
    modality, dialogue, place = graph.present.nonzero(as_tuple=True)
    contextual = dialogue * modalities + modality
    multimodal = modalities * dialogues + dialogue * length + place
    nodes = torch.arange(modality.shape[0], device=modality.device).repeat(2)
    count = modalities * dialogues + dialogues * length
    return DialogueHypergraph(nodes, torch.cat([contextual, multimodal]), modality, place, count)


class HypergraphWeights(nn.Module):
    """ω(e) of hyperedges and γ_e(v) of nodes in them, learned, all 1 at first and always positive.

    ω is one for each modality's contextual hyperedge and one for the multimodal ones; γ is one for each modality and place
    in a contextual hyperedge, and one for each modality in a multimodal one.

    Args:
        modalities: M.
        places: places in a dialogue that have a weight of their own; those beyond share the last.
    """

    def __init__(self, modalities: int, places: int) -> None:
        super().__init__()
        self.contextual = nn.Parameter(torch.zeros(modalities))
        self.multimodal = nn.Parameter(torch.zeros(()))
        self.in_contextual = nn.Parameter(torch.zeros(modalities, places))
        self.in_multimodal = nn.Parameter(torch.zeros(modalities))

    def forward(self, hypergraph: DialogueHypergraph) -> tuple[Tensor, Tensor]:
        """ω of the hyperedge of each pair, and γ of its node: (2 V,) each."""
        m, place = hypergraph.modality, hypergraph.place.clamp_max(self.in_contextual.shape[1] - 1)
        omega = torch.cat([self.contextual[m], self.multimodal.expand(m.shape[0])])
        gamma = torch.cat([self.in_contextual[m, place], self.in_multimodal[m]])
        return omega.exp(), gamma.exp()


class HypergraphConvolution(nn.Module):
    """V' = LeakyReLU(D⁻¹ H W_e B⁻¹ Ĥᵀ V): nodes to hyperedges by γ, hyperedges to nodes by ω, both weighted means.

    Source: M3NET, Eq. 6. Ĥ holds γ_e(v), W_e holds ω(e); B and D are the sums that make means of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._scatter = geometric("utils").scatter

    def forward(self, x: Tensor, hypergraph: DialogueHypergraph, omega: Tensor, gamma: Tensor) -> Tensor:
        """(V, d) of nodes (V, d); ω and γ (2 V,) of the pairs."""
        nodes, hyperedges = hypergraph.nodes, hypergraph.hyperedges
        sums = self._scatter(gamma, hyperedges, dim_size=hypergraph.count)
        shares = (gamma / sums[hyperedges]).unsqueeze(1)
        means = self._scatter(shares * x[nodes], hyperedges, dim_size=hypergraph.count)
        degrees = self._scatter(omega, nodes, dim_size=x.shape[0])
        parts = (omega / degrees[nodes]).unsqueeze(1)
        return F.leaky_relu(self._scatter(parts * means[hyperedges], nodes, dim_size=x.shape[0]))
