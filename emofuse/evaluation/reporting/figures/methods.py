"""Methods side by side: a row per score or emotion, a dot with its whisker per method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from emofuse.evaluation.metrics.estimate import Estimate
from emofuse.evaluation.reporting.figures.style import (
    INK,
    MIDDLE,
    MUTED,
    NARROW,
    PAPER,
    figure_style,
    new_figure,
    quiet_axes,
    set_title,
)
from emofuse.evaluation.reporting.printable import printable

# Okabe and Ito's palette again; shapes distinguish the methods where the colours come round.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#aa3377", "#56b4e9", "#7f5539", "#332288", "#999933")
_MARKERS = ("o", "s", "D", "^", "v", "P", "X")
_SIDE = 0.15  # inches between two methods of a row


@figure_style()
def draw_method_scores(
    scores: Mapping[str, Mapping[str, Estimate]],
    *,
    axis: str = "percent",
    optimistic: Sequence[str] = (),
    narrow: bool = False,
    title: str | None = None,
) -> Figure:
    """Scores of several methods, as dots with their intervals or standard deviations.

    Args:
        scores: row (a metric, or an emotion) → method → score in [0, 1]; every row names the same methods.
        axis: name of the axis.
        optimistic: methods whose numbers flatter; the legend says so.
        narrow: for a phone.
        title: put over the figure.

    Raises:
        ValueError: there is nothing to draw, or the rows do not name the same methods.
    """
    methods = _methods(scores)
    figure, axes = _rows(scores, len(methods), narrow, title)
    _dots(axes, scores, methods)
    _percent_axis(axes, [e for row in scores.values() for e in row.values()])
    axes.set_xlabel(axis)
    _legend(figure, methods, optimistic, len(methods) > 1)
    return figure


@figure_style()
def draw_differences(
    differences: Mapping[str, Mapping[str, Estimate]],
    first: str,
    *,
    narrow: bool = False,
    title: str | None = None,
) -> Figure:
    """How much every method is better (right of the line) or worse than the first one, with intervals.

    Args:
        differences: metric → method → difference to the first, parts of one.
        first: name of the method that stands at the line.
        narrow: for a phone.
        title: put over the figure.

    Raises:
        ValueError: there is nothing to draw, or the rows do not name the same methods.
    """
    methods = _methods(differences)
    figure, axes = _rows(differences, len(methods), narrow, title)
    axes.axvline(0, color=INK, linewidth=1.2, zorder=2)
    # The first method's colour stays its own, so that a method looks the same in all figures of a page.
    _dots(axes, differences, [first, *methods])
    ends = [
        end for row in differences.values() for e in row.values() for end in (e.whisker or (e.value,) * 2)
    ]
    reach = 1.1 * max((abs(end) for end in ends if np.isfinite(end)), default=0.0) or 0.01
    axes.set_xlim(-reach, reach)
    axes.xaxis.set_major_formatter(lambda value, _: _signed(100 * value))
    axes.set_xlabel("difference in points")
    _legend(figure, [first, *methods], (), True, line_first=True)
    return figure


def _methods(scores: Mapping[str, Mapping[str, Estimate]]) -> list[str]:
    rows = list(scores.values())
    if not rows or not rows[0] or any(set(row) != set(rows[0]) for row in rows):
        raise ValueError("every row must name the same methods, at least one")
    return list(rows[0])


def _rows(
    scores: Mapping[str, Mapping[str, Estimate]], methods: int, narrow: bool, title: str | None
) -> tuple[Figure, Axes]:
    step = max(0.3, _SIDE * methods + 0.12)
    legend = 0.24 * (methods if narrow else (methods + 1) // 2)
    figure = new_figure(NARROW if narrow else MIDDLE, 0.85 + step * len(scores) + legend)
    set_title(figure, title)
    axes = figure.subplots()
    axes.set_ylim(len(scores) - 0.5, -0.5)
    axes.set_yticks(range(len(scores)), [printable(name, 24) for name in scores])
    for row in range(1, len(scores)):
        axes.axhline(row - 0.5, color=MUTED, linewidth=0.4)
    axes.grid(axis="x")
    quiet_axes(axes)
    return figure, axes


def _dots(axes: Axes, scores: Mapping[str, Mapping[str, Estimate]], methods: Sequence[str]) -> None:
    shown = [method for method in methods if method in next(iter(scores.values()))]
    height = 0.8 / len(shown)
    for (row, estimates), method in product(enumerate(scores.values()), shown):
        estimate = estimates[method]
        if not estimate.defined:
            continue
        colour, marker = _look(methods.index(method))
        y = row - 0.4 + height * (shown.index(method) + 0.5)
        if estimate.whisker is not None:
            axes.plot(estimate.whisker, [y, y], color=colour, linewidth=1.8, solid_capstyle="butt", zorder=3)
        (dot,) = axes.plot(estimate.value, y, marker=marker, color=colour, markersize=6.5, zorder=4)
        dot.set(markeredgecolor=PAPER, markeredgewidth=0.7, gid=f"dot-{row}-{methods.index(method)}")


def _look(number: int) -> tuple[str, str]:
    return _COLOURS[number % len(_COLOURS)], _MARKERS[number % len(_MARKERS)]


def _percent_axis(axes: Axes, estimates: Sequence[Estimate]) -> None:
    """From a round number below the lowest whisker to one above the highest: differences must be seen."""
    ends = [end for e in estimates for end in (e.whisker or (e.value, e.value)) if np.isfinite(end)]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    axes.set_xlim(max(0.0, np.floor(low * 10) / 10), min(1.0, np.ceil(high * 10 + 1e-9) / 10))
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}")


def _signed(points: float) -> str:
    return f"{points:+.3g}".replace("-", "−") if abs(points) > 1e-9 else "0"


def _legend(
    figure: Figure,
    methods: Sequence[str],
    optimistic: Sequence[str],
    wanted: bool,
    *,
    line_first: bool = False,
) -> None:
    if not wanted:
        return
    keys = []
    for number, method in enumerate(methods):
        colour, marker = (INK, "") if line_first and number == 0 else _look(number)
        name = printable(method, 26) + (" (optimistic)" if method in optimistic else "")
        keys.append(Line2D([], [], color=colour, marker=marker, markeredgecolor=PAPER, label=name))
    columns = 1 if figure.get_figwidth() < MIDDLE else 2
    figure.legend(handles=keys, loc="outside lower left", ncols=columns, columnspacing=1.2)
