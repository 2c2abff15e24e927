"""The tables of a reproduction as files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from emofuse.data.atomic import write_text_aside, written_aside
from emofuse.evaluation.tables import FORMATS, Table

_SUFFIXES = {"markdown": "md", "html": "html", "latex": "tex"}


def write_files(
    folder: Path, tables: Sequence[Table], rows: Sequence[dict[str, Any]], facts: dict[str, Any]
) -> list[Path]:
    """Write tables.md, tables.html, tables.tex, table.csv and results.json.

    Args:
        folder: made if it is missing.
        tables: as a person reads them.
        rows: a row per figure.
        facts: what results.json holds beside the rows.
    """
    written = []
    for name, render in FORMATS.items():
        written.append(folder / f"tables.{_SUFFIXES[name]}")
        write_text_aside(written[-1], render(tables))
    written.append(folder / "table.csv")
    with written_aside(written[-1]) as aside:
        pd.DataFrame(rows).to_csv(aside, index=False)
    written.append(folder / "results.json")
    write_text_aside(
        written[-1], json.dumps({**facts, "rows": list(rows)}, indent=1, ensure_ascii=False) + "\n"
    )
    return written
