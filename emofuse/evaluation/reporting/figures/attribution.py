"""How much each modality moved a prediction."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from emofuse.evaluation.reporting.figures.style import (
    ACCENT,
    INK,
    MIDDLE,
    NARROW,
    PAPER,
    WARNING,
    figure_style,
    lighten,
    new_figure,
    quiet_axes,
    set_title,
)
from emofuse.evaluation.reporting.printable import printable

_ROW = 0.62
_MARGIN = 1.35


@figure_style()
def draw_attribution(
    shapley: Mapping[str, float],
    leave_one_out: Mapping[str, float],
    *,
    label: str,
    nothing: float,
    everything: float,
    narrow: bool = False,
    title: str | None = None,
) -> Figure:
    """Changes of a class's probability by each modality, as bars to either side of zero.

    Args:
        shapley: modality → Shapley value, a difference of probabilities.
        leave_one_out: modality → change when it joins all the others.
        label: the class.
        nothing: its probability without any modality; with the Shapley values it sums to ``everything``.
        everything: its probability with all of them.
        narrow: for a phone.
        title: put over the figure.

    Raises:
        ValueError: there is no modality, or the two do not name the same ones.
    """
    if not shapley or set(shapley) != set(leave_one_out):
        raise ValueError(
            "Shapley values and leave-one-out changes must name the same modalities, at least one"
        )
    figure = new_figure(NARROW if narrow else MIDDLE, _MARGIN + _ROW * len(shapley) + (0.3 if title else 0))
    set_title(figure, title)
    axes = figure.subplots()
    axes.set_ylim(len(shapley) - 0.5, -0.62)
    axes.set_yticks([])
    axes.grid(axis="x")
    quiet_axes(axes)
    reach = max(0.05, *(abs(value) for each in (shapley, leave_one_out) for value in each.values()))
    axes.set_xlim(-1.08 * reach, 1.08 * reach)
    for row, (modality, value) in enumerate(shapley.items()):
        colour = ACCENT if value >= 0 else WARNING
        axes.barh(row - 0.02, value, height=0.22, color=colour, gid=f"shapley-{row}")
        other = leave_one_out[modality]
        shade = lighten(ACCENT if other >= 0 else WARNING)
        axes.barh(row + 0.21, other, height=0.18, color=shade, gid=f"leave-one-out-{row}")
        look = {
            "transform": axes.get_yaxis_transform(),
            "va": "center",
            "zorder": 7,
            "bbox": {"facecolor": PAPER, "edgecolor": "none", "pad": 0.8},
        }
        axes.text(0, row - 0.33, printable(modality, 20), ha="left", fontweight="bold", **look)  # type: ignore[arg-type]
        numbers = f"{_points(value)} · joining last {_points(other)}"
        axes.text(1, row - 0.33, numbers, ha="right", fontsize=9.5, **look)  # type: ignore[arg-type]
    axes.axvline(0, color=INK, linewidth=1)
    axes.xaxis.set_major_formatter(lambda value, place: _points(value, digits=0))
    axes.set_xlabel(
        f"change of the probability of “{printable(label, 20)}”, points\n"
        f"given nothing {100 * nothing:.0f} %, given everything {100 * everything:.0f} %"
    )
    keys = [
        Patch(color=ACCENT, label="Shapley value"),
        Patch(color=lighten(ACCENT), label="joining last"),
    ]
    figure.legend(handles=keys, loc="outside lower left", ncols=2, columnspacing=1.2)
    return figure


def _points(value: float, digits: int = 1) -> str:
    text = f"{100 * value:+.{digits}f}"
    return ("0" if float(text) == 0 else text).replace("-", "−")
