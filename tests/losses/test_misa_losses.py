"""The difference loss and the central moment discrepancy, entry by entry."""

import pytest
import torch

from emofuse.losses.central_moments import central_moment_discrepancy
from emofuse.losses.difference import difference


def test_difference_is_the_mean_square_of_correlations_of_unit_rows() -> None:
    torch.manual_seed(0)
    x, y = torch.rand(5, 3).double(), torch.rand(5, 2).double()
    unit = []
    for rows in (x, y):
        centred = [[v - sum(rows[:, j]) / 5 for j, v in enumerate(row)] for row in rows]
        unit.append([[v / (sum(w * w for w in row) ** 0.5 + 1e-6) for v in row] for row in centred])
    entries = [sum(unit[0][b][i] * unit[1][b][j] for b in range(5)) ** 2 for i in range(3) for j in range(2)]
    torch.testing.assert_close(difference(x, y), sum(entries) / 6)


def test_orthogonal_features_differ() -> None:
    x = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]).double()
    assert difference(x, x.flip(0)) < 1e-12
    assert difference(x, x) > 0.5


def test_moments_one_by_one() -> None:
    torch.manual_seed(0)
    x, y = torch.rand(4, 3).double(), torch.rand(6, 3).double()
    total = ((x.mean(0) - y.mean(0)) ** 2).sum().sqrt()
    for k in (2, 3, 4):
        of_x = sum((row - x.mean(0)) ** k for row in x) / 4
        of_y = sum((row - y.mean(0)) ** k for row in y) / 6
        total = total + ((of_x - of_y) ** 2).sum().sqrt()
    torch.testing.assert_close(central_moment_discrepancy(x, y, 4), total)


@pytest.mark.parametrize("loss", [difference, central_moment_discrepancy])
def test_gradients(loss) -> None:
    torch.manual_seed(0)
    x, y = (torch.rand(4, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(loss, (x, y))


@pytest.mark.parametrize("loss", [difference, central_moment_discrepancy])
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_few_or_equal_rows_have_gradients(loss, rows) -> None:
    x = torch.rand(rows, 3, requires_grad=True)
    value = loss(x, x.detach().clone())
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(x.grad).all()
    assert loss is difference or value == 0
