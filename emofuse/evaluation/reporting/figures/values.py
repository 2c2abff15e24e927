"""What was said against what was true, where both are numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from emofuse.evaluation.reporting.figures.style import (
    ACCENT,
    MUTED,
    NARROW,
    figure_style,
    new_figure,
    set_title,
)


@figure_style()
def draw_values(true: Sequence[float], predicted: Sequence[float], *, title: str | None = None) -> Figure:
    """A point per utterance; on the diagonal the prediction is right.

    Args:
        true: N values.
        predicted: N values.
        title: put over the figure.

    Raises:
        ValueError: there is no point.
    """
    x, y = np.asarray(true, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if not len(x):
        raise ValueError("there is no utterance to draw")
    figure = new_figure(NARROW, NARROW + (0.3 if title else 0))
    set_title(figure, title)
    axes = figure.subplots()
    ends = min(x.min(), y.min()), max(x.max(), y.max())
    margin = 0.05 * (ends[1] - ends[0]) or 1.0
    limits = ends[0] - margin, ends[1] + margin
    axes.plot(limits, limits, color=MUTED, linewidth=1.2, linestyle=(0, (4, 2)), gid="diagonal")
    axes.plot(
        x,
        y,
        linestyle="none",
        marker="o",
        markersize=4,
        color=ACCENT,
        alpha=0.5,
        markeredgewidth=0,
        gid="points",
    )
    axes.set(xlim=limits, ylim=limits, xlabel="true value", ylabel="predicted value")
    axes.set_aspect("equal")
    axes.grid()
    return figure
