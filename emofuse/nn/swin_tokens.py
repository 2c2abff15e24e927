"""A batch of token grids on its way through the blocks of a Swin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from emofuse.nn.token_order import Cells, Reordering, Rows, TokenOrder, Windows


@dataclass
class SwinTokens:
    """Tokens of B images.

    Attributes:
        values: (B, N, d).
        order: in which they lie in memory.
        alive: (B, N) bool, row by row, in threshold mode after the first compression.
        origin: (B, N) positions in the compressing stage's first grid.
    """

    values: Tensor
    order: TokenOrder
    alive: Tensor | None = None
    origin: Tensor | None = None

    def place(self, order: TokenOrder, reorder: Reordering) -> Tensor:
        """Bring the tokens into an order; their values."""
        self.values = reorder(self.values, self.order, order)
        self.order = order
        return self.values

    def merged(self, downsample: Any, reorder: Reordering) -> SwinTokens:
        """After the patch merging that ends a stage, or as they are where there is none."""
        if downsample is None:
            return self
        grid = self.order.grid
        if isinstance(self.order, Windows) and not any(side % 2 for side in grid):
            # The order that `Swinv2PatchMerging` concatenates in is one copy away, not two.
            values = self.place(Cells(grid), reorder)
            cells = values.reshape(values.shape[0], -1, 4 * values.shape[-1])
            values = downsample.norm(downsample.reduction(cells))
        else:
            values = downsample(self.place(Rows(grid), reorder), grid)
        rows = Rows(((grid[0] + 1) // 2, (grid[1] + 1) // 2))
        if self.alive is None:
            return SwinTokens(values, rows)
        flags = self.alive.unflatten(1, grid).unsqueeze(1).to(values.dtype)
        alive = F.max_pool2d(flags, 2, ceil_mode=True).flatten(1) > 0
        return SwinTokens(values.masked_fill(~alive.unsqueeze(-1), 0.0), rows, alive=alive)

    def mean(self) -> Tensor:
        """Over the tokens that are alive, (B, d)."""
        if self.alive is None:
            return self.values.mean(dim=1)
        weight = self.alive.unsqueeze(-1).to(self.values.dtype)
        return (self.values * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1.0)
