"""``emofuse sweep``: a grid of settings, chosen on the validation part, or for several corpora on folds of their training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emofuse.cli.executors import RayAddress
from emofuse.data.output_paths import check_new_folder
from emofuse.data.paths import real_path
from emofuse.data.wording import counted
from emofuse.errors import EmofuseError

if TYPE_CHECKING:
    from emofuse.data.manifest import Manifest
    from emofuse.experiments.search import SearchedCorpus
    from emofuse.experiments.sweep import Axis
    from emofuse.runs.settings import RunSettings

EXAMPLE = """Train a run at every point of a grid of settings, choose the best by its validation part, and judge that one
on the test part, once. Table, CSV and figure are written; it may be interrupted at will: the same command goes on.

Example: `emofuse sweep mfcre corpus --grid model.options.alpha=0.4,0.6 --grid model.options.gamma=1,3 -o sweeps/swfc`

Example: `emofuse sweep cm-msf mosi --set model.task=regression --grid model.options.cascade_heads=1,2,4 --grid
model.options.cascade_layers=1,2,4 -o sweeps/cascade`

With --trials, one choice for one corpus or several is made by nested cross-validation over their training parts, with Optuna;
nothing is judged on a test part. Each training is compared with the linear model on the same features and fold.

Example: `emofuse sweep mfcre/meld-words meld --also bc-lstm/mosi-words=mosi --trials 12 --grid
model.options.dropout=0.1,0.3,0.5 --grid optimiser.label_smoothing=0,0.1 -o sweeps/defaults`
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
    trials: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="so many points of the grid for each outer fold, by nested cross-validation (extra search)",
        ),
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(
            "--also", metavar="RECIPE=CORPUS", help="with --trials: another corpus that the choice is for"
        ),
    ] = None,
    outer: Annotated[
        int | None, typer.Option(min=2, help="with --trials: folds that judge the choice; 3 by default")
    ] = None,
    inner: Annotated[
        int | None, typer.Option(min=1, max=4, help="with --trials: folds that choose; 2 by default")
    ] = None,
    jobs: Annotated[int, typer.Option(help="runs at once, as far as memory allows", min=1)] = 1,
    ray: RayAddress = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the figures as JSON")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress bars")] = False,
) -> None:
    """Run the grid, write the tables."""
    check_new_folder(out)
    from emofuse.experiments.sweep import parse_axis

    axes = [parse_axis(each) for each in grid]
    if also and trials is None:
        raise EmofuseError("--also: several corpora are for --trials N; a grid alone is of one corpus")
    if trials is None and (outer is not None or inner is not None):
        raise EmofuseError("--outer and --inner: nested folds are for --trials N; a grid alone has none")
    if trials is not None and (jobs > 1 or ray is not None):
        raise EmofuseError("--trials: one trial says what the next one is; leave out --jobs and --ray")
    settings, corpus = _recipe_and_corpus(base, manifest, set_ or [])
    if trials is None:
        _sweep_grid(settings, corpus, axes, out, jobs, ray, as_json, quiet)
        return
    pairs = [(manifest, settings, corpus)]
    for text in also or []:
        recipe, equals, place = text.partition("=")
        if not equals or not place:
            raise EmofuseError(f"--also {text}: write it as RECIPE=CORPUS, e.g. bc-lstm/mosi-words=mosi")
        pairs.append((Path(place), *_recipe_and_corpus(recipe, Path(place), set_ or [])))
    _search(pairs, axes, out, {"trials": trials, "outer": outer or 3, "inner": inner or 2}, as_json, quiet)


def _recipe_and_corpus(base: str, manifest: Path, changes: list[str]) -> tuple[RunSettings, Manifest]:
    from emofuse.cli.named_choices import recipe_file
    from emofuse.cli.settings import free_settings
    from emofuse.data.manifest import Manifest
    from emofuse.models import list_models
    from emofuse.runs.corpus import corpus_file
    from emofuse.runs.settings import RunSettings

    is_model = base in {info.name for info in list_models()}
    settings = RunSettings() if is_model else RunSettings.from_yaml(recipe_file(base))
    file = corpus_file(manifest)
    given = {"data.manifest": str(real_path(file)), **({"model.name": base} if is_model else {})}
    return settings.with_changes({**given, **free_settings(changes)}), Manifest.read(file).validate()


def _sweep_grid(
    settings: RunSettings,
    corpus: Manifest,
    axes: list[Axis],
    out: Path,
    jobs: int,
    ray: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    from emofuse.cli.executors import chosen_executor
    from emofuse.cli.progress import progress_bar
    from emofuse.evaluation.reporting.tables import markdown_tables
    from emofuse.experiments.sweep import sweep as run_sweep
    from emofuse.experiments.sweep import sweep_table, write_sweep
    from emofuse.experiments.sweep.tables import sweep_dict

    with chosen_executor(jobs, ray) as executor:
        found = run_sweep(
            settings,
            corpus,
            axes,
            out,
            executor=executor,
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


def _search(
    pairs: list[tuple[Path, RunSettings, Manifest]],
    axes: list[Axis],
    out: Path,
    counts: dict[str, Any],
    as_json: bool,
    quiet: bool,
) -> None:
    from emofuse.cli.progress import progress_bar
    from emofuse.evaluation.reporting.tables import markdown_tables
    from emofuse.experiments.search import search, searched_corpus, write_search
    from emofuse.experiments.search.tables import search_dict, search_tables

    corpora: list[SearchedCorpus] = []
    for number, (place, settings, corpus) in enumerate(pairs, start=1):
        folder = place if place.is_dir() else place.parent
        name = real_path(folder).name
        taken = any(each.name == name for each in corpora)
        corpora.append(searched_corpus(f"{name}-{number}" if taken else name, settings, corpus, axes))
    with progress_bar(quiet=quiet) as progress:
        found = search(
            corpora, axes, out, **counts, progress=progress, say=lambda line: typer.echo(line, err=True)
        )
    written = write_search(found)
    if as_json:
        typer.echo(json.dumps(search_dict(found), ensure_ascii=False))
    else:
        typer.echo(markdown_tables(search_tables(found)))
        typer.echo("written: " + ", ".join(str(path) for path in written))
