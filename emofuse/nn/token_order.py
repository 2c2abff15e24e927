"""Orders in which the tokens of a grid lie in memory: row by row, window by window, or as patch merging joins them.

All of a Swin block but its attention is done token by token, and its attention window by window. Tokens that lie window by
window need no copy within a block, and one copy from a block to the next, which shifts its windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from emofuse.nn.window_attention import WindowGeometry


@dataclass(frozen=True)
class Rows:
    """Row by row.

    Attributes:
        grid: tokens (height, width).
    """

    grid: tuple[int, int]

    def positions(self) -> Tensor:
        """The place in the grid, counted row by row, of each token in memory."""
        return torch.arange(self.grid[0] * self.grid[1])


@dataclass(frozen=True)
class Windows:
    """Window by window, as `WindowGeometry.partition` cuts them, of a grid that needs no padding.

    Attributes:
        geometry: of the windows.
    """

    geometry: WindowGeometry

    @property
    def grid(self) -> tuple[int, int]:
        """Tokens (height, width)."""
        return self.geometry.grid

    def positions(self) -> Tensor:
        """See `Rows.positions`."""
        return self.geometry.partition(Rows(self.grid).positions().view(1, -1, 1)).flatten()


@dataclass(frozen=True)
class Cells:
    """Cell by cell of 2x2 tokens, each as Swin's patch merging concatenates it; both sides of the grid are even.

    Attributes:
        grid: tokens (height, width).
    """

    grid: tuple[int, int]

    def positions(self) -> Tensor:
        """See `Rows.positions`."""
        height, width = self.grid
        cells = Rows(self.grid).positions().view(height // 2, 2, width // 2, 2)
        return cells.permute(0, 2, 3, 1).flatten()


TokenOrder = Rows | Windows | Cells


class Reordering:
    """Brings tokens from one order into another, and remembers how."""

    def __init__(self) -> None:
        self._known: dict[tuple[TokenOrder, TokenOrder], tuple[Tensor, Tensor] | None] = {}

    def __call__(self, tokens: Tensor, source: TokenOrder, target: TokenOrder) -> Tensor:
        """Tokens (B, N, d) that lie in the order ``source``, in the order ``target``."""
        pair = (source, target)
        if source == target:  # before indices are compared, which a program cannot
            return tokens
        if pair not in self._known:
            self._known[pair] = _indices(source, target)
        found = self._known[pair]
        return tokens if found is None else _Reordered.apply(tokens, *found)


def _indices(source: TokenOrder, target: TokenOrder) -> tuple[Tensor, Tensor] | None:
    """Indices there and back; None where the two orders are one."""
    there = source.positions().argsort()[target.positions()]
    if torch.equal(there, torch.arange(len(there))):
        return None
    return there, there.argsort()


class _Reordered(torch.autograd.Function):
    """As `Tensor.index_select` of the tokens, whose own gradient adds up where nothing is to be added."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, there: Tensor, back: Tensor) -> Tensor:
        ctx.back = back
        return _take(tokens, there)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _take(gradient, ctx.back), None, None


def _take(tokens: Tensor, index: Tensor) -> Tensor:
    tokens = tokens.contiguous()
    taken = torch.empty_like(tokens)
    # Image by image: rows of a matrix are copied whole, which index_select of a middle dimension does not do.
    for image, place in zip(tokens, taken, strict=True):
        torch.index_select(image, 0, index, out=place)
    return taken
