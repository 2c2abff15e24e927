"""What all figures have in common: sizes, type, colours that a colour-blind reader can tell apart."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import matplotlib
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from emofuse.evaluation.metrics.emotion_names import emotion_name
from emofuse.evaluation.reporting.printable import printable

# Inches. At 4 in, 10 pt type is still more than 10 px high on a phone 360 px wide.
NARROW = 4.0
MIDDLE = 5.4
WIDE = 7.2

# Each of these is used for one purpose only, so that a dark theme can swap it by its value.
PAPER = "#fefefe"
INK = "#1f2933"
MUTED = "#66727f"
GRID = "#d9dee5"
ACCENT = "#0072b2"
WARNING = "#b84a00"
DARK_THEME: Mapping[str, str] = MappingProxyType(
    {PAPER: "#161b22", INK: "#e8ecf1", MUTED: "#a3aebb", GRID: "#39424e", WARNING: "#ff9f5c"}
)

# From least to most, and a cell that holds nothing.
SHADES = ("#eef3f8", "#9ec5e3", "#3f8fc5", "#0b4f86", "#062a4f")
NOTHING = "#e3e6ea"

# Okabe and Ito's palette (Color Universal Design, 2008), with a purple and a grey that a deuteranope does
# not take for each other, widened by Paul Tol's schemes.
_EMOTIONS: Mapping[str, str] = MappingProxyType(
    {
        "neutral": "#a3abb4",
        "joy": "#e69f00",
        "sadness": "#0072b2",
        "anger": "#d55e00",
        "surprise": "#aa3377",
        "fear": "#56b4e9",
        "disgust": "#009e73",
        "excitement": "#f0e442",
        "frustration": "#7f5539",
        "contempt": "#332288",
        "boredom": "#999933",
        "calm": "#44aa99",
    }
)
# Labels that are no emotions by themselves still want a colour.
_STAND_INS: Mapping[str, str] = MappingProxyType(
    {"positive": "joy", "negative": "sadness", "other": "contempt"}
)
_SPARE = ("#ddcc77", "#117733", "#6699cc", "#ee8866", "#661100", "#bbcc33", "#aa4499", "#9ad0c2")

# Families with the scripts that matplotlib's own font lacks; used where they are installed.
_WIDER_SCRIPTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans CJK KR",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "Hiragino Sans",
    "Apple SD Gothic Neo",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "Arial Unicode MS",
)


@contextmanager
def figure_style() -> Iterator[None]:
    """Matplotlib settings for drawing and saving; use it as a decorator or in a ``with``."""
    with matplotlib.rc_context(_settings()):
        yield


def _settings() -> Any:  # matplotlib's stubs spell out every key, and differ from release to release
    installed = set(font_manager.get_font_names())
    return {
        "font.family": [
            "DejaVu Sans",
            *(family for family in _WIDER_SCRIPTS if family in installed),
            "sans-serif",
        ],
        "font.size": 10,
        "text.color": INK,
        "text.parse_math": False,  # a label with two dollar signs is a label, not a formula
        "figure.facecolor": PAPER,
        "axes.facecolor": "none",
        "axes.edgecolor": MUTED,
        "axes.labelcolor": INK,
        "axes.labelsize": 9.5,
        "axes.titlesize": 11,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titlecolor": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "xtick.labelsize": 9.5,
        "ytick.labelsize": 9.5,
        "grid.color": GRID,
        "grid.linewidth": 0.8,
        "hatch.linewidth": 1.2,
        "legend.frameon": False,
        "legend.fontsize": 9.5,
        "legend.handlelength": 1.6,
        "svg.fonttype": "none",  # words stay words: found by a search, and shown in the reader's own fonts
        "svg.hashsalt": "emofuse",
        "svg.id": None,
    }


def new_figure(width: float, height: float) -> Figure:
    """An empty figure with its own Agg canvas, ``width`` × ``height`` inches; touches no pyplot state."""
    figure = Figure(figsize=(width, height))
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
    FigureCanvasAgg(figure)
    return figure


def set_title(figure: Figure, title: str | None) -> None:
    """Put ``title`` over the whole figure, if there is one."""
    if title:
        figure.suptitle(printable(title, 90), x=0.01, ha="left", fontsize=12, fontweight="bold")


def quiet_axes(axes: Axes) -> None:
    """Take away the lines and marks that carry no information in a picture of labelled cells or bars."""
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def emotion_colours(labels: Iterable[str]) -> dict[str, str]:
    """Colours for a label set.

    The usual emotions have one colour each, everywhere, whatever language form the corpus uses ("happy"
    is "joy"). Any other label, or a second label with the same sense, takes a colour that is still free.

    Returns:
        label → ``#rrggbb``, distinct for up to twenty labels.
    """
    wanted = list(dict.fromkeys(labels))
    chosen: dict[str, str] = {}
    for label in wanted:
        name = emotion_name(label)
        colour = _EMOTIONS.get(_STAND_INS.get(name, name))
        if colour is not None and colour not in chosen.values():
            chosen[label] = colour
    for label in sorted(set(wanted) - set(chosen)):
        chosen[label] = _free_colour(label, set(chosen.values()))
    return {label: chosen[label] for label in wanted}


def _free_colour(label: str, taken: set[str]) -> str:
    palette = [*_SPARE, *_EMOTIONS.values()]
    free = [colour for colour in palette if colour not in taken]
    if free:
        return free[0]
    # More labels than a palette can tell apart: steady, though no longer distinct.
    return palette[int(hashlib.sha256(label.encode("utf-8", "replace")).hexdigest(), 16) % len(palette)]


def readable_text_colour(colour: Any) -> str:
    """Near-black or white, whichever reads better on ``colour`` (WCAG 2 relative luminance)."""
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#ffffff" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else "#0b0f14"


def lighten(colour: str, part: float = 0.55) -> tuple[float, float, float]:
    """``colour`` mixed with ``part`` of a light grey that shows on white and on black."""
    red, green, blue = (channel * (1 - part) + 0.86 * part for channel in to_rgb(colour))
    return red, green, blue
