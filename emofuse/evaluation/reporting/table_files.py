"""Tables as files: for a page, for a paper, for a spreadsheet, for a program."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from emofuse.data.atomic import write_text_aside
from emofuse.data.spreadsheet import spreadsheet_csv
from emofuse.evaluation.reporting.tables import FORMATS, Table

_SUFFIXES: Mapping[str, str] = MappingProxyType({"markdown": "md", "html": "html", "latex": "tex"})


def write_table_files(
    folder: Path,
    tables: Sequence[Table],
    rows: Sequence[Mapping[str, Any]],
    content: Mapping[str, Any],
    *,
    name: str,
) -> list[Path]:
    """Write tables.md, tables.html, tables.tex, table.csv and ``NAME.json``; returns them.

    Args:
        folder: made if it is missing.
        tables: as a person reads them.
        rows: of table.csv, numbers unrounded.
        content: of the JSON file.
        name: of the JSON file, without its suffix.
    """
    written = []
    for form, render in FORMATS.items():
        written.append(folder / f"tables.{_SUFFIXES[form]}")
        write_text_aside(written[-1], render(tables))
    written.append(folder / "table.csv")
    write_text_aside(written[-1], spreadsheet_csv(pd.DataFrame(rows)))
    written.append(folder / f"{name}.json")
    write_text_aside(written[-1], json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return written
