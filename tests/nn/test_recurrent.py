"""Recurrent layers over padded sequences, against the library's packed ones."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from emofuse.nn.recurrent import Recurrent

LENGTHS = torch.tensor([5, 1, 3])
MASK = torch.arange(5) < LENGTHS.unsqueeze(1)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def packed(layer: Recurrent, x: Tensor) -> Tensor:
    """The same weights in one bidirectional layer of the library, over packed sequences."""
    both = layer.back is not None
    whole = type(layer.ahead)(3, 4, batch_first=True, bidirectional=both).double()
    weights = dict(layer.ahead.state_dict())
    if both:
        weights |= {f"{name}_reverse": value for name, value in layer.back.state_dict().items()}
    whole.load_state_dict(weights)
    states, _ = whole(pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False))
    states, _ = pad_packed_sequence(states, batch_first=True)
    return states[..., :4] + states[..., 4:] if both else states


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_it_is_the_packed_layer_with_directions_summed(cell, bidirectional):
    layer = Recurrent(cell, 3, 4, bidirectional).double()
    x = torch.randn(3, 5, 3).double()
    expected = packed(layer, x)
    torch.testing.assert_close(layer(x, MASK), expected)
    torch.testing.assert_close(layer(x.masked_fill(~MASK.unsqueeze(-1), 1e6), MASK), expected)


def test_an_lstm_is_its_equations():
    layer = Recurrent("lstm", 3, 4).double()
    x = torch.randn(1, 5, 3).double()
    rnn = layer.ahead
    h = c = torch.zeros(4, dtype=torch.float64)
    states = layer(x, MASK[:1])[0]
    for t in range(5):
        gates = rnn.weight_ih_l0 @ x[0, t] + rnn.bias_ih_l0 + rnn.weight_hh_l0 @ h + rnn.bias_hh_l0
        i, f, g, o = gates.chunk(4)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        torch.testing.assert_close(states[t], h)


def test_a_sequence_without_a_real_step_gives_zeros():
    layer = Recurrent("gru", 3, 4, bidirectional=True)
    out = layer(torch.randn(2, 5, 3), torch.zeros(2, 5, dtype=torch.bool))
    assert (out == 0).all()


def test_both_directions_reach_every_step():
    layer = Recurrent("lstm", 3, 4, bidirectional=True).double()
    x = torch.randn(1, 5, 3, dtype=torch.float64, requires_grad=True)
    layer(x, MASK[:1])[0, 2].sum().backward()
    assert (x.grad.abs().sum(-1) > 0).all()


def test_gradients():
    layer = Recurrent("lstm", 2, 2, bidirectional=True).double()
    x = torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, True, True], [True, False, False]])
    assert torch.autograd.gradcheck(lambda x: layer(x, mask), x)
    assert isinstance(layer.back, nn.LSTM)
