"""Figures as files of one pixel: laying one out takes longer than a small training, and is tested by itself.

What calls the drawing still draws; only the writing of the files is short.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from emofuse.evaluation.reporting.figures import save
from emofuse.evaluation.reporting.figures.save import SavedFigure

_TRUE = save.write_figure


def _write_pixel(figure: Figure, path: Path) -> SavedFigure:
    path.parent.mkdir(parents=True, exist_ok=True)
    png, svg = path.parent / f"{path.name}.png", path.parent / f"{path.name}.svg"
    Image.new("RGB", (1, 1)).save(png)
    svg.write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>', encoding="utf-8")
    return SavedFigure(png, svg)


@contextmanager
def quick_figures() -> Iterator[None]:
    """Within it the figures of reports are files of one pixel."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(save, "write_figure", _write_pixel)
        yield


@contextmanager
def true_figures() -> Iterator[None]:
    """Within it they are what users see."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(save, "write_figure", _TRUE)
        yield
