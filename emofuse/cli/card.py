"""``emofuse card``: the model card of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emofuse.data.output_paths import check_new_file

EXAMPLE = """Write the model card of a run: its data, its protocol, its figures with their flags, its licence, and what it must
not be used for.

Example: `emofuse card runs/first -o README.md --licence cc-by-nc-4.0`
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="card", help=EXAMPLE)(card)


def card(
    run: Annotated[Path, typer.Argument(help="run folder")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="file; printed by default")] = None,
    licence: Annotated[
        str | None, typer.Option(help="of the weights, as an identifier such as cc-by-nc-4.0")
    ] = None,
) -> None:
    """Print or write the card."""
    from emofuse.data.atomic import write_text_aside
    from emofuse.inference.reporting.model_card import model_card
    from emofuse.runs.run_folder import RunFolder
    from emofuse.starter import STARTER, starter_folder

    if out is not None:
        check_new_file(out)
    is_starter = str(run) == STARTER and not run.exists()
    text = model_card(RunFolder.open(starter_folder() if is_starter else run), licence=licence)
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_text_aside(out, text)
        typer.echo(f"written: {out}", err=True)
