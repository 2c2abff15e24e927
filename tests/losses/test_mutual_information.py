"""Bounds on mutual information, term by term."""

import math

import torch
from torch.distributions import Normal

from emofuse.losses.mutual_information import ContrastivePrediction, EntropyMemory, GaussianConditional


def rows(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)).double().requires_grad_()


def test_the_conditional_is_a_gaussian_density() -> None:
    q, x, y = GaussianConditional(3, 2).double(), rows(4, 3), rows(4, 2, 1)
    total = torch.zeros(()).double()
    for i in range(4):
        scale = torch.exp(0.5 * torch.tanh(q.log_variance(x[i])))
        total = total + Normal(q.mean(x[i]), scale).log_prob(y[i]).sum()
    torch.testing.assert_close(q(x, y), total / 4)
    torch.testing.assert_close(q.frozen(x, y), total / 4)


def test_frozen_teaches_the_features_alone() -> None:
    q, x, y = GaussianConditional(3, 2).double(), rows(4, 3), rows(4, 2, 1)
    expected = torch.autograd.grad(q(x, y), (x, y))
    q.frozen(x, y).backward()
    torch.testing.assert_close((x.grad, y.grad), expected)
    assert all(p.grad is None for p in q.parameters())


def test_the_fitted_bound_finds_what_gaussians_share() -> None:
    """Of y = x + noise, E log q(y | x) + H(y) comes near the true information, from below."""
    torch.manual_seed(0)
    x = torch.randn(1000, 1).double()
    y = 0.8 * x + 0.6 * torch.randn(1000, 1).double()
    q = GaussianConditional(1, 1).double()
    q.mean, q.log_variance = (torch.nn.Linear(1, 1).double() for _ in range(2))
    optimiser = torch.optim.Adam(q.parameters(), lr=0.05)
    for _ in range(100):
        optimiser.zero_grad()
        (-q(x, y)).backward()
        optimiser.step()
    entropy = 0.5 * math.log(2 * math.pi * math.e)  # y has variance 1
    assert abs(q(x, y).item() + entropy + 0.5 * math.log(1 - 0.8**2)) < 0.08


def test_entropy_is_the_mean_of_half_log_determinants() -> None:
    torch.manual_seed(0)
    memory, classes = EntropyMemory(8, 2, 16, ridge=1e-3).double(), torch.tensor([0, 1] * 4 + [-1])
    y = rows(9, 8)
    small = torch.tanh(memory.projection(y))
    expected = torch.zeros(()).double()
    for c in (0, 1):
        mine = small[classes == c]
        centre = sum(mine) / 4
        covariance = sum(torch.outer(r - centre, r - centre) for r in mine) / 4 + 1e-3 * torch.eye(2)
        expected = expected + 0.5 * 0.5 * torch.log(
            covariance[0, 0] * covariance[1, 1] - covariance[0, 1] ** 2
        )
    torch.testing.assert_close(memory(y, classes), expected)
    assert torch.autograd.gradcheck(lambda v: memory(v, classes), (y,))


def test_the_memory_keeps_the_last_rows_of_each_class() -> None:
    memory = EntropyMemory(4, 2, 3).double()
    seen, classes = rows(8, 4).detach(), torch.tensor([0, 0, 1, 0, -1, 0, 0, 1])
    for at in range(0, 8, 2):
        memory.remember(seen[at : at + 2], classes[at : at + 2])
    small = torch.tanh(memory.projection(seen))
    assert memory.counts.tolist() == [5, 2]
    assert sorted(memory.rows[0].flatten().tolist()) == sorted(small[[3, 5, 6]].flatten().tolist())
    assert memory.rows[1, :2].flatten().tolist() == small[[2, 7]].flatten().tolist()
    # What is remembered counts as if it were in the batch, but has no gradient.
    y = rows(2, 4, 5)
    whole = EntropyMemory(4, 2, 3).double()
    whole.load_state_dict({**memory.state_dict(), "counts": torch.zeros(2, dtype=torch.int64)})
    together = torch.cat([seen[[3, 5, 6, 2, 7]], y])
    expected = whole(together, torch.tensor([0, 0, 0, 1, 1, 0, 1]))
    torch.testing.assert_close(memory(y, torch.tensor([0, 1])), expected)


def test_too_few_rows_have_no_entropy() -> None:
    memory, y = EntropyMemory(8, 2, 16), torch.randn(5, 8, requires_grad=True)
    value = memory(y, torch.tensor([0, 0, 0, 0, 1]))
    value.backward()
    assert value == 0
    assert (y.grad == 0).all()


def test_cpc_row_by_row() -> None:
    torch.manual_seed(0)
    cpc, h, z = ContrastivePrediction(3, 5).double(), rows(4, 3), rows(4, 5, 1)
    total = torch.zeros(()).double()
    for i in range(4):
        g = cpc.predict(z[i])
        scores = [torch.exp((h[j] / h[j].norm()) @ (g / g.norm())) for j in range(4)]
        total = total - torch.log(scores[i] / sum(scores))
    torch.testing.assert_close(cpc(h, z), total / 4)
    assert torch.autograd.gradcheck(cpc, (h, z))
    assert cpc(h[:1], z[:1]).abs() < 1e-12
    assert cpc(h[:0], z[:0]) == 0
