"""MMGCN's graph and its convolution against the paper's matrices, one dialogue at a time."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from emofuse.nn import angular_graph
from emofuse.nn.angular_graph import DeepGraphConvolution, angular_edges, angular_similarity
from emofuse.nn.dialogue_graphs import modality_graph
from tests.models.literal import assert_same, lengths_mask

GAMMA, ALPHA, ETA, DIM = 0.7, 0.2, 0.5, 5
MASK = lengths_mask(3, 1, 2)


def presence() -> dict[str, Tensor]:
    """One utterance without sound; a dialogue without pictures."""
    audio, video = MASK.clone(), MASK.clone()
    audio[0, 1] = False
    video[2] = False
    return {"text": MASK, "audio": audio, "video": video}


def similarity(x: Tensor, y: Tensor) -> Tensor:
    cosine = (x @ y) / (x.norm() * y.norm())
    return 1 - torch.arccos(0.99999 * cosine) / math.pi


def literal_matrix(x: Tensor, places: list[tuple[int, int]], gamma: float) -> Tensor:
    """P̃ of one dialogue, its nodes standing at (modality, utterance)."""
    A = torch.zeros(len(x), len(x), dtype=x.dtype)
    for a, (m, i) in enumerate(places):
        for b, (n, j) in enumerate(places):
            if a != b and m == n:
                A[a, b] = similarity(x[a], x[b])
            elif a != b and i == j:
                A[a, b] = gamma * similarity(x[a], x[b])
    eye = torch.eye(len(x), dtype=x.dtype)
    D = torch.diag((A.sum(1) + 1) ** -0.5)
    return D @ (A + eye) @ D


@pytest.mark.parametrize("pairs_per_edge", [32, 0], ids=["whole rows", "edge by edge"])
def test_it_is_the_convolution_of_the_paper(pairs_per_edge, monkeypatch):
    monkeypatch.setattr(angular_graph, "_PAIRS_PER_EDGE", pairs_per_edge)
    monkeypatch.setattr(angular_graph, "_EDGES_AT_ONCE", 7)
    torch.manual_seed(0)
    graph = modality_graph(presence())
    x = torch.randn(*graph.present.shape, DIM, dtype=torch.float64, requires_grad=True)
    first = torch.randn(*graph.present.shape, 4, dtype=torch.float64, requires_grad=True)
    layers = DeepGraphConvolution(4, 3, ALPHA, ETA).double()
    edges, weights = angular_edges(x[graph.present], graph, GAMMA)
    found = graph.put_back(layers(first[graph.present], edges, weights))

    expected = torch.zeros_like(first)
    for b in range(len(MASK)):
        places = [(m, i) for m in range(3) for i in range(MASK.shape[1]) if graph.present[m, b, i]]
        at = tuple(torch.tensor(part) for part in zip(*places, strict=True))
        rows = (at[0], torch.full_like(at[0], b), at[1])
        P, H_0 = literal_matrix(x[rows], places, GAMMA), first[rows]
        H = H_0
        for number, layer in enumerate(layers.layers, start=1):
            beta = math.log(ETA / number + 1)
            mixed = (1 - ALPHA) * P @ H + ALPHA * H_0
            H = F.relu(mixed @ ((1 - beta) * torch.eye(4, dtype=H.dtype) + beta * layer.weight1))
        expected[rows] = H
    assert_same(found, expected, [x, first, *layers.parameters()])


def test_angles_become_similarities():
    cosines = torch.tensor([1.0, 0.5, 0.0, -1.0])
    expected = torch.tensor([1.0, 2 / 3, 0.5, 0.0])
    torch.testing.assert_close(angular_similarity(cosines), expected, atol=2e-3, rtol=0)


def test_parallel_vectors_have_a_gradient():
    mask = lengths_mask(2)
    x = torch.ones(2, 3, requires_grad=True)
    _, weights = angular_edges(x, modality_graph({"text": mask}), GAMMA)
    weights.square().sum().backward()
    assert torch.isfinite(x.grad).all()


def test_a_node_alone_keeps_itself():
    alone = lengths_mask(1)
    graph = modality_graph({"text": alone, "audio": torch.zeros_like(alone)})
    edges, weights = angular_edges(torch.randn(1, DIM), graph, GAMMA)
    assert edges.tolist() == [[0], [0]]
    torch.testing.assert_close(weights, torch.ones(1))
