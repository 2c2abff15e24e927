"""An evaluation as a page that anybody can open and a text that anybody can diff."""

from __future__ import annotations

import base64
import io
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape
from PIL import Image

from emofuse.data.atomic import write_text_aside
from emofuse.errors import EmofuseError
from emofuse.evaluation.metrics.estimate import MISSING, Estimate, p_text
from emofuse.evaluation.reporting.figures.save import SavedFigure
from emofuse.evaluation.reporting.figures.style import emotion_colours
from emofuse.evaluation.reporting.printable import markdown_text, printable, storable
from emofuse.evaluation.reporting.report_content import (
    ClassScores,
    ComparisonRow,
    Example,
    PairedRow,
    Place,
    ReportFigure,
    RunReport,
)
from emofuse.evaluation.reporting.report_rows import metric_name
from emofuse.evaluation.reporting.tables import markdown_tables

__all__ = [
    "ClassScores",
    "ComparisonRow",
    "Example",
    "PairedRow",
    "ReportFigure",
    "ReportFiles",
    "RunReport",
    "write_report",
]

# A figure that is mostly photographs is heavy as SVG; above this it goes into the page as a compressed image.
_HEAVY = 300_000


@dataclass(frozen=True)
class ReportFiles:
    """Where a report was written."""

    html: Path
    markdown: Path


@dataclass(frozen=True)
class _Embedded:
    """A figure as it stands in the page: data URIs, and its width in CSS pixels."""

    source: Markup
    narrow: Markup | None
    width: int
    caption: str
    alt: str


def write_report(report: RunReport, folder: Path) -> ReportFiles:
    """Write ``report.html``, which holds all it shows, and ``report.md``, which links the figures.

    Args:
        report: what to say.
        folder: made if it is missing; both files are written aside and then renamed.

    Raises:
        EmofuseError: the file of a figure is missing or no picture.
    """
    places = dict.fromkeys(get_args(Place), ()) | _grouped(report.figures, "place")
    page = _environment(_shown).get_template("report.html.j2")
    text = _environment().get_template("report.md.j2")
    content = {
        "report": report,
        "examples": _grouped(report.examples, "kind"),
        "colours": emotion_colours(_labels(report)),
        "comparison_metrics": _comparison_metrics(report.comparison),
        "corrected": any(math.isfinite(row.corrected) for row in report.paired),
    }
    html = page.render(
        content, figures={place: [_embed(f) for f in those] for place, those in places.items()}
    )
    markdown = text.render(content, figures=places, link=lambda path: _relative(path, folder))
    files = ReportFiles(folder / "report.html", folder / "report.md")
    write_text_aside(files.html, html)
    write_text_aside(files.markdown, re.sub(r"\n{3,}", "\n\n", markdown))
    return files


@cache  # a template takes longer to compile than to fill
def _environment(finalize: Callable[[Any], Any] | None = None) -> Environment:
    environment = Environment(
        loader=PackageLoader("emofuse.evaluation.reporting"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=finalize,
    )
    filters: dict[str, Callable[..., Any]] = {
        "md": markdown_text,
        "metric": metric_name,
        "percent": lambda share: Estimate(share).value_text() if share is not None else MISSING,
        "flat": lambda settings: list(_flat(settings)),
        "p_value": p_text,
        "one_line": printable,
        # A head such as "negative/positive" may break, so that eight scores fit side by side.
        "breakable": lambda name: Markup("/<wbr>").join(map(escape, name.split("/"))),
        "markdown_tables": markdown_tables,
    }
    environment.filters |= filters
    environment.tests |= {"defined_number": math.isfinite}
    environment.globals |= {"missing": MISSING}
    return environment


def _labels(report: RunReport) -> list[str]:
    names = [scores.label for scores in report.classes]
    names += [label for part in report.counts.values() for label in part]
    names += [label for example in report.examples for label in (example.true, example.predicted)]
    names += [
        label
        for each in report.disagreements
        if each.classes
        for label in (each.truth, *each.answers.values())
    ]
    return list(dict.fromkeys(names))


def _comparison_metrics(rows: Sequence[ComparisonRow]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row.metrics))


def _grouped(items: Sequence[Any], attribute: str) -> dict[str, list[Any]]:
    """Items by one of their attributes, groups in the order in which they first appear."""
    groups: dict[str, list[Any]] = {}
    for item in items:
        groups.setdefault(getattr(item, attribute), []).append(item)
    return groups


def _shown(value: Any) -> Any:
    """Clean each value that goes into the page; markup made by the templates themselves passes."""
    return storable(value) if type(value) is str else value


def _relative(path: Path, folder: Path) -> str:
    return quote(Path(os.path.relpath(path, folder)).as_posix())


def _flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{name}.")
        elif isinstance(value, (list, tuple)):
            yield f"{above}{name}", printable(", ".join(str(each) for each in value) or MISSING, 300)
        else:
            shown = MISSING if value is None or isinstance(value, Mapping) else value
            yield f"{above}{name}", printable(shown, 300)


def _embed(figure: ReportFigure) -> _Embedded:
    files = figure.files
    with _picture(files.png) as picture:
        dots = picture.info.get("dpi", (96, 96))[0]
        width = round(picture.width * 96 / dots)
    narrow = _data_uri(files.narrow) if files.narrow is not None else None
    return _Embedded(_data_uri(files), narrow, width, figure.caption, figure.alt)


def _data_uri(files: SavedFigure) -> Markup:
    """The SVG; or, where that is heavy, the lightest of it and the PNG compressed as WebP."""
    try:
        drawn = files.svg.read_bytes()
    except OSError:
        raise EmofuseError(f"{files.svg}: this figure of the report is missing; draw it again") from None
    kind = "image/svg+xml"
    if len(drawn) > _HEAVY:
        compressed = io.BytesIO()
        with _picture(files.png) as picture:
            picture.convert("RGB").save(compressed, format="WEBP", quality=82, method=4)
        if compressed.tell() < len(drawn):
            kind, drawn = "image/webp", compressed.getvalue()
    return Markup(f"data:{kind};base64,{base64.b64encode(drawn).decode('ascii')}")


def _picture(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except OSError:
        raise EmofuseError(
            f"{path}: this figure of the report is missing or no picture; draw it again"
        ) from None
