"""Scores as bars: a row per thing, its name and number above its bar, so that it reads on a phone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from emofuse.evaluation.metrics.estimate import Estimate
from emofuse.evaluation.reporting.figures.style import (
    ACCENT,
    INK,
    MIDDLE,
    MUTED,
    NARROW,
    PAPER,
    WARNING,
    emotion_colours,
    figure_style,
    lighten,
    new_figure,
    quiet_axes,
    set_title,
)
from emofuse.evaluation.reporting.printable import printable

_ROW = 0.52
_MARGIN = 1.15
_NAME_LIFT = 0.3
_NAME_POINTS, _NUMBER_POINTS = 7.0, 5.9  # mean width of a letter, bold at 10 pt and plain at 9.5 pt
_HATCH = "////"


@dataclass(frozen=True)
class Bar:
    """One score to compare.

    Attributes:
        name: what was measured.
        estimate: a score between 0 and 1, with its interval.
        optimistic: the protocol is known to flatter; the bar is hatched and says so.
        ceiling: the best score that can be had by construction, when it is known.
    """

    name: str
    estimate: Estimate
    optimistic: bool = False
    ceiling: float | None = None


@dataclass(frozen=True)
class Cost:
    """Time, memory or size of one thing, in ``unit``; smaller or larger than the baseline's."""

    name: str
    value: float
    unit: str
    baseline: bool = False


@figure_style()
def draw_per_class(
    f1: Mapping[str, Estimate],
    recall: Mapping[str, Estimate],
    support: Mapping[str, int],
    *,
    narrow: bool = False,
    title: str | None = None,
) -> Figure:
    """F1 and recall of every class with their intervals, and how many utterances stand behind them.

    Args:
        f1: class → F1 in [0, 1]; its order is the order of the rows.
        recall: class → recall in [0, 1].
        support: class → utterances in the part that was scored.
        narrow: for a phone.
        title: put over the figure.

    Raises:
        ValueError: the three do not name the same classes.
    """
    if not f1 or set(f1) != set(recall) or set(f1) != set(support):
        raise ValueError("F1, recall and support must name the same classes, at least one")
    colours = emotion_colours(f1)
    figure, axes = _rows(len(f1), narrow, title)
    for row, label in enumerate(f1):
        _bar(axes, row - 0.02, 0.2, f1[label], color=colours[label], gid=f"f1-{row}")
        _bar(axes, row + 0.2, 0.2, recall[label], color=lighten(colours[label]), gid=f"recall-{row}")
        numbers = f"F1 {f1[label].value_text()} · recall {recall[label].value_text()}"
        _caption(axes, row, label, numbers, aside=f"  (n = {support[label]})")
    _share_axis(axes, "percent")
    keys: list[Artist] = [Patch(color=MUTED, label="F1"), Patch(color=lighten(MUTED), label="recall")]
    _legend(figure, [*keys, *_interval_key([*f1.values(), *recall.values()])])
    return figure


@figure_style()
def draw_modalities(
    bars: Sequence[Bar],
    *,
    metric: str = "weighted F1",
    chance: float | None = None,
    chance_name: str = "majority class",
    narrow: bool = False,
    title: str | None = None,
) -> Figure:
    """What each modality gives alone, and what they give together.

    Args:
        bars: one per set of modalities; a bar's ceiling is marked with a dashed line across it.
        metric: name of the score on the axis.
        chance: score of a trivial guess, drawn as a dotted line through all rows.
        chance_name: what that guess is.
        narrow: for a phone.
        title: put over the figure.
    """
    return _compare(bars, metric, (chance_name, chance) if chance is not None else None, narrow, title)


@figure_style()
def draw_protocols(
    bars: Sequence[Bar], *, metric: str = "weighted F1", narrow: bool = False, title: str | None = None
) -> Figure:
    """The same system under several protocols; optimistic ones are hatched and say so beside the number."""
    return _compare(bars, metric, None, narrow, title)


