"""M3NET's hypergraph and its frequencies against the paper's matrices."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from emofuse.models.m3net import MultiFrequencyPropagation
from emofuse.nn.dialogue_graphs import ModalityGraph, modality_graph
from emofuse.nn.hypergraph import HypergraphConvolution, HypergraphWeights, dialogue_hypergraph
from tests.models.literal import assert_same, lengths_mask

DIM, PLACES = 4, 2
MASK = lengths_mask(3, 1, 2)


def graph_and_nodes() -> tuple[ModalityGraph, Tensor, list[tuple[int, int, int]]]:
    """One utterance without sound, a dialogue without pictures; the nodes, and where they stand."""
    torch.manual_seed(0)
    audio, video = MASK.clone(), MASK.clone()
    audio[0, 1] = False
    video[2] = False
    graph = modality_graph({"text": MASK, "audio": audio, "video": video})
    places = [tuple(place) for place in graph.present.nonzero().tolist()]
    return graph, torch.randn(len(places), DIM, dtype=torch.float64, requires_grad=True), places


def test_it_is_the_hypergraph_convolution_of_the_paper():
    graph, V, places = graph_and_nodes()
    weights, layer = HypergraphWeights(3, PLACES).double(), HypergraphConvolution()
    for parameter in weights.parameters():
        parameter.data.normal_()
    hypergraph = dialogue_hypergraph(graph)
    omega, gamma = weights(hypergraph)
    found = layer(layer(V, hypergraph, omega, gamma), hypergraph, omega, gamma)

    contextual = sorted({("contextual", m, b) for m, b, _ in places})
    multimodal = sorted({("multimodal", b, i) for _, b, i in places})
    H, H_hat = (torch.zeros(len(places), len(contextual) + len(multimodal), dtype=V.dtype) for _ in range(2))
    W = []
    for e, edge in enumerate([*contextual, *multimodal]):
        W.append((weights.contextual[edge[1]] if edge[0] == "contextual" else weights.multimodal).exp())
        for v, (m, b, i) in enumerate(places):
            if edge == ("contextual", m, b):
                H[v, e], H_hat[v, e] = 1, weights.in_contextual[m, min(i, PLACES - 1)].exp()
            elif edge == ("multimodal", b, i):
                H[v, e], H_hat[v, e] = 1, weights.in_multimodal[m].exp()
    W_e = torch.diag(torch.stack(W))
    B_inverse, D_inverse = torch.diag(1 / H_hat.sum(0)), torch.diag(1 / (H @ W_e).sum(1))
    expected = V
    for _ in range(2):
        expected = F.leaky_relu(D_inverse @ H @ W_e @ B_inverse @ H_hat.T @ expected)
    assert_same(found, expected, [V, *weights.parameters()])


def test_it_is_the_propagation_of_the_paper():
    graph, f, places = graph_and_nodes()
    layers = MultiFrequencyPropagation(DIM, 2).double()
    found = layers(f, graph)

    def joined(a: int, b: int) -> bool:
        (m, row, i), (n, other, j) = places[a], places[b]
        return a != b and row == other and (m == n or i == j)

    near = [[b for b in range(len(places)) if joined(a, b)] for a in range(len(places))]
    expected = f
    for layer in layers.layers:
        w = torch.cat([layer.att_r.weight[0], layer.att_l.weight[0]])
        rows = []
        for i in range(len(places)):
            row = expected[i]
            for j in near[i]:
                s = torch.tanh(w @ torch.cat([expected[i], expected[j]]))
                row = row + s / (len(near[i]) * len(near[j])) ** 0.5 * expected[j]
            rows.append(row)
        expected = torch.stack(rows)
    assert_same(found, expected, [f, *layers.parameters()])


def test_a_node_alone_stays_as_it_is():
    alone = modality_graph({"text": lengths_mask(1)})
    f = torch.randn(1, DIM, dtype=torch.float64)
    torch.testing.assert_close(MultiFrequencyPropagation(DIM, 3).double()(f, alone), f)
    hypergraph = dialogue_hypergraph(alone)
    omega, gamma = HypergraphWeights(1, PLACES).double()(hypergraph)
    torch.testing.assert_close(HypergraphConvolution()(f, hypergraph, omega, gamma), F.leaky_relu(f))
