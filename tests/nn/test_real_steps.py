"""Real steps to the front, and back to where they were."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emofuse.nn.real_steps import RealSteps, real_first

masks = st.integers(1, 6).flatmap(
    lambda n: st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=1, max_size=4)
)


@settings(max_examples=60, deadline=None)
@given(masks)
def test_every_real_step_comes_in_its_order_and_goes_back(rows):
    mask = torch.tensor(rows)
    x = torch.randn(*mask.shape, 3)
    steps = RealSteps(mask)
    taken = steps.take(x)
    assert taken.shape[1] == max(1, int(mask.sum(1).max()))
    for b, row in enumerate(rows):
        real = [t for t, here in enumerate(row) if here]
        assert torch.equal(taken[b, : len(real)], x[b, real])
        assert steps.mask[b].tolist() == [i < len(real) for i in range(taken.shape[1])]
    assert torch.equal(steps.scatter_back(taken), x * mask.unsqueeze(-1))
    assert torch.equal(steps.scatter_back(steps.mask), mask)


def test_what_padding_holds_is_not_put_back():
    mask = torch.tensor([[False, True, True], [True, False, False]])
    x = torch.ones(2, 3, 2).masked_fill(~mask.unsqueeze(-1), torch.nan)
    steps = RealSteps(mask)
    back = steps.scatter_back(steps.take(x))
    assert torch.equal(back, mask.unsqueeze(-1).expand(2, 3, 2).float())


def test_real_steps_come_first_as_a_stable_sort_has_them() -> None:
    mask = torch.rand(7, 12, generator=torch.Generator().manual_seed(0)) < 0.5
    mask[0], mask[1] = True, False
    assert torch.equal(real_first(mask), torch.argsort((~mask).byte(), dim=1, stable=True))
    assert real_first(mask[:, :0]).shape == (7, 0)
