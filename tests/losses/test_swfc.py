"""Eq. 11 and 12 of MFCRE against loops in float64."""

import math

import pytest
import torch
from torch import Tensor

from emofuse.errors import EmofuseError
from emofuse.losses import SampleWeightedFocalContrastiveLoss


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def literal(
    features: Tensor, labels: list[int], counts: list[int], tau: float, alpha: float, gamma: float
) -> float:
    z = [f / f.norm() for f in features]
    B, N, total = len(z), sum(counts), 0.0
    for j in range(B):
        A = [s for s in range(B) if s != j]
        R = [g for g in A if labels[g] == labels[j]]
        if not R:
            continue
        below = sum(math.exp(float(z[j] @ z[s]) / tau) for s in A)
        focal = 0.0
        for g in R:
            s_jg = math.exp(float(z[j] @ z[g]) / tau) / below
            focal += (1 - s_jg) ** gamma * math.log(s_jg)
        total -= (N / counts[labels[j]]) ** alpha * focal / len(R)
    return total


@pytest.mark.parametrize("tau", [0.1, 0.9, 2.0])
@pytest.mark.parametrize("alpha", [0.0, 0.8, 1.2])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 3.0])
def test_it_is_the_equations(tau, alpha, gamma):
    features = torch.randn(11, 5, dtype=torch.float64)
    labels = [0, 1, 0, 2, 1, 1, 0, 3, 0, 2, 0]
    counts = [5, 3, 2, 1, 0]
    loss = SampleWeightedFocalContrastiveLoss(tau, alpha, gamma)
    value = loss(features, torch.tensor(labels), torch.tensor(counts))
    assert float(value) == pytest.approx(literal(features, labels, counts, tau, alpha, gamma))
    assert float(loss(features, torch.tensor(labels))) == pytest.approx(float(value))


def test_given_counts_weigh_the_classes():
    features, labels = torch.randn(6, 3, dtype=torch.float64), [0, 0, 1, 1, 2, 2]
    counts = [100, 10, 1]
    value = SampleWeightedFocalContrastiveLoss(0.9, 0.8, 3.0)(
        features, torch.tensor(labels), torch.tensor(counts)
    )
    assert float(value) == pytest.approx(literal(features, labels, counts, 0.9, 0.8, 3.0))


def test_an_utterance_without_positives_contributes_nothing():
    loss = SampleWeightedFocalContrastiveLoss()
    features = torch.randn(4, 3, requires_grad=True)
    value = loss(features, torch.arange(4))
    value.backward()
    assert value == 0
    assert (features.grad == 0).all()


@pytest.mark.parametrize("size", [0, 1, 2])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 3.0])
def test_tiny_batches_are_finite(size, gamma):
    features = torch.randn(size, 3, requires_grad=True)
    value = SampleWeightedFocalContrastiveLoss(gamma=gamma)(features, torch.zeros(size, dtype=torch.long))
    value.backward()
    assert value == 0  # two of a kind and nobody else: s is 1
    assert torch.isfinite(features.grad).all()


def test_one_class_is_finite():
    features = torch.randn(8, 3, requires_grad=True)
    value = SampleWeightedFocalContrastiveLoss()(features, torch.zeros(8, dtype=torch.long))
    value.backward()
    assert value > 0
    assert torch.isfinite(features.grad).all()


def test_a_zero_vector_is_finite():
    features = torch.zeros(4, 3, requires_grad=True)
    value = SampleWeightedFocalContrastiveLoss()(features, torch.tensor([0, 0, 1, 1]))
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(features.grad).all()


def test_scale_and_order_do_not_matter():
    features, labels = torch.randn(9, 4, dtype=torch.float64), torch.randint(0, 3, (9,))
    loss = SampleWeightedFocalContrastiveLoss()
    order = torch.randperm(9)
    torch.testing.assert_close(loss(features * 7, labels), loss(features, labels))
    torch.testing.assert_close(loss(features[order], labels[order]), loss(features, labels))


def test_gathering_a_class_lowers_it():
    labels = torch.arange(12) % 3
    scattered = torch.randn(12, 8)
    gathered = torch.eye(8)[labels] + 0.05 * scattered
    loss = SampleWeightedFocalContrastiveLoss()
    assert loss(gathered, labels) < loss(scattered, labels)


@pytest.mark.parametrize("gamma", [0.0, 1.5, 3.0])
def test_gradients(gamma):
    features = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 0, 1, 1, 1, 2])
    assert torch.autograd.gradcheck(
        lambda f: SampleWeightedFocalContrastiveLoss(0.5, 0.8, gamma)(f, labels), features
    )


def test_half_precision_is_summed_in_single():
    features, labels = torch.randn(32, 16), torch.randint(0, 4, (32,))
    loss = SampleWeightedFocalContrastiveLoss()
    half = loss(features.bfloat16(), labels)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, loss(features, labels), rtol=0.02, atol=0.0)


@pytest.mark.parametrize("options", [{"temperature": 0.0}, {"gamma": -1.0}])
def test_settings_out_of_range(options):
    with pytest.raises(EmofuseError):
        SampleWeightedFocalContrastiveLoss(**options)
