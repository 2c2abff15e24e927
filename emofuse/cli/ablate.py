"""``emofuse ablate``: what each component of a system is worth, and what it costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from emofuse.cli.executors import RayAddress
from emofuse.data.output_paths import check_new_folder
from emofuse.data.paths import real_path
from emofuse.errors import EmofuseError

EXAMPLE = """Train a system with one component changed at a time, and put scores, significance and cost of every variant
into a table, as Markdown, HTML, LaTeX and CSV. It may be interrupted at will: the same command goes on where it was.

Example: `emofuse ablate deepmsi-mer corpus/manifest.csv --recipe deepmsi-mer/demo -o ablated --seeds 3`

Example: `emofuse ablate deepmsi-mer corpus/manifest.csv -o ablated --only no-vsc,no-contrastive,steer-image`
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="ablate", help=EXAMPLE)(ablate)


def ablate(
    system: Annotated[str, typer.Argument(help="deepmsi-mer")],
    manifest: Annotated[Path, typer.Argument(help="manifest.csv, .jsonl or .parquet")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="folder for runs and table; not needed for --list")
    ] = None,
    recipe: Annotated[str, typer.Option(help="the full system: a YAML file or a name")] = "deepmsi-mer/demo",
    only: Annotated[
        str | None, typer.Option(help="variants, separated by commas; the full system is always run")
    ] = None,
    seeds: Annotated[int, typer.Option(help="runs of each variant", min=1)] = 1,
    list_: Annotated[bool, typer.Option("--list", help="say which variants there are, and run none")] = False,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="any setting of the runs, e.g. optimiser.epochs=3")
    ] = None,
    jobs: Annotated[int, typer.Option(help="runs at once, as far as memory allows", min=1)] = 1,
    ray: RayAddress = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the rows as JSON")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress bars")] = False,
) -> None:
    """Run the variants, write the table."""
    if out is None and not list_:
        raise EmofuseError("ablate: say with --out where the runs and the table go")
    if out is not None:
        check_new_folder(out)
    from emofuse.cli.executors import chosen_executor
    from emofuse.cli.named_choices import recipe_file
    from emofuse.cli.progress import progress_bar
    from emofuse.cli.settings import free_settings
    from emofuse.data.manifest import Manifest
    from emofuse.evaluation.reporting.tables import markdown_tables
    from emofuse.experiments.ablation import ablate_deepmsi_mer, ablation_tables, write_ablation
    from emofuse.experiments.ablation.deepmsi_mer import ablation_variants
    from emofuse.experiments.ablation.tables import flat_rows
    from emofuse.runs.corpus import corpus_file
    from emofuse.runs.settings import RunSettings

    if system != "deepmsi-mer":
        raise EmofuseError(f"ablate {system}: only deepmsi-mer can be ablated; name it")
    settings = RunSettings.from_yaml(recipe_file(recipe)).with_changes(
        {"data.manifest": str(real_path(corpus_file(manifest))), **free_settings(set_ or [])}
    )
    corpus = Manifest.read(corpus_file(manifest)).validate()
    if list_ or out is None:
        for variant in ablation_variants(settings, corpus):
            typer.echo(f"{variant.name:16} {variant.what}")
        return
    with chosen_executor(jobs, ray) as executor:
        found = ablate_deepmsi_mer(
            corpus,
            settings,
            out,
            only=[name.strip() for name in only.split(",")] if only else (),
            seeds=seeds,
            executor=executor,
            open_progress=lambda: progress_bar(quiet=quiet),
            say=lambda line: typer.echo(line, err=True),
        )
    written = write_ablation(found)
    if as_json:
        typer.echo(json.dumps(flat_rows(found), ensure_ascii=False))
    else:
        typer.echo(markdown_tables(ablation_tables(found)))
        typer.echo("written: " + ", ".join(str(file) for file in written))
    if found.failures:
        failures = "; ".join(f"{name} failed: {why}" for name, why in found.failures.items())
        raise EmofuseError(f"{failures}; the same command tries again")
