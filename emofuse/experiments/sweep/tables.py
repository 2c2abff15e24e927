"""A sweep as a table, a figure and data."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from emofuse.data.atomic import write_text_aside
from emofuse.data.spreadsheet import spreadsheet_csv
from emofuse.evaluation.metrics.classification import json_number
from emofuse.evaluation.metrics.estimate import MISSING
from emofuse.evaluation.metrics.sentiment import NOT_SHARES
from emofuse.evaluation.reporting.figures import draw_sweep_line, draw_sweep_map, save_figure
from emofuse.evaluation.reporting.report_rows import METRIC_NAMES, metric_name, metric_order
from emofuse.evaluation.reporting.tables import Cell, Table, flags_of, html_tables, markdown_tables
from emofuse.experiments.sweep.grid import format_value
from emofuse.experiments.sweep.run import LESS_IS_BETTER, Sweep, SweptPoint


def write_sweep(found: Sweep) -> list[Path]:
    """Write sweep.md, sweep.html, sweep.csv, results.json, and sweep.png with its SVG.

    Args:
        found: of :func:`emofuse.experiments.sweep.sweep`.
    """
    folder, table = found.folder, sweep_table(found)
    written = [folder / name for name in ("sweep.md", "sweep.html", "sweep.csv", "results.json")]
    write_text_aside(written[0], markdown_tables([table]))
    write_text_aside(written[1], html_tables([table]))
    rows = [_row(found, point) for point in found.points]
    write_text_aside(written[2], spreadsheet_csv(pd.DataFrame(rows)))
    write_text_aside(written[3], json.dumps(sweep_dict(found), indent=1, ensure_ascii=False) + "\n")
    return [*written, save_figure(_figure(found), folder, "sweep", _figure(found, narrow=True)).png]


def sweep_dict(found: Sweep) -> dict[str, Any]:
    """Plain values, for JSON; the test part's figures are of the chosen point alone."""
    return {
        "grid": {axis.name: list(axis.values) for axis in found.axes},
        "metric": found.metric,
        "points": [
            {
                "run": point.point.key,
                "settings": point.point.changes,
                "validation": _plain(point),
                "failure": point.failure,
            }
            for point in found.points
        ],
        "chosen": {"run": found.chosen.point.key, "settings": found.chosen.point.changes},
        "test": found.test.test.to_dict(),
        "protocol": found.test.record.protocol,
        "optimistic": found.test.record.optimistic,
        "synthetic": found.test.record.synthetic,
    }


def sweep_table(found: Sweep) -> Table:
    """A row per point, scores on the validation part; the chosen one once more on the test part."""
    names = _metrics(found)
    record = found.test.record
    flags = flags_of(record.optimistic, record.synthetic)
    rows = []
    for point in found.points:
        chosen, validation = point is found.chosen, point.validation or {}
        rows.append(
            (
                *(Cell(format_value(value), bold=chosen) for value in point.point.values),
                Cell("validation"),
                *(
                    _cell(name, validation.get(name), flags, bold=chosen and name == found.metric)
                    for name in names
                ),
            )
        )
    test = found.test.test.metrics
    rows.append(
        (
            *(Cell(format_value(value), bold=True) for value in found.chosen.point.values),
            Cell("test"),
            *(_cell(name, test.get(name), flags) for name in names),
        )
    )
    return Table(
        title=f"{record.model_name}: {' × '.join(axis.short for axis in found.axes)}",
        columns=(*(axis.name for axis in found.axes), "part", *(metric_name(name) for name in names)),
        rows=tuple(rows),
        words=len(found.axes) + 1,
        notes=(
            f"Chosen by {metric_name(found.metric)} on the validation part, which chose the epoch too, so its figures "
            "are optimistic. The test part was judged for the chosen point alone, once.",
            f"Protocol {record.protocol}, seed {record.seed}.",
            *(f"Failed: {line}." for line in found.failures),
        ),
    )


def _metrics(found: Sweep) -> list[str]:
    known = [name for name in found.chosen.validation or {} if name in METRIC_NAMES]
    return sorted(known, key=metric_order)


def _cell(name: str, value: float | None, flags: str, *, bold: bool = False) -> Cell:
    if value is None or math.isnan(value):
        return Cell(MISSING)
    return Cell(f"{value:.3f}" if name in NOT_SHARES else f"{100 * value:.2f}", bold=bold, flags=flags)


def _row(found: Sweep, point: SweptPoint) -> dict[str, Any]:
    return {
        **{name: format_value(value) for name, value in point.point.changes.items()},
        "run": point.point.key,
        "chosen": point is found.chosen,
        **{f"val_{name}": value for name, value in (point.validation or {}).items()},
        "failure": point.failure or "",
    }


def _plain(point: SweptPoint) -> dict[str, float | None] | None:
    if point.validation is None:
        return None
    return {name: json_number(value) for name, value in point.validation.items()}


def _figure(found: Sweep, *, narrow: bool = False) -> Figure:
    """A line over one setting, a map over two; of further ones the best value is shown."""
    scores = np.array([(p.validation or {}).get(found.metric, math.nan) for p in found.points])
    scores = scores.reshape([len(axis.values) for axis in found.axes])
    scores = scores if found.metric in NOT_SHARES else 100 * scores
    less, name = found.metric in LESS_IS_BETTER, f"{metric_name(found.metric)}, validation part"
    words = [[format_value(value) for value in axis.values] for axis in found.axes]
    if len(found.axes) == 1:
        return draw_sweep_line(
            found.axes[0].short, words[0], scores, metric=name, less_is_better=less, narrow=narrow
        )
    if scores.ndim > 2:
        fill = math.inf if less else -math.inf
        filled = np.where(np.isnan(scores), fill, scores)
        rest = tuple(range(2, scores.ndim))
        scores = filled.min(axis=rest) if less else filled.max(axis=rest)
        scores = np.where(np.isfinite(scores), scores, math.nan)
        name += f"; best over {', '.join(axis.short for axis in found.axes[2:])}"
    return draw_sweep_map(
        (found.axes[0].short, found.axes[1].short),
        (words[0], words[1]),
        scores,
        metric=name,
        less_is_better=less,
        narrow=narrow,
    )
