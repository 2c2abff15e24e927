"""``emofuse``: one verb per file; a user's mistake is one clear line and exit code 2."""

from __future__ import annotations

import sys

import typer

from emofuse.cli import (
    ablate,
    audit,
    compare,
    demo,
    demo_data,
    evaluate,
    explain,
    extract,
    finetune,
    import_features,
    info,
    leaderboard,
    models,
    predict,
    prepare,
    reproduce,
    sweep,
    train,
)
from emofuse.errors import EmofuseError

app = typer.Typer(
    name="emofuse",
    help="Which emotion each utterance of a recorded conversation carries: from video, sound and words.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
for verb in (
    demo,
    demo_data,
    prepare,
    import_features,
    audit,
    extract,
    finetune,
    train,
    evaluate,
    compare,
    leaderboard,
    predict,
    explain,
    reproduce,
    ablate,
    sweep,
    models,
    info,
):
    verb.register(app)


def run() -> None:
    """Entry point of the console script."""
    try:
        app()
    except EmofuseError as error:
        typer.echo(f"emofuse: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("emofuse: interrupted; what was finished is kept (see --resume)", err=True)
        sys.exit(130)