@figure_style()
def draw_costs(costs: Sequence[Cost], *, narrow: bool = False, title: str | None = None) -> Figure:
    """Time, memory or size as multiples of the baseline's, the value itself beside each.

    Raises:
        ValueError: there is not exactly one baseline, or it is not a positive finite number.
    """
    baselines = [cost.value for cost in costs if cost.baseline]
    if len(baselines) != 1 or not (math.isfinite(baselines[0]) and baselines[0] > 0):
        raise ValueError("exactly one row must be the baseline, with a positive finite value")
    figure, axes = _rows(len(costs), narrow, title)
    for row, cost in enumerate(costs):
        ratio = cost.value / baselines[0]
        _bar(
            axes,
            row + 0.1,
            0.34,
            Estimate(ratio),
            color=MUTED if cost.baseline else ACCENT,
            gid=f"cost-{row}",
        )
        shown = f"{ratio:.2f}×" if math.isfinite(ratio) else "not measured"
        value = f" · {cost.value:.3g} {printable(cost.unit, 12)}" if math.isfinite(ratio) else ""
        _caption(axes, row, cost.name, shown + value)
    axes.axvline(1, color=INK, linewidth=1, linestyle=(0, (1, 1.5)))
    ratios = [cost.value / baselines[0] for cost in costs if math.isfinite(cost.value)]
    axes.set_xlim(0, 1.05 * max(ratios))
    axes.set_xlabel("multiples of the baseline (dotted line)")
    return figure


def _compare(
    bars: Sequence[Bar], metric: str, chance: tuple[str, float] | None, narrow: bool, title: str | None
) -> Figure:
    if not bars:
        raise ValueError("there is nothing to compare: give at least one bar")
    figure, axes = _rows(len(bars), narrow, title)
    numbers = _numbers(bars, _room(figure))
    best = max(range(len(bars)), key=lambda i: bars[i].estimate.value if bars[i].estimate.defined else -1.0)
    for row, bar in enumerate(bars):
        # Colour says which kind of number this is, never which emotion, so bars share one hue.
        paint: dict[str, Any] = {"color": ACCENT if row == best else lighten(ACCENT, 0.45)}
        if bar.optimistic:
            paint = {"facecolor": lighten(WARNING, 0.6), "edgecolor": WARNING, "hatch": _HATCH}
        _bar(axes, row + 0.1, 0.34, bar.estimate, gid=f"bar-{row}", **paint)
        _mark_ceiling(axes, row, bar.ceiling)
        _caption(axes, row, bar.name, numbers[row], colour=WARNING if bar.optimistic else INK)
    keys = _compare_keys(bars)
    if chance is not None:
        line: dict[str, Any] = {"color": MUTED, "linewidth": 1.4, "linestyle": (0, (1, 1.5))}
        axes.axvline(chance[1], zorder=3, **line)
        keys.append(Line2D([], [], label=f"{chance[0]} ({100 * chance[1]:.1f})", **line))
    _share_axis(axes, f"{printable(metric, 30)}, percent")
    _legend(figure, keys)
    return figure


def _compare_keys(bars: Sequence[Bar]) -> list[Artist]:
    keys = _interval_key([bar.estimate for bar in bars])
    if any(bar.ceiling is not None for bar in bars):
        keys.append(Line2D([], [], color=INK, linewidth=1.8, linestyle=(0, (2.2, 1.2)), label="ceiling"))
    if any(bar.optimistic for bar in bars):
        keys.append(
            Patch(facecolor=lighten(WARNING, 0.6), edgecolor=WARNING, hatch=_HATCH, label="optimistic")
        )
    return keys


def _numbers(bars: Sequence[Bar], room: float) -> list[str]:
    """What stands at the right of each row; where names are long, intervals are left to the whiskers."""
    full = [_number(bar, bar.estimate.spread_text()) for bar in bars]
    fits = all(
        len(bar.name) * _NAME_POINTS + len(number) * _NUMBER_POINTS <= room
        for bar, number in zip(bars, full, strict=True)
    )
    return full if fits else [_number(bar, "") for bar in bars]


