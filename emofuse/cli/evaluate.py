"""``emofuse evaluate``: score a run, on its own test part or on another corpus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = """Score a finished run: on its own test part, or with --data on every labelled row of another manifest.

Example: `emofuse evaluate runs/first --data other/manifest.csv --json`
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="evaluate", help=EXAMPLE)(evaluate)


def evaluate(
    run: Annotated[Path, typer.Argument(help="run folder")],
    data: Annotated[
        Path | None, typer.Option(help="another manifest; the run's own test part by default")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="only rows of this split of --data: train, val or test")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the metrics as JSON")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress bars")] = False,
) -> None:
    """Predict, score, and write metrics and report beside the run."""
    from emofuse.cli.progress import progress_bar
    from emofuse.data.manifest import Manifest
    from emofuse.training.cross_corpus import evaluate_on
    from emofuse.training.evaluate import evaluate_fit
    from emofuse.training.preparation import corpus_of
    from emofuse.training.report import write_run_report
    from emofuse.training.run_folder import RunFolder

    folder = RunFolder.open(run)
    with progress_bar(quiet=quiet) as progress:
        if data is None:
            corpus = corpus_of(folder.read_settings())
            own = evaluate_fit(folder, corpus, progress=progress)
            found, lines, written = own.to_dict(), own.lines(), write_run_report(own, corpus).html
        else:
            other = evaluate_on(folder, Manifest.read(data).validate(), part=split, progress=progress)
            found, lines, written = other.to_dict(), other.lines(), other.metrics_file
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    for line in lines:
        typer.echo(line)
    typer.echo(f"written: {written}")
