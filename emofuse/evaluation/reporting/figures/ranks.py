"""Mean ranks on a line, methods that do not differ joined by a bar (Demšar 2006, Figure 1)."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emofuse.evaluation.comparison.ranks import RankComparison
from emofuse.evaluation.reporting.figures.style import (
    ACCENT,
    INK,
    MIDDLE,
    MUTED,
    NARROW,
    figure_style,
    new_figure,
    quiet_axes,
    set_title,
)
from emofuse.evaluation.reporting.printable import printable

_ROW = 0.27  # inches
_BAR = 0.13


@figure_style()
def draw_critical_differences(
    comparison: RankComparison, *, narrow: bool = False, title: str | None = None
) -> Figure:
    """A row per method, the best above, a dot at its mean rank; bars below join methods that do not differ.

    Args:
        comparison: of three methods or more.
        narrow: for a phone.
        title: put over the figure.

    Raises:
        ValueError: there is no critical difference.
    """
    width = comparison.critical_difference
    if not np.isfinite(width):
        raise ValueError("a critical difference takes three methods and two blocks")
    ranks, cliques = comparison.ranks, comparison.cliques
    below = _BAR / _ROW * (len(cliques) + 2)
    figure = new_figure(NARROW if narrow else MIDDLE, 0.75 + _ROW * (len(ranks) + below))
    set_title(figure, title)
    axes = figure.subplots()
    axes.set_ylim(len(ranks) - 0.5 + below, -0.6)
    axes.set_yticks(range(len(ranks)), [printable(name, 26) for name in ranks])
    for row, (name, rank) in enumerate(ranks.items()):
        axes.plot([1, rank], [row, row], color=MUTED, linewidth=0.6, zorder=1)
        axes.plot(rank, row, "o", color=ACCENT, markersize=6.5, zorder=3, gid=f"rank-{name}")
        axes.annotate(
            f"{rank:.2f}", (rank, row), xytext=(7, 0), textcoords="offset points", va="center", fontsize=9
        )
    places = list(ranks)
    for number, clique in enumerate(cliques):
        y = len(ranks) - 0.3 + _BAR / _ROW * number
        ends = [ranks[clique[0]], ranks[clique[-1]]]
        axes.plot(ends, [y, y], color=INK, linewidth=3.2, solid_capstyle="butt", gid=f"alike-{number}")
        for name in (clique[0], clique[-1]):
            axes.plot([ranks[name]] * 2, [places.index(name), y], color=MUTED, linewidth=0.5, linestyle=":")
    _ruler(axes, width, len(ranks) - 0.3 + _BAR / _ROW * (len(cliques) + 0.9))
    axes.set_xlim(0.85, max([*ranks.values(), 1 + width]) + 0.09 * len(ranks))
    axes.set_xlabel("mean rank, 1 is the best")
    axes.grid(axis="x")
    quiet_axes(axes)
    return figure


def _ruler(axes: Axes, width: float, y: float) -> None:
    """The critical difference itself, from rank 1 on."""
    axes.plot([1, 1 + width], [y, y], color=ACCENT, linewidth=1.6, marker="|", markersize=7, gid="ruler")
    axes.annotate(
        f"critical difference {width:.2f}",
        (1 + width, y),
        xytext=(6, 0),
        textcoords="offset points",
        va="center",
        fontsize=9,
        color=ACCENT,
    )