def _number(bar: Bar, spread: str) -> str:
    words = bar.estimate.value_text() + (f" ({spread})" if spread else "")
    return f"{words} optimistic" if bar.optimistic else words


def _room(figure: Figure) -> float:
    """Points between the edges of the axes, a little less than the figure is wide."""
    return 72 * figure.get_figwidth() - 20


def _rows(count: int, narrow: bool, title: str | None) -> tuple[Figure, Axes]:
    figure = new_figure(NARROW if narrow else MIDDLE, _MARGIN + _ROW * count + (0.3 if title else 0))
    set_title(figure, title)
    axes = figure.subplots()
    axes.set_ylim(count - 0.55, -0.55)
    axes.set_yticks([])
    axes.grid(axis="x")
    quiet_axes(axes)
    return figure, axes


def _bar(axes: Axes, middle: float, height: float, estimate: Estimate, *, gid: str, **paint: Any) -> None:
    """A bar and its whisker; an undefined score leaves its place empty."""
    if not estimate.defined:
        return
    (drawn,) = axes.barh(middle, estimate.value, height=height, **paint)
    drawn.set_gid(gid)
    if estimate.whisker is not None:
        ends = list(estimate.whisker)
        axes.plot(ends, [middle, middle], color=PAPER, linewidth=2.6, solid_capstyle="butt", zorder=4)
        axes.plot(ends, [middle, middle], color=INK, linewidth=1.3, marker="|", markersize=5, zorder=5)


def _mark_ceiling(axes: Axes, row: int, ceiling: float | None) -> None:
    if ceiling is not None and math.isfinite(ceiling):
        axes.plot(
            [ceiling, ceiling],
            [row - 0.16, row + 0.36],
            color=INK,
            linewidth=1.8,
            linestyle=(0, (2.2, 1.2)),
            zorder=6,
            gid=f"ceiling-{row}",
        )


def _caption(axes: Axes, row: int, name: str, number: str, *, aside: str = "", colour: str = INK) -> None:
    """Name on the left, as much of it as fits, number on the right."""
    figure = axes.get_figure(root=True)
    points = _room(figure) if figure is not None else math.inf
    room = int((points - _NUMBER_POINTS * len(number)) / _NAME_POINTS) - len(aside)
    name = printable(name, max(room, 6)) + aside
    look: dict[str, Any] = {
        "transform": axes.get_yaxis_transform(),  # x as a part of the axes' width, y in rows
        "va": "center",
        "zorder": 7,
        "bbox": {"facecolor": PAPER, "edgecolor": "none", "pad": 0.8},  # lines do not cross the words
    }
    axes.text(0, row - _NAME_LIFT, name, ha="left", fontweight="bold", **look)
    axes.text(1, row - _NAME_LIFT, number, ha="right", fontsize=9.5, color=colour, **look)


def _share_axis(axes: Axes, name: str) -> None:
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1], ["0", "20", "40", "60", "80", "100"])
    axes.set_xlabel(name)


def _interval_key(estimates: Sequence[Estimate]) -> list[Artist]:
    kinds = []
    if any(estimate.low is not None for estimate in estimates):
        kinds.append("95 % interval")
    if any(estimate.low is None and estimate.whisker is not None for estimate in estimates):
        kinds.append("± sd")
    look: dict[str, Any] = {"color": INK, "linewidth": 1.3, "marker": "|", "markersize": 6}
    return [Line2D([], [], label=" or ".join(kinds), **look)] if kinds else []


def _legend(figure: Figure, keys: Sequence[Artist]) -> None:
    if keys:
        columns = 2 if len(keys) > 2 and figure.get_figwidth() < MIDDLE else 4
        figure.legend(handles=list(keys), loc="outside lower left", ncols=columns, columnspacing=1.2)
