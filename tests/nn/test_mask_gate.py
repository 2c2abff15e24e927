"""The mask gate against CM-MSF Eq. 13-19."""

import statistics

import pytest
import torch

from emofuse.nn.gated_recurrence import GatedRecurrence
from emofuse.nn.mask_gate import MaskGate, adaptive_mask

MASK = torch.arange(7) < torch.tensor([[7], [1], [5]])


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("threshold", [-1.0, 0.0, 1.5])
def test_the_mask_is_a_threshold_on_significance(threshold):
    x = torch.randn(3, 7, 4).double()
    mask = adaptive_mask(x, MASK, threshold)
    for b, length in enumerate([7, 1, 5]):
        norms = [float(sum(v**2 for v in x[b, t])) ** 0.5 for t in range(length)]
        least = statistics.fmean(norms) + threshold * statistics.pstdev(norms)
        expected = [norm >= least or norm == max(norms) for norm in norms]
        assert mask[b].tolist() == expected + [False] * (7 - length)


def test_a_threshold_far_above_leaves_the_most_significant_step():
    x = torch.randn(3, 7, 4)
    mask = adaptive_mask(x, MASK, 100.0)
    assert (mask.sum(1) == 1).all()
    assert torch.equal(mask.byte().argmax(1), x.norm(dim=-1).masked_fill(~MASK, 0.0).argmax(1))


def test_what_makes_no_difference_to_the_mask():
    x = torch.randn(3, 7, 4).double()
    mask = adaptive_mask(x, MASK, -0.5)
    assert torch.equal(adaptive_mask(x * 1e-6, MASK, -0.5), mask)
    assert torch.equal(adaptive_mask(x.masked_fill(~MASK.unsqueeze(-1), 1e9), MASK, -0.5), mask)
    order = torch.randperm(7)
    assert torch.equal(adaptive_mask(x[:, order], MASK[:, order], -0.5), mask[:, order])


def test_steps_alike_but_for_rounding_all_count():
    x = torch.ones(2, 50, 4) * torch.tensor([3.3, 0.0]).view(2, 1, 1)
    x = x + 1e-6 * torch.rand(2, 50, 1) * x
    everywhere = torch.ones(2, 50, dtype=torch.bool)
    for threshold in (-1.0, 0.0, 2.0):
        assert adaptive_mask(x, everywhere, threshold).all()


@pytest.mark.parametrize("threshold", [None, 0.0])
def test_it_is_equations_13_to_19(threshold):
    gate = MaskGate(4, threshold).double()
    U = torch.randn(3, 7, 4).double()
    out = gate(U, MASK)
    M = MASK if threshold is None else adaptive_mask(U, MASK, threshold)
    gru: GatedRecurrence = gate.gru
    for b, length in enumerate([7, 1, 5]):
        h = torch.zeros(4, dtype=torch.float64)
        for t in range(length):
            G = 1 / (1 + torch.exp(-(gate.gate.weight @ U[b, t] + gate.gate.bias)))  # (13)
            F = U[b, t] * G * float(M[b, t])  # (14)
            x_r, x_z, x_h = (gru.input.weight @ F + gru.input.bias).split(4)
            h_r, h_z = (gru.state_gates.weight @ h).split(4)
            r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)  # (15), (16)
            h = (1 - z) * h + z * torch.tanh(x_h + gru.state_candidate.weight @ (r * h))  # (17), (18)
            expected = h + F if M[b, t] else torch.zeros(4).double()  # (19)
            torch.testing.assert_close(out.features[b, t], expected)
            torch.testing.assert_close(out.gate[b, t], G * float(M[b, t]))
        assert (out.features[b, length:] == 0).all()
        assert (out.gate[b, length:] == 0).all()
    assert torch.equal(out.mask, M)


@pytest.mark.parametrize("threshold", [None, -1.0])
def test_padding_changes_nothing(threshold):
    gate = MaskGate(4, threshold).double()
    U = torch.randn(3, 7, 4).double().masked_fill(~MASK.unsqueeze(-1), torch.nan)
    whole = gate(U, MASK)
    for b, length in enumerate([7, 1, 5]):
        alone = gate(U[b : b + 1, :length])
        torch.testing.assert_close(whole.features[b, :length], alone.features[0])
        torch.testing.assert_close(whole.gate[b, :length], alone.gate[0])
        assert torch.equal(whole.mask[b, :length], alone.mask[0])


@pytest.mark.parametrize("threshold", [None, -1.0])
def test_nothing_real_gives_zeros_and_finite_gradients(threshold):
    gate = MaskGate(4, threshold)
    U = torch.randn(2, 3, 4, requires_grad=True)
    out = gate(U, torch.tensor([[False] * 3, [True] * 3]))
    out.features.square().sum().backward()
    assert (out.features[0] == 0).all()
    assert (U.grad[0] == 0).all()
    assert not out.mask[0].any()
    assert all(torch.isfinite(p.grad).all() for p in gate.parameters())


def test_gradients():
    gate = MaskGate(3, 0.0).double()
    U = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    assert torch.autograd.gradcheck(lambda U, *_: gate(U, mask).features, (U, *gate.parameters()))
