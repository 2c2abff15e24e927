"""How much of each step of a modality a gate let pass, under the transcript."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from emofuse.evaluation.reporting.figures.style import (
    ACCENT,
    GRID,
    NARROW,
    WIDE,
    figure_style,
    lighten,
    new_figure,
    set_title,
)
from emofuse.evaluation.reporting.printable import printable

_PANEL = 1.35
_MOST_WORDS = {False: 40, True: 18}


class GateCurve(NamedTuple):
    """The steps of one modality.

    Attributes:
        mean: (T,) between 0 and 1, how much of a step passed.
        low: (T,) and ``high``: what lies between is the spread over the features.
        high: see ``low``.
        counted: (T,) bool, False for steps that the mask left out.
        words: (T,) under the steps of a text; empty for others.
        seconds: that the steps last together; None where they have no times.
    """

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    counted: NDArray[np.bool_]
    words: Sequence[str]
    seconds: float | None


@figure_style()
def draw_gates(
    curves: Mapping[str, GateCurve],
    *,
    transcript: str | None = None,
    narrow: bool = False,
    title: str | None = None,
) -> Figure:
    """A panel per modality: the mean gate of each step with its spread; steps that do not count are grey.

    Args:
        curves: modality → its steps, at least one.
        transcript: what was said, over the panels.
        narrow: for a phone.
        title: put over the figure.

    Raises:
        ValueError: there is no modality, or one without steps or with lengths that differ.
    """
    if not curves or any(len({len(part) for part in c[:4]}) > 1 or not len(c.mean) for c in curves.values()):
        raise ValueError("gates need a modality, and as many means, spreads and masks as it has steps")
    width = NARROW if narrow else WIDE
    lines = textwrap.wrap(f"“{printable(transcript, 300)}”", 44 if narrow else 84) if transcript else []
    worded = sum(1 for curve in curves.values() if _has_labels(curve, narrow))
    figure = new_figure(width, 0.75 + 0.2 * len(lines) + _PANEL * len(curves) + 0.45 * worded)
    set_title(figure, title)
    panels = figure.subplots(len(curves), 1, squeeze=False)[:, 0]
    panels[0].set_title("\n".join(lines), fontsize=10, fontweight="normal", fontstyle="italic", pad=8)
    for axes, (modality, curve) in zip(panels, curves.items(), strict=True):
        _panel(axes, modality, curve, narrow)
    if list(curves.values())[-1].seconds:
        panels[-1].set_xlabel("seconds")
    keys = [
        Patch(color=ACCENT, label="mean gate"),
        Patch(color=lighten(ACCENT), label="10th–90th percentile"),
        Patch(color=GRID, label="masked out"),
    ]
    figure.legend(
        handles=keys[:2] if all(c.counted.all() for c in curves.values()) else keys,
        loc="outside lower left",
        ncols=2 if narrow else 3,
        columnspacing=1.2,
    )
    return figure


def _panel(axes: Axes, modality: str, curve: GateCurve, narrow: bool) -> None:
    steps = len(curve.mean)
    edges = np.linspace(0.0, curve.seconds if curve.seconds else steps, steps + 1)
    for i in np.flatnonzero(~curve.counted):
        axes.axvspan(edges[i], edges[i + 1], color=GRID, linewidth=0, gid=f"masked-{modality}-{i}")
    # A step that is masked out has no gate: a gap, not a fall to zero.
    mean, low, high = (np.where(curve.counted, part, np.nan) for part in (curve.mean, curve.low, curve.high))
    for i in np.flatnonzero(curve.counted):
        axes.fill_between(edges[i : i + 2], low[i], high[i], color=lighten(ACCENT), linewidth=0)
    axes.stairs(mean, edges, baseline=None, color=ACCENT, linewidth=2, gid=f"gate-{modality}")
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1])
    axes.grid(axis="y")
    axes.set_ylabel(printable(modality, 14), fontweight="bold")
    if curve.seconds:
        return
    if _has_labels(curve, narrow):
        middles = (edges[:-1] + edges[1:]) / 2
        axes.set_xticks(middles, [printable(w, 12) for w in curve.words], rotation=60, ha="right", fontsize=8)
        for name in axes.get_xticklabels():
            name.set_rotation_mode("anchor")
    elif steps == 1:
        axes.set_xticks([0.5], ["the text as one step"])
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("step")


def _has_labels(curve: GateCurve, narrow: bool) -> bool:
    return not curve.seconds and 1 < len(curve.words) <= _MOST_WORDS[narrow]
