"""Which patches of the frames were kept."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class KeptPatches:
    """Which tokens one compression kept.

    Attributes:
        stage: the stage that compressed, from 0.
        block: the block of that stage before which it did.
        grid: the stage's grid before any compression, (height, width).
        indices: positions in that grid, ascending, (..., L); -1 pads images that kept fewer (threshold mode).
    """

    stage: int
    block: int
    grid: tuple[int, int]
    indices: Tensor
