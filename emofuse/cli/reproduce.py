"""``emofuse reproduce``: the tables of a paper, made again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emofuse.cli.executors import RayAddress
from emofuse.data.nearest_names import none_of
from emofuse.data.output_paths import check_new_folder
from emofuse.data.wording import counted
from emofuse.errors import EmofuseError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from emofuse.experiments.reproduction import PaperReproduction
    from emofuse.runs.corpus import Progress

EXAMPLE = """Run what makes the tables of a paper and lay its figures beside ours, as Markdown, HTML, LaTeX and CSV. It may
be interrupted at will: the same command goes on where it was.

For DeepMSI-MER: Table 1 (IEMOCAP) or 2 (MELD), accuracy and F1 of each class in the paper's definition and in the
ordinary one, and Table 3, sets of modalities. The paper splits utterances at random, which flatters; the recipe's own
protocol is run beside it.

For MFCRE: Tables 2 to 9 (each class, ablations, the weights and temperatures of the losses, layers). For CM-MSF:
Tables 3 to 7 and Figure 11 (sets of modalities, modules and encoders left out). `--tables` chooses among them; each
row is judged under the recipe's own protocol.

`--baselines` runs the systems that the paper's tables of methods compare with, as far as emofuse has them, on the same
features and protocol, and puts ours beside the paper's rows.

Example: `emofuse reproduce deepmsi-mer --corpus meld --root MELD.Raw -o reproduced`

Example: `emofuse reproduce mfcre --corpus meld --root MELD.Raw --tables 3,4 -o reproduced`
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="reproduce", help=EXAMPLE)(reproduce)


def reproduce(
    paper: Annotated[str, typer.Argument(help="deepmsi-mer, mfcre or cm-msf")],
    corpus: Annotated[str, typer.Option(help="demo, iemocap or meld; for cm-msf demo, mosei or mosi")],
    root: Annotated[
        Path, typer.Option(help="the corpus's folder, as published or imported; for demo, where it is drawn")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder for runs and tables")],
    recipe: Annotated[str | None, typer.Option(help="YAML file or name; PAPER/CORPUS by default")] = None,
    tables: Annotated[
        str | None, typer.Option(help="mfcre, cm-msf: numbers of tables, separated by commas; all by default")
    ] = None,
    folds: Annotated[
        int | None, typer.Option(help="deepmsi-mer: random folds, 10 as in the paper by default", min=2)
    ] = None,
    sets: Annotated[
        str | None, typer.Option("--modalities", help="deepmsi-mer: rows of Table 3; all by default")
    ] = None,
    honest: Annotated[
        bool,
        typer.Option("--honest/--paper-only", help="deepmsi-mer: judge under the recipe's own protocol too"),
    ] = True,
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines",
            help="run the systems that the paper compares with too, ours beside the paper's rows",
        ),
    ] = False,
    clips: Annotated[int, typer.Option(help="utterances of the demo corpus", min=60)] = 1200,
    jobs: Annotated[int, typer.Option(help="folds at once, as far as memory allows", min=1)] = 1,
    ray: RayAddress = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="any setting of the runs, e.g. optimiser.epochs=3")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the figures as JSON")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress bars")] = False,
) -> None:
    """Prepare the corpus, run, write the tables."""
    check_new_folder(out)
    from emofuse.cli.executors import chosen_executor
    from emofuse.cli.named_choices import recipe_file
    from emofuse.cli.progress import progress_bar
    from emofuse.cli.settings import free_settings
    from emofuse.evaluation.reporting.tables import markdown_tables
    from emofuse.experiments.reproduction import (
        PLANS,
        Reproduction,
        paper_rows,
        paper_tables,
        reproduce_deepmsi_mer,
        reproduce_paper,
        reproduction_tables,
        write_paper_reproduction,
        write_reproduction,
    )
    from emofuse.experiments.reproduction.deepmsi_mer import CORPORA, MODALITY_SETS, PAPERS_FOLDS, corpus_for
    from emofuse.experiments.reproduction.tables import flat_rows
    from emofuse.runs.settings import RunSettings

    plan = PLANS.get(paper)
    if plan is None and paper != "deepmsi-mer":
        raise EmofuseError(none_of("reproduce", paper, ("deepmsi-mer", *PLANS)))
    if plan is None and tables is not None:
        raise EmofuseError(f"reproduce {paper}: has no --tables; choose rows with --modalities")
    if plan is not None and (folds is not None or sets is not None or not honest):
        raise EmofuseError(
            f"reproduce {paper}: --folds, --modalities and --paper-only are deepmsi-mer's; "
            "choose with --tables, and folds with --set data.folds=10"
        )
    known = CORPORA if plan is None else plan.corpora
    if corpus not in known:
        raise EmofuseError(none_of(f"reproduce {paper} --corpus", corpus, known))
    settings = RunSettings.from_yaml(recipe_file(recipe or f"{paper}/{corpus}"))
    with progress_bar(quiet=quiet) as progress:
        manifest, path = corpus_for(corpus, root, clips=clips, progress=progress)
    free = free_settings(set_ or [])
    settings = settings.with_changes({"data.manifest": str(path), **free})
    of_all = {name: value for name, value in free.items() if name.startswith("optimiser.")}

    def open_progress() -> AbstractContextManager[Progress]:
        return progress_bar(quiet=quiet)

    def say(line: str) -> None:
        typer.echo(line, err=True)

    found: Reproduction | PaperReproduction
    with chosen_executor(jobs, ray) as executor:
        if plan is None:
            found = reproduce_deepmsi_mer(
                corpus,
                manifest,
                settings,
                out,
                folds=folds or PAPERS_FOLDS,
                honest=honest,
                sets=_names(sets) or tuple(MODALITY_SETS),
                baselines=baselines,
                baseline_changes=of_all,
                executor=executor,
                open_progress=open_progress,
                say=say,
            )
            written, rows, made = write_reproduction(found), flat_rows(found), reproduction_tables(found)
        else:
            found = reproduce_paper(
                plan,
                corpus,
                manifest,
                settings,
                out,
                tables=_names(tables),
                baselines=baselines,
                baseline_changes=of_all,
                executor=executor,
                open_progress=open_progress,
                say=say,
            )
            written, rows, made = write_paper_reproduction(found), paper_rows(found), paper_tables(found)
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
    else:
        typer.echo(markdown_tables(made))
        typer.echo("written: " + ", ".join(str(file) for file in written))
    if found.failures:
        raise EmofuseError(
            f"{counted(len(found.failures), 'fold')} failed ({found.failures[0]}); the same command tries them again"
        )


def _names(given: str | None) -> list[str]:
    return [name.strip() for name in (given or "").split(",") if name.strip()]
