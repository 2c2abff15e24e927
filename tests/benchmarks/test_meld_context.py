"""The small networks of the benchmark on MELD's words."""

import pytest
import torch

from benchmarks.meld_context import TAGGERS, Cell, Tagger


@pytest.mark.parametrize("cell", TAGGERS.values())
def test_padding_changes_nothing_and_only_a_cell_reads_the_dialogue(cell: Cell | None) -> None:
    torch.manual_seed(0)
    net = Tagger(5, 3, cell).eval()
    x = torch.randn(2, 6, 5)
    mask = torch.arange(6) < torch.tensor([[6], [4]])
    together = net(x, mask)
    alone = [net(x[i : i + 1, :n], torch.ones(1, n, dtype=torch.bool)) for i, n in ((0, 6), (1, 4))]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-4)
    changed = x.clone()
    changed[0, 5] += 1.0
    others = (net(changed, mask)[:5] - together[:5]).abs().max()
    assert (others > 1e-6) == (cell is not None)
