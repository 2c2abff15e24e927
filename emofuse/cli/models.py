"""``emofuse models``: the published systems that can be trained."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="models", help="List the systems.\n\nExample: `emofuse models --json`")(models)


def models(
    recipes: Annotated[
        bool, typer.Option("--recipes", help="list the recipes in the systems' place, by name alone")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Print name, inputs and paper of every system."""
    from emofuse.models import list_models
    from emofuse.recipes import list_recipes

    if recipes:
        for line in [json.dumps(list_recipes())] if as_json else list_recipes():
            typer.echo(line)
        return
    found = list_models()
    if as_json:
        typer.echo(json.dumps([asdict(info) for info in found], ensure_ascii=False))
        return
    for info in found:
        typer.echo(f"{info.name:14} {info.title} ({info.input_line})")
        for line in (info.summary, info.paper):
            typer.echo(f"{'':14} {line}")
