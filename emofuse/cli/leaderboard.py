"""``emofuse leaderboard``: all runs below a folder, best first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emofuse.data.output_paths import check_new_file
from emofuse.errors import EmofuseError

if TYPE_CHECKING:
    from emofuse.experiments.leaderboard.rank import Leaderboard

EXAMPLE = """Put all runs below a folder into a table for each corpus and protocol, best first. It is read from the runs
each time, so it is always up to date. Optimistic and synthetic numbers say so.

Example: `emofuse leaderboard runs --by-method --out leaderboard.html`
"""
_SUFFIXES = {".md": "markdown", ".html": "html", ".tex": "latex", ".csv": "csv"}


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="leaderboard", help=EXAMPLE)(leaderboard)


def leaderboard(
    folder: Annotated[Path, typer.Argument(help="folder with runs in it, at any depth")],
    by_method: Annotated[
        bool,
        typer.Option("--by-method", help="one row for runs that differ only in seed or fold, as mean ± sd"),
    ] = False,
    sort: Annotated[
        str | None, typer.Option(help="metric, e.g. accuracy; weighted_f1 or mae by default")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="also write it: .md, .html, .tex or .csv")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the rows as JSON")] = False,
) -> None:
    """Read the runs, print the table, and write it where that was asked for."""
    from emofuse.data.atomic import write_text_aside
    from emofuse.experiments.leaderboard.rank import read_leaderboard

    if out is not None and out.suffix not in _SUFFIXES:
        raise EmofuseError(f"--out {out}: name a {', '.join(_SUFFIXES)} file")
    if out is not None:
        check_new_file(out)
    board = read_leaderboard(folder, by_method=by_method, sort=sort)
    if out is not None:
        write_text_aside(out, _rendered(board, _SUFFIXES[out.suffix]))
    if as_json:
        rows = [row.to_dict() for row in board.rows]
        typer.echo(json.dumps({"runs": rows, "not_scored": board.unfinished}, ensure_ascii=False))
        return
    typer.echo(_rendered(board, "markdown"), nl=False)


def _rendered(board: Leaderboard, kind: str) -> str:
    from emofuse.evaluation.reporting.tables import FORMATS
    from emofuse.experiments.leaderboard.tables import leaderboard_rows, leaderboard_tables

    if kind == "csv":
        import pandas as pd

        from emofuse.data.spreadsheet import spreadsheet_csv

        return spreadsheet_csv(pd.DataFrame(leaderboard_rows(board)))
    return FORMATS[kind](leaderboard_tables(board))
