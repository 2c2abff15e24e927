"""The focal loss against its equation."""

import pytest
import torch
from torch.nn import functional as F

from emofuse.losses.focal import focal_loss
from tests.models.literal import assert_same

LABELS = torch.tensor([0, 2, -1, 1])


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_the_equation(gamma: float, weighted: bool):
    torch.manual_seed(0)
    logits = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    weights = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64) if weighted else None
    total = divisor = torch.zeros((), dtype=torch.float64)
    for row, label in zip(logits, LABELS.tolist(), strict=True):
        if label >= 0:
            p = row.exp()[label] / row.exp().sum()
            w = 1.0 if weights is None else weights[label]
            total, divisor = total - w * (1 - p) ** gamma * p.log(), divisor + w
    assert_same(focal_loss(logits, LABELS, gamma, weights), total / divisor, [logits])


def test_without_focus_it_is_the_cross_entropy():
    logits = torch.randn(4, 3)
    expected = F.cross_entropy(logits, LABELS, ignore_index=-1)
    torch.testing.assert_close(focal_loss(logits, LABELS, 0.0), expected)


def test_nothing_to_learn_from_and_certainty():
    logits = torch.tensor([[1000.0, 0.0, 0.0]], requires_grad=True)
    assert focal_loss(logits, torch.tensor([-1]), 1.0) == 0
    sure = focal_loss(logits, torch.tensor([0]), 0.5)
    sure.backward()
    assert sure == 0
    assert torch.isfinite(logits.grad).all()
