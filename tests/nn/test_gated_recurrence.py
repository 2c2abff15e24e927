"""The GRU against CM-MSF Eq. 15-18."""

import pytest
import torch
from torch import nn

from emofuse.nn.gated_recurrence import GatedRecurrence


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def everything(x):
    return torch.ones(x.shape[:2], dtype=torch.bool)


def test_it_is_equations_15_to_18():
    gru = GatedRecurrence(3, 4).double()
    F = torch.randn(2, 6, 3).double()
    states = gru(F, everything(F))
    W_x, b = gru.input.weight.split(4), gru.input.bias.split(4)
    W_state = [*gru.state_gates.weight.split(4), gru.state_candidate.weight]
    W_r, W_z, W_h = (torch.cat(parts, dim=1) for parts in zip(W_x, W_state, strict=True))
    for row in range(2):
        h = torch.zeros(4, dtype=torch.float64)
        for t in range(6):
            r = 1 / (1 + torch.exp(-(W_r @ torch.cat([F[row, t], h]) + b[0])))  # (15)
            z = 1 / (1 + torch.exp(-(W_z @ torch.cat([F[row, t], h]) + b[1])))  # (16)
            new = torch.tanh(W_h @ torch.cat([F[row, t], r * h]) + b[2])  # (17)
            h = (1 - z) * h + z * new  # (18)
            torch.testing.assert_close(states[row, t], h)


def test_where_the_two_kinds_of_gru_agree():
    """With a diagonal state matrix it makes no difference on which side of it the reset gate stands."""
    ours = GatedRecurrence(3, 4).double()
    theirs = nn.GRU(3, 4, batch_first=True).double()
    with torch.no_grad():
        ours.state_candidate.weight.copy_(torch.diag(torch.randn(4)))
        sign = torch.tensor([1.0, -1.0, 1.0]).repeat_interleave(4).double()
        theirs.weight_ih_l0.copy_(sign[:, None] * ours.input.weight)
        theirs.bias_ih_l0.copy_(sign * ours.input.bias)
        state = torch.cat([ours.state_gates.weight, ours.state_candidate.weight])
        theirs.weight_hh_l0.copy_(sign[:, None] * state)
        theirs.bias_hh_l0.zero_()
    x = torch.randn(2, 6, 3).double()
    torch.testing.assert_close(ours(x, everything(x)), theirs(x)[0])


def test_the_state_passes_over_padding_wherever_it_stands():
    gru = GatedRecurrence(3, 4).double()
    x = torch.randn(1, 6, 3).double()
    mask = torch.tensor([[False, True, True, False, True, False]])
    states = gru(x, mask)
    short = gru(x[mask].unsqueeze(0), torch.ones(1, 3, dtype=torch.bool))
    torch.testing.assert_close(states[mask], short[0])
    torch.testing.assert_close(
        states[0, [0, 3, 5]], torch.stack([torch.zeros(4).double(), short[0, 1], short[0, 2]])
    )


def test_half_precision_stays_in_float32():
    gru = GatedRecurrence(3, 4)
    x = torch.randn(2, 5, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        states = gru(x.bfloat16(), everything(x))
    assert states.dtype == torch.float32
    torch.testing.assert_close(states, gru(x.bfloat16().float(), everything(x)))


def test_gradients():
    gru = GatedRecurrence(2, 3).double()
    x = torch.randn(2, 4, 2, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, True, False, True], [True, False, False, False]])
    assert torch.autograd.gradcheck(lambda x, *_: gru(x, mask), (x, *gru.parameters()))
