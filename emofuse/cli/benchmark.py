"""``emofuse benchmark``: all systems on one corpus, alike, on one page."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from emofuse.cli.executors import RayAddress
from emofuse.data.paths import real_path
from emofuse.data.wording import counted
from emofuse.errors import EmofuseError

EXAMPLE = """Train every system on the same features and the same split, tune each with the same budget on the validation
part, judge all on the test part, and write one page: scores with intervals, linear models beside them, paired tests, mean
ranks, costs, published figures, and what choosing the epoch on the test part would be worth.

A run that fails is named with its reason and takes no other with it. With --resume what is finished is kept; there may be
more systems, seeds and points than before.

Example: `emofuse benchmark demo/corpus --out bench --protocol speaker --seeds 3`

Example: `emofuse benchmark meld --out bench --protocol official --recipes meld-words --modalities text --text-encoder MINILM`

Example: `emofuse benchmark mosi --out bench --protocol official --recipes mosi-small,mosi --task regression --systems tfn,mult`
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="benchmark", help=EXAMPLE)(benchmark)


def benchmark(
    corpus: Annotated[Path, typer.Argument(help="manifest file, or the folder that it lies in")],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder for runs and page")],
    systems: Annotated[
        str | None, typer.Option(help="names, separated by commas; all that are registered by default")
    ] = None,
    recipes: Annotated[
        str,
        typer.Option(
            help="each system is taken from SYSTEM/NAME, of names with commas the first there is; else its preset"
        ),
    ] = "demo",
    seeds: Annotated[int, typer.Option(help="runs of each system", min=1)] = 3,
    budget: Annotated[
        int,
        typer.Option(
            help="points of its search space that each system is tuned over; 1 is the recipe", min=1
        ),
    ] = 1,
    against: Annotated[
        str | None, typer.Option(help="what the others are tested against; the best linear model by default")
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="official, session, speaker, dialogue or random-kfold")
    ] = None,
    folds: Annotated[int | None, typer.Option(help="folds that the protocol makes")] = None,
    fold: Annotated[int | None, typer.Option(help="the fold to run, from 0")] = None,
    modalities: Annotated[
        str | None, typer.Option(help="text,audio,video or fewer; all there are by default")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="classification (column label) or regression (column valence)")
    ] = None,
    text_encoder: Annotated[str | None, typer.Option(help="of all systems, as for train")] = None,
    audio_encoder: Annotated[str | None, typer.Option(help="of all systems, as for train")] = None,
    video_encoder: Annotated[str | None, typer.Option(help="of all systems, as for train")] = None,
    published: Annotated[
        str | None,
        typer.Option(help="corpus whose published figures stand beside ours; that of --recipes by default"),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="at most so many epochs, of every system")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda")] = None,
    threads: Annotated[int | None, typer.Option(help="processor threads of each run")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="any setting of all runs, e.g. optimiser.patience=6")
    ] = None,
    test_scores: Annotated[
        bool,
        typer.Option(help="note the test part's score after every epoch; optimistic, and chooses nothing"),
    ] = True,
    run_reports: Annotated[
        bool, typer.Option(help="draw a report of every run, beside the one page; takes seconds a run")
    ] = True,
    jobs: Annotated[
        int, typer.Option(help="runs at once, as far as memory allows; 0 keeps all in this process", min=0)
    ] = 1,
    ray: RayAddress = None,
    resume: Annotated[bool, typer.Option("--resume", help="keep what an earlier call has finished")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the figures as JSON")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress bars")] = False,
) -> None:
    """Run the systems, write the page."""
    from emofuse.cli.executors import chosen_executor
    from emofuse.cli.progress import progress_bar
    from emofuse.cli.settings import free_settings
    from emofuse.data.manifest import Manifest
    from emofuse.data.modality import parse_modalities
    from emofuse.evaluation.reporting.tables import markdown_tables
    from emofuse.experiments.benchmark import (
        BenchmarkPlan,
        benchmark_dict,
        benchmark_tables,
        write_benchmark,
    )
    from emofuse.experiments.benchmark import benchmark as run_benchmark
    from emofuse.recipes.published import published_figures
    from emofuse.runs.corpus import corpus_file
    from emofuse.runs.settings import RunSettings

    file = corpus_file(corpus)
    encoders = {"text": text_encoder, "audio": audio_encoder, "video": video_encoder}
    shared: dict[str, Any] = {
        "data.manifest": str(real_path(file)),
        "data.protocol": protocol,
        "data.folds": folds,
        "data.fold": fold,
        "model.modalities": parse_modalities(modalities),
        "model.task": task,
        "device": device,
        "threads": threads,
        **{f"encoders.{m}": {"modality": m, "name": name} for m, name in encoders.items() if name},
    }
    changes: dict[str, Any] = {"optimiser.epochs": epochs, **free_settings(set_ or [])}
    changes = {name: value for name, value in changes.items() if value is not None}
    on_data = {name: changes.pop(name) for name in list(changes) if name.startswith(("data.", "encoders."))}
    _refuse(changes)
    settings = RunSettings().with_changes(
        {name: value for name, value in shared.items() if value is not None} | on_data
    )
    plan = BenchmarkPlan(settings, recipes, _names(systems), seeds, budget, changes, test_scores, run_reports)
    manifest = Manifest.read(file).validate()
    with chosen_executor(jobs, ray, in_this_process=0) as executor:
        found = run_benchmark(
            plan,
            manifest,
            out,
            against=against,
            resume=resume,
            executor=executor,
            open_progress=lambda: progress_bar(quiet=quiet),
            say=lambda line: typer.echo(line, err=True),
        )
    figures = published_figures(published or recipes.partition("-")[0])
    name = real_path(file).parent.name
    written = write_benchmark(found, published=figures, command=_command(), corpus=name)
    if as_json:
        typer.echo(json.dumps(benchmark_dict(found, figures), ensure_ascii=False))
    else:
        typer.echo(markdown_tables(benchmark_tables(found, figures)))
        typer.echo(f"page: {written.html}")
    if found.failures:
        raise EmofuseError(
            f"{counted(len(found.failures), 'run')} failed ({found.failures[0]}); --resume tries them again"
        )


def _refuse(changes: dict[str, Any]) -> None:
    """What has an option of its own, or is the benchmark's to set."""
    for name in changes:
        if name in (
            "seed",
            "test_scores",
            "model.name",
            "model.task",
            "model.modalities",
            "device",
            "threads",
        ):
            raise EmofuseError(f"--set {name}: is the benchmark's own; see its options")


def _names(given: str | None) -> list[str]:
    return [name.strip() for name in (given or "").split(",") if name.strip()]


def _command() -> str:
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
