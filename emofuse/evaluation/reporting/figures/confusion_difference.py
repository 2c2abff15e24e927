"""Where two methods take different emotions for each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from emofuse.evaluation.metrics.estimate import MISSING
from emofuse.evaluation.reporting.figures.confusion import name_classes
from emofuse.evaluation.reporting.figures.style import (
    MIDDLE,
    NOTHING,
    PAPER,
    figure_style,
    new_figure,
    readable_text_colour,
    set_title,
)

_SHADES = ("#7f3b08", "#d98032", "#f4f4f2", "#5a8fc7", "#0b3c6f")


@figure_style()
def draw_confusion_difference(
    first: ArrayLike, second: ArrayLike, labels: Sequence[str], *, title: str | None = None
) -> Figure:
    """Second minus first, in points of the true class: which answers it gives more often, and which less.

    Args:
        first: (C, C) parts of each true class by predicted class; NaN in the row of a class without utterances.
        second: likewise.
        labels: the C class names.
        title: put over the figure.

    Raises:
        ValueError: a matrix is not C × C.
    """
    before, after = (np.asarray(matrix, dtype=np.float64) for matrix in (first, second))
    size = len(labels)
    if size == 0 or before.shape != (size, size) or after.shape != (size, size):
        raise ValueError(f"matrices of {size} labels are {size} × {size}, not {before.shape}, {after.shape}")
    difference = 100 * (after - before)
    side = min(MIDDLE, max(3.6, 1.2 + 0.46 * size))
    figure = new_figure(side, side + (0.35 if title else 0.05))
    set_title(figure, title)
    axes = figure.subplots()
    known = np.abs(difference[np.isfinite(difference)])
    reach = max(1.0, float(known.max(initial=0.0)))
    shades = LinearSegmentedColormap.from_list("difference", _SHADES).with_extremes(bad=NOTHING)
    norm = Normalize(-reach, reach)
    mesh = axes.pcolormesh(
        np.ma.masked_invalid(difference), cmap=shades, norm=norm, edgecolors=PAPER, linewidth=1.5
    )
    mesh.set_rasterized(False)
    cell = 72 * (side - 1.2) / size
    points = float(np.clip(cell / 2.8, 5.0, 11.0))
    for row, column in np.ndindex(size, size):
        value = difference[row, column]
        word = f"{value:+.0f}".replace("-", "−") if np.isfinite(value) else MISSING
        axes.text(
            column + 0.5,
            row + 0.5,
            "0" if word in ("+0", "−0") else word,
            ha="center",
            va="center",
            fontsize=points,
            fontweight="bold" if row == column else "normal",
            color=readable_text_colour(shades(norm(value)) if np.isfinite(value) else NOTHING),
        )
    name_classes(axes, labels, cell)
    return figure
