"""Who felt what, when: a dialogue or a clip as lanes of emotion."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from emofuse.evaluation.reporting.figures.style import (
    NARROW,
    PAPER,
    WIDE,
    emotion_colours,
    figure_style,
    new_figure,
    quiet_axes,
    readable_text_colour,
    set_title,
)
from emofuse.evaluation.reporting.printable import printable

_LANE = 1.0
_STRIP = 0.3
_STACK = 0.5
_GAP = 0.05


@dataclass(frozen=True)
class TimelineSegment:
    """One utterance on the time axis.

    Attributes:
        start: seconds.
        end: seconds, not before ``start``.
        label: the emotion.
        probabilities: emotion → probability; empty when only the label is known.
        speaker: lane it is drawn in.
    """

    start: float
    end: float
    label: str
    probabilities: Mapping[str, float] = field(default_factory=dict)
    speaker: str | None = None


@figure_style()
def draw_timeline(
    segments: Sequence[TimelineSegment],
    *,
    labels: Sequence[str] | None = None,
    narrow: bool = False,
    title: str | None = None,
) -> Figure:
    """A lane per speaker: the emotion of each utterance, and below it how the probability was shared out.

    Args:
        segments: at least one; they may overlap and come in any order.
        labels: order in which the emotions are stacked; by default as they first appear.
        narrow: for a phone.
        title: put over the figure.

    Raises:
        ValueError: there is no segment, or one with times or probabilities that make no sense.
    """
    for segment in segments:
        _check(segment)
    if not segments:
        raise ValueError("a timeline needs at least one segment")
    order = list(dict.fromkeys([*(labels or ()), *_named(segments)]))
    colours = emotion_colours(order)
    lanes = list(dict.fromkeys(segment.speaker for segment in sorted(segments, key=lambda s: s.start)))
    width = NARROW if narrow else WIDE
    figure = new_figure(width, 1.15 + 0.85 * len(lanes) + (0.3 if title else 0) + (0.2 if narrow else 0))
    set_title(figure, title)
    axes = figure.subplots()
    first, last = min(s.start for s in segments), max(s.end for s in segments)
    span = max(last - first, 1e-3)
    for index, segment in enumerate(segments):
        # A segment of no length still happened: it is drawn as a thin line.
        width_shown = max(segment.end - segment.start, 0.004 * span)
        lane = lanes.index(segment.speaker)
        _strip(axes, segment, lane, width_shown, colours, f"segment-{index}", points=72 * (width - 1) / span)
        _stack(axes, segment, lane, width_shown, order, colours)
    axes.set_xlim(first - 0.005 * span, first + 1.005 * span)
    _name_lanes(axes, lanes)
    keys = [Patch(color=colours[label], label=printable(label, 18)) for label in order]
    figure.legend(handles=keys, loc="outside lower left", ncols=3 if narrow else 6, columnspacing=1.2)
    return figure


def _check(segment: TimelineSegment) -> None:
    if not (math.isfinite(segment.start) and math.isfinite(segment.end) and segment.start <= segment.end):
        raise ValueError(f"a segment runs from {segment.start} to {segment.end}: not a span of time")
    values = list(segment.probabilities.values())
    if any(not (0 <= value <= 1 + 1e-6) for value in values) or sum(values) > 1 + 1e-3:
        raise ValueError(f"the probabilities of the segment at {segment.start} s are not a distribution")


def _named(segments: Sequence[TimelineSegment]) -> list[str]:
    return [name for segment in segments for name in (segment.label, *segment.probabilities)]


def _strip(
    axes: Axes,
    segment: TimelineSegment,
    lane: int,
    width: float,
    colours: Mapping[str, str],
    gid: str,
    points: float,
) -> None:
    colour = colours[segment.label]
    height = _STRIP if segment.probabilities else _STRIP + _GAP + _STACK
    box = Rectangle(
        (segment.start, lane * _LANE), width, height, facecolor=colour, edgecolor=PAPER, linewidth=0.8
    )
    box.set_gid(gid)
    axes.add_patch(box)
    word = printable(segment.label, 16)
    if len(word) * 5.4 < width * points:
        middle = (segment.start + width / 2, lane * _LANE + height / 2)
        axes.text(
            *middle,
            word,
            ha="center",
            va="center",
            fontsize=8.5,
            color=readable_text_colour(colour),
            clip_on=True,
        )


def _stack(
    axes: Axes,
    segment: TimelineSegment,
    lane: int,
    width: float,
    order: Sequence[str],
    colours: Mapping[str, str],
) -> None:
    """Probabilities piled from the foot of the lane upwards, in one order throughout."""
    shares = np.array([segment.probabilities.get(label, 0.0) for label in order])
    foot = lane * _LANE + _STRIP + _GAP + _STACK
    tops = foot - _STACK * np.cumsum(shares)
    for label, share, top in zip(order, shares, tops, strict=True):
        if share > 0:
            axes.add_patch(
                Rectangle(
                    (segment.start, top),
                    width,
                    _STACK * share,
                    facecolor=colours[label],
                    edgecolor=PAPER,
                    linewidth=0.5,
                )
            )


def _name_lanes(axes: Axes, lanes: Sequence[str | None]) -> None:
    middles = [lane * _LANE + (_STRIP + _GAP + _STACK) / 2 for lane in range(len(lanes))]
    names = ["" if speaker is None else printable(speaker, 16) for speaker in lanes]
    axes.set_yticks(middles, names, fontweight="bold")
    axes.set_ylim(len(lanes) * _LANE - 0.1, -0.08)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: _clock(seconds)))
    axes.set_xlabel("time")
    axes.grid(axis="x")
    quiet_axes(axes)


def _clock(seconds: float) -> str:
    if abs(seconds) < 60:
        return f"{seconds:g} s"
    return f"{int(seconds // 60)}:{seconds % 60:02.0f}"
