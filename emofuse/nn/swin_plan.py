"""Where VSC-Swin compresses, and what that does to the grids and windows of its blocks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

from emofuse.errors import EmofuseError
from emofuse.nn.window_attention import WindowGeometry


class VSCConfig(BaseModel):
    """Visual sequence compression inside one stage of a Swin V2.

    The stage's non-shifted blocks (0, 2, 4, ...) compress before they run, the first of them to the first
    grid, and so on; the shifted block that follows keeps its predecessor's grid.

    Attributes:
        stage: the stage that compresses, counted from 0.
        grids: sides of the square grids that are kept, one per compressing block, each smaller than the one
            before. In threshold mode the grid stays whole and only their number counts.
        windows: window side for each grid; None takes the largest that tiles it and does not exceed the
            stage's own.
        alpha: α of Eq. 3.
        temperature: τ of Eq. 2.
        threshold: γ of Eq. 2. Tokens below it are zeroed and hidden from attention instead of leaving the
            grid, because windows need a grid; a cell made of hidden tokens alone stays hidden to the end.
        merge: whether Eq. 3 folds irrelevant tokens into relevant ones.
        straight_through: whether the scores, and with them G_cls, receive a gradient.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    stage: int = Field(default=2, ge=0)
    grids: tuple[int, ...] = Field(default=(14, 12, 10), min_length=1)
    windows: tuple[int, ...] | None = None
    alpha: float = Field(default=0.9, ge=0.0, le=1.0)
    temperature: float = Field(default=1.0, gt=0.0)
    threshold: float | None = None
    merge: bool = True
    straight_through: bool = True

    @model_validator(mode="after")
    def _consistent(self) -> "VSCConfig":
        if min(self.grids) < 1 or list(self.grids) != sorted(set(self.grids), reverse=True):
            raise ValueError(f"grids shrink from block to block and are positive, got {self.grids}")
        if self.windows is not None and len(self.windows) != len(self.grids):
            raise ValueError(f"{len(self.grids)} grids need as many windows, got {self.windows}")
        return self


class BlockShape(NamedTuple):
    """Window and shift that a block has without compression."""

    window: int
    shift: int


@dataclass(frozen=True)
class BlockPlan:
    """How one block runs.

    Attributes:
        geometry: its grid, window and shift.
        pretrained_window: the window that its position bias was made for.
        compression: number of the compression that precedes it, or None.
    """

    geometry: WindowGeometry
    pretrained_window: int
    compression: int | None = None


def plan_blocks(
    stages: Sequence[Sequence[BlockShape]],
    grid: tuple[int, int],
    vsc: VSCConfig | None,
    pretrained_windows: Sequence[int] = (),
) -> list[list[BlockPlan]]:
    """Lay out every block for a first stage of `grid` tokens (height, width).

    Args:
        stages: the blocks' shapes without compression, stage by stage.
        grid: the patch grid.
        vsc: where to compress, or None.
        pretrained_windows: per stage, the window of pretraining where it differs from the block's own; 0 or
            nothing means the block's own.

    Raises:
        EmofuseError: if the grids or windows do not fit the stage.
    """
    if vsc is not None and vsc.stage >= len(stages):
        raise EmofuseError(f"VSC asks for stage {vsc.stage}, but the Swin has stages 0 to {len(stages) - 1}")
    plan: list[list[BlockPlan]] = []
    for number, blocks in enumerate(stages):
        pretrained = pretrained_windows[number] if number < len(pretrained_windows) else 0
        compressing = vsc if vsc is not None and number == vsc.stage else None
        shrunk = vsc is not None and vsc.threshold is None and number > vsc.stage
        rows = _plan_stage(blocks, grid, compressing, shrunk, pretrained)
        plan.append(rows)
        last = rows[-1].geometry.grid if rows else grid
        grid = ((last[0] + 1) // 2, (last[1] + 1) // 2)
    return plan


def _plan_stage(
    blocks: Sequence[BlockShape], grid: tuple[int, int], vsc: VSCConfig | None, shrunk: bool, pretrained: int
) -> list[BlockPlan]:
    if vsc is not None and len(vsc.grids) > (len(blocks) + 1) // 2:
        raise EmofuseError(
            f"VSC names {len(vsc.grids)} grids, but stage {vsc.stage} has only {(len(blocks) + 1) // 2} "
            "non-shifted blocks to compress in"
        )
    plan: list[BlockPlan] = []
    for number, shape in enumerate(blocks):
        compression = (
            number // 2 if vsc is not None and number % 2 == 0 and number // 2 < len(vsc.grids) else None
        )
        geometry = WindowGeometry(grid, shape.window, shape.shift)
        if vsc is not None and vsc.threshold is None:
            geometry = _compressed(vsc, number, grid, shape)
        elif shrunk:
            geometry = _tiled(grid, shape.window, number)
        plan.append(BlockPlan(geometry, pretrained or shape.window, compression))
        grid = geometry.grid
    return plan


def _compressed(vsc: VSCConfig, block: int, grid: tuple[int, int], shape: BlockShape) -> WindowGeometry:
    step = min(block // 2, len(vsc.grids) - 1)
    side = vsc.grids[step]
    if side > min(grid):
        raise EmofuseError(
            f"VSC would keep a {side}x{side} grid in stage {vsc.stage}, "
            f"which has only {grid[0]}x{grid[1]} tokens there"
        )
    if vsc.windows is None:
        return _tiled((side, side), shape.window, block)
    window = vsc.windows[step]
    if window < 1 or side % window:
        raise EmofuseError(f"a window of {window} does not tile the {side}x{side} grid that VSC keeps")
    return WindowGeometry((side, side), window, _shift(side, window, block))


def _tiled(grid: tuple[int, int], largest: int, block: int) -> WindowGeometry:
    side = min(grid)
    fitting = [w for w in range(1, min(side, largest) + 1) if grid[0] % w == 0 and grid[1] % w == 0]
    if fitting[-1] == 1 and side > 1:
        raise EmofuseError(
            f"no window of 2 to {largest} tiles the {grid[0]}x{grid[1]} grid that compression leaves: "
            "choose other grids"
        )
    return WindowGeometry(grid, fitting[-1], _shift(side, fitting[-1], block))


def _shift(side: int, window: int, block: int) -> int:
    return window // 2 if block % 2 and side > window else 0
