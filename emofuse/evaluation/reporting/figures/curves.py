"""How learning went, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from emofuse.evaluation.reporting.figures.style import (
    ACCENT,
    MUTED,
    NARROW,
    WARNING,
    WIDE,
    figure_style,
    new_figure,
    set_title,
)

_LOSSES = {
    "train_loss": ("training", MUTED, "o", (0, (3, 1.5))),
    "val_loss": ("validation", ACCENT, "s", "solid"),
}
_SCORES = {"val_weighted_f1": ("validation", ACCENT, "s", "solid")}


@figure_style()
def draw_learning_curves(
    history: Mapping[str, Sequence[float | None]],
    *,
    chosen: int | None = None,
    narrow: bool = False,
    title: str | None = None,
) -> Figure:
    """Loss on both parts and weighted F1 on validation, epoch by epoch.

    Args:
        history: ``train_loss``, ``val_loss`` and ``val_weighted_f1`` (a part of one), a value per epoch;
            any may be absent, and None or NaN stands for an epoch in which it was not measured.
        chosen: the epoch whose weights were kept, counted from 1.
        narrow: panels one below the other, for a phone.
        title: put over the figure.

    Raises:
        ValueError: no curve has a value.
    """
    curves = {name: _measured(history[name]) for name in (*_LOSSES, *_SCORES) if name in history}
    curves = {name: values for name, values in curves.items() if np.isfinite(values).any()}
    panels = [names for names in (_LOSSES, _SCORES) if any(name in curves for name in names)]
    if not panels:
        raise ValueError("the history has no value of train_loss, val_loss or val_weighted_f1")
    figure = new_figure(NARROW if narrow or len(panels) == 1 else WIDE, 2.5 * len(panels) if narrow else 2.8)
    set_title(figure, title)
    shape = (len(panels), 1) if narrow else (1, len(panels))
    longest = max(len(values) for values in curves.values())
    for axes, names in zip(figure.subplots(*shape, squeeze=False).flat, panels, strict=True):
        _curves(axes, {name: curves[name] for name in names if name in curves}, names)
        _epochs(axes, longest)
        axes.set_title("Loss" if names is _LOSSES else "Weighted F1, percent")
        if chosen is not None:
            _mark_chosen(axes, chosen)
        if len(names) > 1:
            axes.legend(loc="best")
    return figure


def _measured(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _curves(
    axes: Axes, curves: Mapping[str, NDArray[np.float64]], looks: Mapping[str, tuple[str, str, str, object]]
) -> None:
    for name, values in curves.items():
        label, colour, marker, dashes = looks[name]
        measured = np.isfinite(values)
        scale = 100 if name in _SCORES else 1
        axes.plot(
            np.arange(1, len(values) + 1)[measured],
            values[measured] * scale,
            label=label,
            color=colour,
            marker=marker,
            markersize=4,
            linewidth=1.8,
            linestyle=dashes,
            gid=name,
        )


def _epochs(axes: Axes, count: int) -> None:
    axes.set_xlim(0.5, count + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch")
    axes.grid(axis="y")
    axes.margins(y=0.15)


def _mark_chosen(axes: Axes, chosen: int) -> None:
    axes.axvline(chosen, color=WARNING, linewidth=1.4, linestyle=(0, (4, 2)), zorder=1, gid="chosen")
    left, right = axes.get_xlim()
    late = chosen > (left + right) / 2
    axes.annotate(
        f"kept: epoch {chosen}",
        (chosen, 0.02),
        xycoords=("data", "axes fraction"),
        xytext=(-4 if late else 4, 0),
        textcoords="offset points",
        ha="right" if late else "left",
        va="bottom",
        fontsize=9,
        color=WARNING,
    )
