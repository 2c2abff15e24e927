"""One score of many methods, a row each: a dot with its interval, and beside it what an optimistic choice would give."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from emofuse.evaluation.metrics.estimate import Estimate
from emofuse.evaluation.reporting.figures.style import (
    ACCENT,
    MIDDLE,
    MUTED,
    NARROW,
    PAPER,
    WARNING,
    figure_style,
    new_figure,
    quiet_axes,
    set_title,
)
from emofuse.evaluation.reporting.printable import printable

_ROW = 0.29  # inches


@figure_style()
def draw_forest(
    scores: Mapping[str, Estimate],
    *,
    axis: str,
    baselines: Collection[str] = (),
    optimistic: Mapping[str, Estimate] | None = None,
    narrow: bool = False,
    title: str | None = None,
) -> Figure:
    """Scores of methods in the order given, the first above.

    Args:
        scores: method → score, in percent where it is a part of one.
        axis: name of the score.
        baselines: methods that are drawn in grey.
        optimistic: method → the score that an optimistic choice would give, drawn hollow.
        narrow: for a phone.
        title: put over the figure.

    Raises:
        ValueError: there is nothing to draw.
    """
    if not scores:
        raise ValueError("a figure of scores needs one")
    flattering = optimistic or {}
    figure = new_figure(NARROW if narrow else MIDDLE, 0.85 + _ROW * (len(scores) + 1.5 * bool(flattering)))
    set_title(figure, title)
    axes = figure.subplots()
    scale = 100 if next(iter(scores.values())).share else 1
    for row, (name, estimate) in enumerate(scores.items()):
        colour = MUTED if name in baselines else ACCENT
        if estimate.whisker is not None:
            ends = [scale * end for end in estimate.whisker]
            axes.plot(ends, [row, row], color=colour, linewidth=1.8, solid_capstyle="butt", zorder=2)
        if estimate.defined:
            (dot,) = axes.plot(scale * estimate.value, row, "o", color=colour, markersize=6.5, zorder=4)
            dot.set(markeredgecolor=PAPER, markeredgewidth=0.7, gid=f"score-{name}")
        if name in flattering and flattering[name].defined:
            axes.plot(
                scale * flattering[name].value,
                row,
                "D",
                mfc="none",
                mec=WARNING,
                mew=1.4,
                markersize=6,
                zorder=3,
                gid=f"optimistic-{name}",
            )
    axes.set_ylim(len(scores) - 0.5, -0.6)
    axes.set_yticks(range(len(scores)), [printable(name, 26) for name in scores])
    axes.set_xlabel(f"{axis}{', percent' if scale == 100 else ''}")
    axes.grid(axis="x")
    quiet_axes(axes)
    if flattering:
        keys = [
            Line2D(
                [], [], color=ACCENT, marker="o", markeredgecolor=PAPER, label="epoch chosen on validation"
            ),
            Line2D(
                [],
                [],
                linestyle="none",
                marker="D",
                mfc="none",
                mec=WARNING,
                label="best test epoch (optimistic)",
            ),
        ]
        figure.legend(handles=keys, loc="outside lower left", ncols=1 if narrow else 2)
    if scale == 100:  # shares end at 0 and 100, whatever the margins
        low, high = axes.get_xlim()
        axes.set_xlim(max(low, 0), min(high, 101))
    return figure
