"""Which emotion was taken for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from emofuse.evaluation.metrics.estimate import MISSING
from emofuse.evaluation.reporting.figures.style import (
    MIDDLE,
    NOTHING,
    PAPER,
    SHADES,
    figure_style,
    new_figure,
    quiet_axes,
    readable_text_colour,
    set_title,
)
from emofuse.evaluation.reporting.printable import printable


@figure_style()
def draw_confusion(
    matrix: ArrayLike, labels: Sequence[str], *, narrow: bool = False, title: str | None = None
) -> Figure:
    """Confusion matrix twice: utterances counted, and each row as percent of its true class.

    Args:
        matrix: (C, C) counts, a row per true class and a column per predicted one.
        labels: the C class names, in the order of the matrix.
        narrow: panels one below the other, for a phone, instead of side by side.
        title: put over the figure.

    Raises:
        ValueError: the matrix is not C × C, or holds a negative or non-finite count.
    """
    counts = _checked(matrix, len(labels))
    side = min(MIDDLE, max(3.4, 1.2 + 0.42 * len(labels)))
    if narrow:
        side = max(side, 4.2)
    figure = new_figure(side if narrow else 2 * side + 0.2, 2 * side if narrow else side + 0.15)
    set_title(figure, title)
    rows, columns = (2, 1) if narrow else (1, 2)
    first, second = figure.subplots(rows, columns)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.full_like(counts, np.nan), where=totals > 0)
    cell = 72 * (side - 1.2) / max(len(labels), 1)
    _panel(first, shares, [[f"{n:.0f}" for n in row] for row in counts], labels, "Utterances", cell)
    _panel(
        second, shares, [[_percent(s) for s in row] for row in shares], labels, "Percent of true class", cell
    )
    return figure


def _checked(matrix: ArrayLike, classes: int) -> NDArray[np.float64]:
    counts = np.asarray(matrix, dtype=np.float64)
    if classes == 0 or counts.shape != (classes, classes):
        raise ValueError(
            f"a confusion matrix of {classes} labels is {classes} × {classes}, not {counts.shape}"
        )
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError("a confusion matrix holds counts: finite and not negative")
    return counts


def _percent(share: float) -> str:
    return f"{100 * share:.0f}" if np.isfinite(share) else MISSING


def _panel(
    axes: Axes,
    shares: NDArray[np.float64],
    words: list[list[str]],
    labels: Sequence[str],
    title: str,
    cell: float,
) -> None:
    """Both panels are shaded by share: a large class would outshine every mistake in a small one."""
    shades = LinearSegmentedColormap.from_list("share", SHADES).with_extremes(bad=NOTHING)
    mesh = axes.pcolormesh(
        np.ma.masked_invalid(shares), cmap=shades, norm=Normalize(0, 1), edgecolors=PAPER, linewidth=1.5
    )
    mesh.set_rasterized(False)
    longest = max(len(word) for row in words for word in row)
    size = float(np.clip(cell / (0.75 * longest + 0.4), 5.0, 11.0))
    for row, line in enumerate(words):
        for column, word in enumerate(line):
            share = shares[row, column]
            ground = shades(share) if np.isfinite(share) else NOTHING
            weight = "bold" if row == column else "normal"
            axes.text(
                column + 0.5,
                row + 0.5,
                word,
                ha="center",
                va="center",
                fontsize=size,
                fontweight=weight,
                color=readable_text_colour(ground),
            )
    name_classes(axes, labels, cell)
    axes.set_title(title)


def name_classes(axes: Axes, labels: Sequence[str], cell: float) -> None:
    """Put the classes along a matrix's sides, true ones from the top; ``cell`` is a cell's width in points."""
    names = [printable(label, 16) for label in labels]
    places = np.arange(len(names)) + 0.5
    size = 9.5 if cell > 20 else 8
    upright = max(len(name) for name in names) * size * 0.62 < cell
    axes.set_xticks(
        places, names, rotation=0 if upright else 45, ha="center" if upright else "right", fontsize=size
    )
    if not upright:
        for name in axes.get_xticklabels():
            name.set_rotation_mode("anchor")
    axes.set_yticks(places, names, fontsize=size)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.invert_yaxis()
    axes.set_aspect("equal")
    quiet_axes(axes)
