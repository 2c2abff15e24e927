"""How far a stated probability can be believed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from emofuse.evaluation.metrics.calibration import ReliabilityBin
from emofuse.evaluation.reporting.figures.style import (
    ACCENT,
    MUTED,
    NARROW,
    PAPER,
    WARNING,
    figure_style,
    new_figure,
    set_title,
)


@figure_style()
def draw_reliability(
    bins: Sequence[ReliabilityBin], *, calibration_error: float | None = None, title: str | None = None
) -> Figure:
    """How often the model is right when it says that it is this sure, and how often it says so.

    Args:
        bins: from :func:`emofuse.evaluation.metrics.calibration.reliability_table`; empty ones are left blank.
        calibration_error: expected calibration error in [0, 1], written into the picture.
        title: put over the figure.

    Raises:
        ValueError: no bin has a prediction in it.
    """
    filled = [each for each in bins if each.count]
    if not filled:
        raise ValueError("no bin has a prediction in it: there is nothing to draw")
    figure = new_figure(NARROW, 5.0 + (0.3 if title else 0))
    set_title(figure, title)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3.2, 1])
    _accuracies(upper, filled)
    if calibration_error is not None and np.isfinite(calibration_error):
        # Above the axes: within them the bars may be anywhere.
        upper.set_title(f"Calibration error {100 * calibration_error:.1f} %")
    for each in filled:
        lower.bar(_middle(each), each.count, width=0.9 * (each.high - each.low), color=MUTED)
    lower.set(xlim=(0, 1), xlabel="probability given to the predicted emotion", ylabel="utterances")
    lower.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    figure.legend(*upper.get_legend_handles_labels(), loc="outside lower left", ncols=1)
    figure.align_ylabels()
    return figure


def _accuracies(axes: Axes, bins: Sequence[ReliabilityBin]) -> None:
    axes.plot(
        [0, 1], [0, 1], color=MUTED, linewidth=1.2, linestyle=(0, (4, 2)), label="as often right as sure"
    )
    for index, each in enumerate(bins):
        bar = axes.bar(_middle(each), each.accuracy, width=0.9 * (each.high - each.low), color=ACCENT)
        bar[0].set_gid(f"bin-{index}")
    axes.plot(
        [each.confidence for each in bins],
        [each.accuracy for each in bins],
        linestyle="none",
        marker="D",
        color=WARNING,
        markeredgecolor=PAPER,
        markersize=6,
        label="mean probability in the bin",
    )
    axes.set(ylim=(0, 1.02), ylabel="part that was right")
    axes.grid(axis="y")


def _middle(each: ReliabilityBin) -> float:
    return (each.low + each.high) / 2
