"""``emofuse sweep``: a grid of settings, chosen on the validation part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from emofuse.data.wording import counted
from emofuse.errors import EmofuseError

EXAMPLE = """Train a run at every point of a grid of settings, choose the best by its validation part, and judge that one
on the test part, once. Table, CSV and figure are written; it may be interrupted at will: the same command goes on.

Example: `emofuse sweep mfcre corpus --grid model.options.alpha=0.4,0.6 --grid model.options.gamma=1,3 -o sweeps/swfc`

Example: `emofuse sweep cm-msf mosi --set model.task=regression --grid model.options.cascade_heads=1,2,4 --grid
model.options.cascade_layers=1,2,4 -o sweeps/cascade`
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="sweep", help=EXAMPLE)(sweep)


def sweep(
    base: Annotated[str, typer.Argument(metavar="RECIPE_OR_MODEL", help="YAML file, recipe or system")],
    manifest: Annotated[Path, typer.Argument(help="manifest file, or the folder that it lies in")],
    grid: Annotated[list[str], typer.Option("--grid", help="name=value,value; once per setting")],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder for runs and tables")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="any setting of all runs, e.g. data.protocol=dialogue")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the figures as JSON")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress bars")] = False,
) -> None:
    """Run the grid, write the tables."""
    from emofuse.cli.progress import progress_bar
    from emofuse.cli.settings import free_settings
    from emofuse.data.manifest import Manifest
    from emofuse.evaluation.reporting.tables import markdown_tables
    from emofuse.experiments.sweep import parse_axis, sweep_table, write_sweep
    from emofuse.experiments.sweep import sweep as run_sweep
    from emofuse.experiments.sweep.tables import sweep_dict
    from emofuse.models import list_models
    from emofuse.recipes import find_recipe
    from emofuse.runs.corpus import corpus_file
    from emofuse.runs.settings import RunSettings

    axes = [parse_axis(each) for each in grid]
    is_model = base in {info.name for info in list_models()}
    settings = RunSettings() if is_model else RunSettings.from_yaml(find_recipe(base))
    file = corpus_file(manifest)
    changes = {"data.manifest": str(file.resolve()), **({"model.name": base} if is_model else {})}
    settings = settings.with_changes({**changes, **free_settings(set_ or [])})
    found = run_sweep(
        settings,
        Manifest.read(file).validate(),
        axes,
        out,
        open_progress=lambda: progress_bar(quiet=quiet),
        say=lambda line: typer.echo(line, err=True),
    )
    written = write_sweep(found)
    if as_json:
        typer.echo(json.dumps(sweep_dict(found), ensure_ascii=False))
    else:
        typer.echo(markdown_tables([sweep_table(found)]))
        typer.echo("written: " + ", ".join(str(path) for path in written))
    if found.failures:
        raise EmofuseError(
            f"{counted(len(found.failures), 'point')} failed ({found.failures[0]}); the same command tries them again"
        )
