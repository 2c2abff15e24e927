"""What networks compute while they are exported is what they compute otherwise."""

from __future__ import annotations

import pytest
import torch

from emofuse.nn import exporting, party_context, relational_convolution
from emofuse.nn.bidirectional import BidirectionalRecurrent
from emofuse.nn.party_context import PartyContext
from emofuse.nn.relational_convolution import RelationalConvolution
from tests.models.literal import lengths_mask

MASK = lengths_mask(6, 1, 4)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_parties_of_a_dialogue_are_sequences_of_their_own_in_one_row(cell, monkeypatch):
    torch.manual_seed(0)
    x = torch.randn(*MASK.shape, 6, dtype=torch.float64)
    speakers = torch.randint(0, 3, MASK.shape).masked_fill(~MASK, 0)
    layer = PartyContext(cell, 6).double()
    expected = layer(x, speakers, MASK)
    monkeypatch.setattr(party_context, "exporting", lambda: True)
    torch.testing.assert_close(layer(x, speakers, MASK), expected)


def test_a_program_of_parties_takes_dialogues_of_any_length():
    torch.manual_seed(0)
    layer, length = PartyContext("gru", 4).eval(), torch.export.Dim("length")
    given = torch.randn(*MASK.shape, 4), torch.randint(0, 3, MASK.shape), MASK
    with torch.no_grad():
        program = torch.export.export(layer, given, dynamic_shapes=({1: length},) * 3, strict=False)
        shorter = given[0][:, :2], given[1][:, :2], MASK[:, :2]
        torch.testing.assert_close(program.module()(*shorter), layer(*shorter))


def test_layers_of_recurrences_need_no_packing():
    torch.manual_seed(0)
    x = torch.randn(*MASK.shape, 5, dtype=torch.float64)
    layer = BidirectionalRecurrent("gru", 5, 4, layers=2).double()
    found = exporting.run_padded_lstm(layer.cell, x, MASK).masked_fill(~MASK.unsqueeze(-1), 0.0)
    torch.testing.assert_close(found, layer(x, MASK))


def test_every_pair_of_node_and_relation_may_be_a_group(monkeypatch):
    pytest.importorskip("torch_geometric", reason="the extra graph is not installed")
    torch.manual_seed(0)
    layer = RelationalConvolution(4, 3, relations=5, bases=2).double()
    edges = torch.tensor([[0, 1, 2, 2, 3, 0], [1, 0, 0, 1, 1, 3]])
    relations, weights = torch.tensor([4, 0, 0, 4, 2, 1]), torch.rand(6, dtype=torch.float64)
    given = torch.randn(4, 4, dtype=torch.float64), edges, relations, weights, torch.rand(4).double()
    expected = layer(*given)
    monkeypatch.setattr(relational_convolution, "exporting", lambda: True)
    torch.testing.assert_close(layer(*given), expected)


def test_equal_scores_keep_their_places():
    scores = torch.tensor([[1.0, 3.0, 3.0, 2.0, 3.0]])
    assert exporting.best_first(scores).tolist() == [[1, 2, 4, 3, 0]]
