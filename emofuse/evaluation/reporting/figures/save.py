"""A figure as files: the same input gives the same bytes."""

from __future__ import annotations

import io
import re
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

from matplotlib.figure import Figure

from emofuse.data.atomic import write_text_aside, written_aside
from emofuse.evaluation.reporting.figures.style import DARK_THEME, figure_style

_DOTS_PER_INCH = 200


@dataclass(frozen=True)
class SavedFigure:
    """Where a figure was written, and where its variant for a narrow screen was, if it has one."""

    png: Path
    svg: Path
    narrow: SavedFigure | None = None


def save_figure(figure: Figure, folder: Path, name: str, narrow: Figure | None = None) -> SavedFigure:
    """Write ``figure`` as ``<name>.png`` and ``<name>.svg``.

    The SVG keeps its words as text and changes to a dark theme where the reader's device asks for one.

    Args:
        figure: what to write.
        folder: made if it is missing.
        name: file name without suffix; letters, digits, ``-``, ``_`` and ``.``.
        narrow: the same picture laid out for a phone, written as ``<name>-narrow``.

    Raises:
        ValueError: ``name`` is not a plain file name.
    """
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError(f"{name!r} is not a plain file name")
    saved = write_figure(figure, folder / name)
    if narrow is None:
        return saved
    return replace(saved, narrow=write_figure(narrow, folder / f"{name}-narrow"))


def write_figure(figure: Figure, path: Path) -> SavedFigure:
    """Write ``figure`` where a person has asked for it, under whatever name; see `save_figure`.

    Args:
        figure: what to write.
        path: of both files, without their suffixes.
    """
    png, svg = path.parent / f"{path.name}.png", path.parent / f"{path.name}.svg"
    with figure_style(), warnings.catch_warnings():
        # A script without an installed font: the PNG shows boxes, the SVG leaves it to the reader's fonts.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        with written_aside(png) as aside:
            figure.savefig(aside, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    write_text_aside(svg, _with_dark_theme(drawn.getvalue()))
    return SavedFigure(png, svg)


def _with_dark_theme(svg: str) -> str:
    rules = "".join(
        f'[style*="{part}: {light}"]{{{part}:{dark}!important}}'
        for light, dark in DARK_THEME.items()
        for part in ("fill", "stroke")
    )
    style = f"<style>@media (prefers-color-scheme: dark){{{rules}}}</style>"
    return re.sub(r"<svg\b[^>]*>", lambda opening: opening.group(0) + style, svg, count=1)
