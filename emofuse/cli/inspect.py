"""``emofuse inspect``: what a published feature file holds, and whether it can be trusted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = """Look into a feature file that others have published: parts, labels, speakers, sizes, missing values; what stands in
two parts; whether the features know their training part; which encoder probably made them, and the command that makes the
like from recordings. Nothing that the file asks to be run is run.

Example: `emofuse inspect unaligned_50.pkl`

Example: `emofuse inspect IEMOCAP_features.pkl --style conv-emotion --json`
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="inspect", help=EXAMPLE)(inspect)


def inspect(
    file: Annotated[Path, typer.Argument(help="the file; for multiemo its folder")],
    style: Annotated[
        str | None, typer.Option(help="mmsa, conv-emotion, multiemo, npz or csv; found out by default")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="names of classes 0, 1, ..., separated by commas")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="exit with 1 when something leaks")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the findings as JSON")] = False,
) -> None:
    """Read, count, compare, say."""
    from emofuse.evaluation.inspection import inspect_features

    names = [name.strip() for name in labels.split(",")] if labels else None
    found = inspect_features(file, style, names)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), ensure_ascii=False))
    else:
        for line in found.lines():
            typer.echo(line)
    if strict and found.warnings:
        raise typer.Exit(1)
