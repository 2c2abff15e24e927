"""SimAM against its energy, written out."""

import math

import pytest
import torch
from torch import Tensor

from emofuse.nn.simam import SimAM
from emofuse.nn.stream_memory import StreamMemory


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def by_the_equations(x: Tensor, energy_lambda: float) -> Tensor:
    """One neuron at a time: E of Yang et al. Eq. 5, then MFCRE Eq. 2. x: (N, d)."""
    y = torch.empty_like(x)
    N, d = x.shape
    for channel in range(d):
        neurons = [float(v) for v in x[:, channel]]
        mu = sum(neurons) / N
        variance = sum((v - mu) ** 2 for v in neurons) / N
        for i, t in enumerate(neurons):
            E = 4 * (variance + energy_lambda) / ((t - mu) ** 2 + 2 * variance + 2 * energy_lambda)
            y[i, channel] = t / (1 + math.exp(-1 / E))
    return y


@pytest.mark.parametrize("length", [1, 2, 11])
def test_it_is_the_equations(length):
    x = torch.randn(2, length, 3, dtype=torch.float64)
    y = SimAM(1e-2)(x)
    for row in range(2):
        torch.testing.assert_close(y[row], by_the_equations(x[row], 1e-2))


def test_one_utterance_and_a_constant_channel_get_the_same_gate():
    gate = 1 / (1 + math.exp(-0.5))
    torch.testing.assert_close(SimAM()(torch.full((1, 1, 2), 3.0)), torch.full((1, 1, 2), 3.0 * gate))
    torch.testing.assert_close(SimAM()(torch.full((1, 4, 2), 3.0)), torch.full((1, 4, 2), 3.0 * gate))


def test_what_stands_out_is_kept_most():
    x = torch.tensor([1.0, 1.1, 0.9, 1.0, 4.0]).view(1, 5, 1)
    gates = (SimAM()(x) / x).flatten()
    assert gates.argmax() == 4


@pytest.mark.parametrize("causal", [False, True])
def test_padding_changes_nothing(causal):
    attend = SimAM(causal=causal)
    x = torch.randn(1, 5, 3, dtype=torch.float64)
    padded = torch.cat([x, torch.full((1, 4, 3), torch.nan, dtype=torch.float64)], dim=1)
    y = attend(padded, torch.arange(9).unsqueeze(0) < 5)
    torch.testing.assert_close(y[:, :5], attend(x))
    assert (y[:, 5:] == 0).all()


@pytest.mark.parametrize("causal", [False, True])
def test_an_absent_utterance_counts_in_no_mean(causal):
    attend = SimAM(causal=causal)
    x = torch.randn(1, 7, 3, dtype=torch.float64)
    mask = torch.tensor([[False, True, True, False, True, True, False]])
    torch.testing.assert_close(attend(x, mask)[:, mask[0]], attend(x[:, mask[0]]))


def test_the_causal_form_is_the_plain_one_on_every_prefix():
    x = torch.randn(2, 12, 3, dtype=torch.float64)
    causal = SimAM(causal=True)(x)
    for i in range(12):
        torch.testing.assert_close(causal[:, i], SimAM()(x[:, : i + 1])[:, i])


def test_a_stream_equals_the_causal_form_far_from_zero():
    x = torch.randn(1, 500, 4) + 20.0
    attend = SimAM(causal=True)
    memory = StreamMemory()
    steps = torch.cat([attend(x[:, i : i + 1], memory=memory) for i in range(500)], dim=1)
    torch.testing.assert_close(steps, attend(x), rtol=1e-5, atol=1e-5)
    assert memory.numel() == 1 + 4 + 4


@pytest.mark.parametrize("causal", [False, True])
def test_shifting_the_order_of_utterances_shifts_the_result(causal):
    x = torch.randn(1, 6, 3, dtype=torch.float64)
    order = torch.randperm(6)
    same = torch.allclose(SimAM(causal=causal)(x[:, order]), SimAM(causal=causal)(x)[:, order])
    assert same is not causal


@pytest.mark.parametrize("causal", [False, True])
def test_gradients(causal):
    x = torch.randn(1, 4, 2, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, True, False, True]])
    assert torch.autograd.gradcheck(lambda x: SimAM(0.1, causal)(x, mask), x)


def test_it_has_no_parameters():
    assert not list(SimAM().parameters())


def test_half_precision_keeps_its_type():
    y = SimAM()(torch.randn(1, 9, 4, dtype=torch.bfloat16))
    assert y.dtype == torch.bfloat16
    assert torch.isfinite(y).all()
