"""What visual sequence compression looked at: the frames with the patches that it kept."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from emofuse.evaluation.reporting.figures.style import INK, NARROW, WIDE, figure_style, new_figure, set_title

Kept = Sequence[Sequence[np.ndarray] | np.ndarray]
_THUMBNAIL = 192
_OUTLINE = "#f0e442"
_DIMMEST = 0.16


def kept_levels(kept: Kept, grid: tuple[int, int], frames: int) -> NDArray[np.int64]:
    """How many compressions each patch outlived.

    Args:
        kept: a stage per compression, in order; each stage has a row of indices per frame into the
            raster of ``grid``, so (F, L) arrays, or ragged rows where a threshold decides the count;
            -1 is padding.
        grid: (h, w) patches of the uncompressed stage.
        frames: F.

    Returns:
        (F, h, w) counts from 0 (dropped at once) to ``len(kept)`` (kept to the end).

    Raises:
        ValueError: a stage has another number of frames, an index outside the grid, or a patch that
            an earlier stage had dropped.
    """
    levels = np.zeros((frames, grid[0] * grid[1]), dtype=np.int64)
    for stage, rows in enumerate(kept):
        if len(rows) != frames:
            raise ValueError(
                f"compression {stage + 1} has indices for {len(rows)} frames, there are {frames}"
            )
        for frame, row in enumerate(rows):
            places = np.unique(np.asarray(row, dtype=np.int64))
            places = places[places != -1]
            if places.size and (places[0] < 0 or places[-1] >= levels.shape[1]):
                raise ValueError(
                    f"compression {stage + 1} keeps a patch outside the grid of {grid[0]}×{grid[1]}"
                )
            if (levels[frame, places] != stage).any():
                raise ValueError(f"compression {stage + 1} keeps a patch that an earlier one had dropped")
            levels[frame, places] += 1
    return levels.reshape(frames, *grid)


def shade_frames(frames: NDArray[np.uint8], levels: NDArray[np.int64], stages: int) -> NDArray[np.uint8]:
    """Dim what was dropped, the darker the earlier; what was kept to the end stays as it is.

    Args:
        frames: (F, H, W, 3).
        levels: (F, h, w), from :func:`kept_levels`.
        stages: number of compressions.

    Returns:
        (F, H, W, 3).
    """
    height, width = frames.shape[1:3]
    rows = np.arange(height) * levels.shape[1] // height
    columns = np.arange(width) * levels.shape[2] // width
    alive = levels[:, rows][:, :, columns] / stages if stages else np.ones(frames.shape[:3])
    strength = np.where(alive >= 1, 1.0, _DIMMEST + 0.42 * alive)[..., None]
    # Dropped patches lose their colour as well, so that a dark picture still shows what was dropped.
    grey = frames.mean(axis=-1, keepdims=True)
    faded = np.where(alive[..., None] >= 1, frames, grey)
    return np.asarray((faded * strength + 20 * (1 - strength)).round(), dtype=np.uint8)


@figure_style()
def draw_kept_patches(
    frames: NDArray[np.uint8],
    kept: Kept,
    grid: tuple[int, int],
    *,
    times: Sequence[float] | None = None,
    columns: int | None = None,
    narrow: bool = False,
    title: str | None = None,
) -> Figure:
    """An utterance's frames as a contact sheet, with the patches that compression kept laid over them.

    Args:
        frames: (F, H, W, 3) uint8, F at least 1.
        kept: a stage per compression; see :func:`kept_levels`.
        grid: (h, w) patches of the uncompressed stage.
        times: (F,) seconds, written under the frames.
        columns: frames in a row; by default five, or three when ``narrow``.
        narrow: for a phone.
        title: put over the figure.

    Raises:
        ValueError: the frames are not (F, H, W, 3) uint8, or ``kept`` does not fit them.
    """
    frames = np.asarray(frames)
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or 0 in frames.shape:
        raise ValueError(f"frames must be (F, H, W, 3) uint8, not {frames.shape} {frames.dtype}")
    levels = kept_levels(kept, grid, len(frames))
    shaded = shade_frames(_thumbnails(frames), levels, len(kept))
    across = min(columns or (3 if narrow else 5), len(frames))
    down = math.ceil(len(frames) / across)
    page = NARROW if narrow else WIDE
    width = min(page / across, 2.4)
    height = width * frames.shape[1] / frames.shape[2] + (0.2 if times is not None else 0.04)
    figure = new_figure(max(width * across, NARROW), height * down + 0.55 + (0.35 if title else 0))
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    set_title(figure, title)
    sheet = figure.subplots(down, across, squeeze=False)
    for index, axes in enumerate(sheet.flat):
        axes.set_axis_off()
        if index < len(frames):
            _frame(axes, shaded[index], levels[index] == len(kept), index)
            if times is not None:
                axes.set_title(f"{times[index]:.2f} s", fontsize=8, fontweight="normal", loc="center", pad=2)
    figure.supxlabel(_story(levels, len(kept)), fontsize=9.5, color=INK)
    return figure


def _thumbnails(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = frames.shape[1:3]
    scale = _THUMBNAIL / max(height, width)
    if scale >= 1:
        return frames
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.stack([np.asarray(Image.fromarray(f).resize(size, Image.Resampling.BOX)) for f in frames])


def _frame(axes: Axes, picture: NDArray[np.uint8], alive: NDArray[np.bool_], index: int) -> None:
    rows, columns = alive.shape
    axes.imshow(picture, extent=(0, columns, rows, 0), aspect="auto", gid=f"frame-{index}")
    axes.set_box_aspect(picture.shape[0] / picture.shape[1])
    edges = outline(alive)
    if len(edges):
        for colour, thickness in (("#0b0f14", 1.5), (_OUTLINE, 0.8)):
            axes.add_collection(
                LineCollection(
                    edges, colors=colour, linewidths=thickness, capstyle="projecting", gid=f"kept-{index}"
                )
            )


def outline(alive: NDArray[np.bool_]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Line pieces ((x, y), (x, y)), in patches, that part what was kept from what was not.

    Args:
        alive: (h, w) patches that were kept.
    """
    rows, columns = alive.shape
    edged = np.pad(alive, 1)
    across = edged[1:, 1:-1] != edged[:-1, 1:-1]  # (h + 1, w): a change from one row to the next
    along = edged[1:-1, 1:] != edged[1:-1, :-1]  # (h, w + 1)
    inner_across = [(int(y), int(x)) for y, x in np.argwhere(across) if 0 < y < rows]
    inner_along = [(int(y), int(x)) for y, x in np.argwhere(along) if 0 < x < columns]
    return [((x, y), (x + 1, y)) for y, x in inner_across] + [((x, y), (x, y + 1)) for y, x in inner_along]


def _story(levels: NDArray[np.int64], stages: int) -> str:
    """``256 → 196 → 144 patches per frame``: a mean where frames differ."""
    means = [float((levels >= stage).sum(axis=(1, 2)).mean()) for stage in range(stages + 1)]
    numbers = " → ".join(f"{mean:.0f}" if mean.is_integer() else f"{mean:.1f}" for mean in means)
    return f"{numbers} patches per frame\ndimmed: compressed away, the darker the earlier"
