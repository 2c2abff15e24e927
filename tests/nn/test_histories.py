"""Histories of utterances, and what runs over them, one utterance after the other."""

import pytest
import torch

from emofuse.nn.histories import HistoryGRU, histories, read_memory

SPEAKERS = torch.tensor([[0, 1, 0, 0, 2], [1, 1, 0, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]).bool()


@pytest.mark.parametrize("window", [1, 2, 40])
def test_histories_are_the_utterances_before(window) -> None:
    past = histories(SPEAKERS, MASK, window)
    for b in range(2):
        for i in range(5):
            expected = list(range(max(0, i - window), i)) if MASK[b, i] else []
            there = past.there[b, i]
            assert past.places[b, i][there].tolist() == expected
            assert past.places[b, i][past.own[b, i]].tolist() == [
                j for j in expected if SPEAKERS[b, j] == SPEAKERS[b, i]
            ]
            assert (past.own | past.other).equal(past.there)
            assert there[: len(expected)].all()


@pytest.mark.parametrize("window", [2, 40])
def test_a_gru_runs_over_each_history_from_an_empty_state(window) -> None:
    torch.manual_seed(0)
    gru, x = HistoryGRU(3, 4).double(), torch.randn(2, 5, 3).double().requires_grad_()
    past = histories(SPEAKERS, MASK, window)
    for mine in (past.own, past.other, past.there):
        found = gru(x, past, mine)
        expected = torch.zeros_like(found)
        for b in range(2):
            for i in range(5):
                h = torch.zeros(4).double()
                for place in range(found.shape[2]):
                    if mine[b, i, place]:
                        h = gru.cell(x[b, past.places[b, i, place]][None], h[None])[0]
                        expected[b, i, place] = h
        torch.testing.assert_close(found, expected)
        ours = torch.autograd.grad(found.square().sum(), (x, *gru.parameters()))
        theirs = torch.autograd.grad(expected.square().sum(), (x, *gru.parameters()))
        torch.testing.assert_close(ours, theirs)
        index = past.places.unsqueeze(-1).expand(-1, -1, -1, 3)
        steps = x.unsqueeze(1).expand(-1, 5, -1, -1).gather(2, index)
        torch.testing.assert_close(gru.over(steps, mine), found)


def test_reading_a_memory() -> None:
    torch.manual_seed(0)
    q, keys, values = torch.randn(1, 2, 3), torch.randn(1, 2, 4, 3), torch.randn(1, 2, 4, 3)
    there = torch.tensor([[[True, False, True, False], [False] * 4]])
    found = read_memory(q, keys, values, there)
    weights = torch.stack([q[0, 0] @ keys[0, 0, j] for j in (0, 2)]).softmax(0)
    torch.testing.assert_close(found[0, 0], weights[0] * values[0, 0, 0] + weights[1] * values[0, 0, 2])
    assert (found[0, 1] == 0).all()


def test_one_utterance_has_no_history() -> None:
    past = histories(torch.zeros(1, 1, dtype=torch.int64), torch.ones(1, 1, dtype=torch.bool), 40)
    assert not past.there.any()
    assert (HistoryGRU(3, 4)(torch.randn(1, 1, 3), past, past.there) == 0).all()
