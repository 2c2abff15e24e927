"""Scores over a grid of settings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from emofuse.evaluation.metrics.estimate import MISSING
from emofuse.evaluation.reporting.figures.style import (
    ACCENT,
    INK,
    MIDDLE,
    NARROW,
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
def draw_sweep_line(
    name: str,
    values: Sequence[str],
    scores: ArrayLike,
    *,
    metric: str,
    less_is_better: bool = False,
    narrow: bool = False,
    title: str | None = None,
) -> Figure:
    """Scores at each value of one setting, evenly spaced, the best marked.

    Args:
        name: of the setting.
        values: K of them, in words.
        scores: (K,), NaN where there is none.
        metric: what the scores are.
        less_is_better: the best is the smallest.
        narrow: for a phone.
        title: put over the figure.

    Raises:
        ValueError: there are not K scores, or none at all.
    """
    heights = _checked(scores, (len(values),))
    figure = new_figure(NARROW if narrow else MIDDLE, 3.1)
    set_title(figure, title)
    axes = figure.subplots()
    places = np.arange(len(values))
    axes.plot(places, heights, color=ACCENT, marker="o", markersize=5, linewidth=1.8, gid="scores")
    best = _best(heights, less_is_better)[0]
    axes.plot(best, heights[best], "o", markersize=11, mfc="none", mec=INK, mew=1.6, gid="best")
    axes.annotate(
        _number(heights[best]),
        (best, heights[best]),
        xytext=(0, -16 if less_is_better else 9),
        textcoords="offset points",
        ha="center",
        fontweight="bold",
    )
    axes.margins(x=0.08, y=0.22)
    axes.set_xticks(places, [printable(value, 12) for value in values])
    axes.set_xlabel(printable(name, 40))
    axes.set_ylabel(printable(metric, 60), wrap=True)
    axes.grid(axis="y")
    return figure


@figure_style()
def draw_sweep_map(
    names: tuple[str, str],
    values: tuple[Sequence[str], Sequence[str]],
    scores: ArrayLike,
    *,
    metric: str,
    less_is_better: bool = False,
    narrow: bool = False,
    title: str | None = None,
) -> Figure:
    """Scores at each pair of values of two settings, darker where better, the best framed.

    Args:
        names: of the settings: down, and across.
        values: R and C of them, in words.
        scores: (R, C), NaN where there is none.
        metric: what the scores are.
        less_is_better: the best is the smallest.
        narrow: for a phone.
        title: put over the figure.

    Raises:
        ValueError: there are not R × C scores, or none at all.
    """
    shape = (len(values[0]), len(values[1]))
    heights = _checked(scores, shape)
    figure = new_figure(NARROW if narrow else MIDDLE, 1.5 + 0.42 * shape[0])
    set_title(figure, title)
    axes = figure.subplots()
    low, high = float(np.nanmin(heights)), float(np.nanmax(heights))
    spread = Normalize(low, high if high > low else low + 1)
    shades = LinearSegmentedColormap.from_list("score", SHADES[::-1] if less_is_better else SHADES)
    colours = shades.with_extremes(bad=NOTHING)
    mesh = axes.pcolormesh(
        np.ma.masked_invalid(heights), cmap=colours, norm=spread, edgecolors=PAPER, linewidth=1.5
    )
    mesh.set_rasterized(False)
    size = float(np.clip(72 * (NARROW if narrow else MIDDLE) / (4.2 * (shape[1] + 1)), 6, 10.5))
    best = _best(heights, less_is_better)
    for row, column in np.ndindex(shape):
        score = float(heights[row, column])
        ground = colours(spread(score)) if np.isfinite(score) else NOTHING
        axes.text(
            column + 0.5,
            row + 0.5,
            _number(score),
            ha="center",
            va="center",
            fontsize=size,
            fontweight="bold" if (row, column) == best else "normal",
            color=readable_text_colour(ground),
        )
    corner = np.array([best[1], best[1] + 1, best[1] + 1, best[1], best[1]])
    axes.plot(
        corner,
        [best[0], best[0], best[0] + 1, best[0] + 1, best[0]],
        color=INK,
        linewidth=2.2,
        clip_on=False,
        gid="best",
    )
    axes.set_xticks(np.arange(shape[1]) + 0.5, [printable(value, 12) for value in values[1]])
    axes.set_yticks(np.arange(shape[0]) + 0.5, [printable(value, 12) for value in values[0]])
    axes.set_xlabel(f"{printable(names[1], 40)}\n{printable(metric, 70)}")
    axes.set_ylabel(printable(names[0], 40))
    axes.invert_yaxis()
    quiet_axes(axes)
    return figure


def _checked(scores: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    heights = np.asarray(scores, dtype=np.float64)
    if heights.shape != shape or not np.isfinite(heights).any():
        raise ValueError(
            f"a sweep of {shape} values has as many scores and one at least, not {heights.shape}"
        )
    return heights


def _best(heights: NDArray[np.float64], less: bool) -> tuple[int, ...]:
    place = np.nanargmin(heights) if less else np.nanargmax(heights)
    return tuple(int(i) for i in np.unravel_index(place, heights.shape))


def _number(score: float) -> str:
    if not np.isfinite(score):
        return MISSING
    return f"{score:.1f}" if abs(score) >= 10 else f"{score:.3f}"
