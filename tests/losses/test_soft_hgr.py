"""Eq. 13 of MFCRE against loops in float64."""

from itertools import combinations

import pytest
import torch
from torch import Tensor

from emofuse.losses import SoftHGRLoss


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def covariance(X: Tensor) -> Tensor:
    n, d = X.shape
    out = torch.zeros(d, d, dtype=X.dtype)
    for a in range(d):
        for b in range(d):
            out[a, b] = sum(X[i, a] * X[i, b] for i in range(n)) / (n - 1)
    return out


def literal_pair(Q: Tensor, V: Tensor) -> Tensor:
    if len(Q) < 2:
        return torch.zeros((), dtype=Q.dtype)
    Q, V = Q - Q.mean(0), V - V.mean(0)
    correlation = sum(q @ v for q, v in zip(Q, V, strict=True)) / (len(Q) - 1)
    return -(correlation - 0.5 * torch.trace(covariance(Q) @ covariance(V)))


def test_it_is_the_equation():
    features = [torch.randn(7, 4, dtype=torch.float64) + 3 for _ in range(3)]
    expected = sum(literal_pair(Q, V) for Q, V in combinations(features, 2))
    torch.testing.assert_close(SoftHGRLoss()(*features), expected)


def test_covariances_are_torchs():
    Q, V = torch.randn(2, 9, 4, dtype=torch.float64)
    expected = 0.5 * torch.trace(torch.cov(Q.T) @ torch.cov(V.T)) - torch.trace(
        torch.cov(torch.cat([Q, V], 1).T)[:4, 4:]
    )
    torch.testing.assert_close(SoftHGRLoss()(text=Q, audio=V), expected)


def test_rows_without_a_modality_are_left_out_of_its_pairs():
    features = [torch.randn(8, 3, dtype=torch.float64) for _ in range(3)]
    present = {name: torch.rand(8) > 0.3 for name in ("text", "audio", "video")}
    expected = sum(
        literal_pair(features[a][rows], features[b][rows])
        for a, b in combinations(range(3), 2)
        for rows in [list(present.values())[a] & list(present.values())[b]]
    )
    holed = [
        f.masked_fill(~p.unsqueeze(-1), torch.nan).requires_grad_()
        for f, p in zip(features, present.values(), strict=True)
    ]
    value = SoftHGRLoss()(*holed, present=present)
    torch.testing.assert_close(value, expected)
    value.backward()
    assert all(torch.isfinite(f.grad).all() for f in holed)


def test_two_modalities_are_one_pair():
    text, video = torch.randn(2, 6, 3, dtype=torch.float64)
    torch.testing.assert_close(SoftHGRLoss()(text=text, video=video), literal_pair(text, video))


@pytest.mark.parametrize("rows", [0, 1])
def test_fewer_than_two_rows_give_nothing(rows):
    features = [torch.randn(rows, 3, requires_grad=True) for _ in range(3)]
    value = SoftHGRLoss()(*features)
    value.backward()
    assert value == 0
    assert all((f.grad == 0).all() for f in features)


def test_one_modality_gives_nothing():
    text = torch.randn(4, 3, requires_grad=True)
    value = SoftHGRLoss()(text=text)
    value.backward()
    assert value == 0
    assert SoftHGRLoss()() == 0


def test_a_shift_does_not_matter_nor_does_the_order():
    features = [torch.randn(7, 4, dtype=torch.float64) for _ in range(3)]
    order = torch.randperm(7)
    value = SoftHGRLoss()(*features)
    torch.testing.assert_close(SoftHGRLoss()(*(f + 5 for f in features)), value)
    torch.testing.assert_close(SoftHGRLoss()(*(f[order] for f in features)), value)
    torch.testing.assert_close(SoftHGRLoss()(*reversed(features)), value)


def test_whitened_equal_features_reach_the_bound():
    X = torch.randn(50, 4, dtype=torch.float64)
    X = X - X.mean(0)
    white = X @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(X.T)).T)
    torch.testing.assert_close(SoftHGRLoss()(white, white), torch.tensor(-2.0, dtype=torch.float64))
    for _ in range(20):
        Q, V = torch.randn(2, 50, 4, dtype=torch.float64)
        assert SoftHGRLoss()(Q, V) > -2.0


def test_gradients():
    features = [torch.randn(5, 3, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    assert torch.autograd.gradcheck(SoftHGRLoss(), features)


def test_half_precision_is_summed_in_single():
    value = SoftHGRLoss()(*(torch.randn(9, 4).bfloat16() for _ in range(3)))
    assert value.dtype == torch.float32
