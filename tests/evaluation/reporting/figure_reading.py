"""What a test reads back from a figure: its words, its bars by name, its pixels."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image

SVG = "{http://www.w3.org/2000/svg}"


def words(figure: Figure) -> list[str]:
    """Every text that is shown, legends and axes among it."""
    figure.draw_without_rendering()
    return [t.get_text() for t in figure.findobj(Text) if t.get_visible() and t.get_text()]


def named(figure: Figure, name: str) -> Artist:
    """The one artist with this group id."""
    (found,) = [artist for artist in figure.findobj() if artist.get_gid() == name]
    return found


def bar(figure: Figure, name: str) -> Rectangle:
    found = named(figure, name)
    assert isinstance(found, Rectangle)
    return found


def svg_words(path: Path) -> list[str]:
    tree = ElementTree.parse(path)
    return ["".join(node.itertext()) for node in tree.iter(f"{SVG}text")]


def pixels(figure: Figure) -> np.ndarray:
    """(H, W, 3) as drawn."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=60)
    return np.asarray(Image.open(drawn).convert("RGB"))


def extent(figure: Figure, text: Text):
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    return text.get_window_extent(canvas.get_renderer())
