"""MM-DFN's gates and its speakers' contexts against the paper, read literally."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from emofuse.nn.dynamic_fusion import DynamicFusion
from emofuse.nn.party_context import PartyContext, party_turns
from tests.models.literal import assert_same, lengths_mask

ALPHA, RHO, DIM = 0.2, 0.5, 4
MASK = lengths_mask(5, 1, 3)
WHO = torch.tensor([[0, 1, 0, 2, 1], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]])


def test_it_is_the_dynamic_fusion_of_the_paper():
    torch.manual_seed(0)
    layer = DynamicFusion(DIM, 3, ALPHA, RHO).double()
    P = torch.rand(5, 5, dtype=torch.float64, requires_grad=True)
    H_0 = torch.randn(5, DIM, dtype=torch.float64, requires_grad=True)
    edges = torch.cartesian_prod(torch.arange(5), torch.arange(5)).T
    found = layer(H_0, edges, P.T.flatten())

    W = torch.cat([layer.gates.weight_ih, layer.gates.weight_hh], dim=1).chunk(4)
    b = (layer.gates.bias_ih + layer.gates.bias_hh).chunk(4)
    H, g, C = H_0, torch.zeros_like(H_0), torch.zeros_like(H_0)
    for k, graph_layer in enumerate(layer.layers, start=1):
        update, forget, content, output = (torch.cat([H, g], 1) @ w.T + c for w, c in zip(W, b, strict=True))
        C = torch.sigmoid(forget) * C + torch.sigmoid(update) * torch.tanh(content)
        g = torch.sigmoid(output) * torch.tanh(C)
        beta = math.log(RHO / k + 1)
        mixed = (1 - ALPHA) * P @ g + ALPHA * H_0
        H = H + F.relu(mixed @ ((1 - beta) * torch.eye(DIM) + beta * graph_layer.weight1))
    assert_same(found, H, [H_0, P, *layer.parameters()])


def test_a_party_is_a_sequence_of_its_own():
    torch.manual_seed(0)
    layer = PartyContext("lstm", DIM).double()
    x = torch.randn(*MASK.shape, DIM, dtype=torch.float64, requires_grad=True)
    expected = torch.zeros_like(x)
    for b, length in enumerate(MASK.sum(1).tolist()):
        for speaker in WHO[b, :length].unique():
            turns = [i for i in range(length) if WHO[b, i] == speaker]
            expected[b, turns] = layer.recurrent.cell(x[b : b + 1, turns])[0][0]
    assert_same(layer(x, WHO, MASK), expected, [x, *layer.parameters()])


def test_turns_are_counted_for_each_party():
    party, turn = party_turns(WHO, MASK)
    assert party.tolist() == [0, 1, 0, 2, 1, 3, 4, 4, 4]
    assert turn.tolist() == [0, 0, 1, 0, 1, 0, 0, 1, 2]


def test_what_comes_to_a_node_is_weighed_by_its_row():
    layer = DynamicFusion(DIM, 1, 0.0, RHO).double()
    H_0 = torch.randn(2, DIM, dtype=torch.float64)
    one_way = torch.tensor([[0], [1]])  # the second node hears the first
    lonely: Tensor = layer(H_0, one_way, torch.ones(1, dtype=torch.float64))[0]
    torch.testing.assert_close(lonely, H_0[0])
