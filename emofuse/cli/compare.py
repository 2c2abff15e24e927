"""``emofuse compare``: runs side by side on the same utterances, tested against the first."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emofuse.data.output_paths import check_new_folder
from emofuse.errors import EmofuseError

if TYPE_CHECKING:
    from emofuse.experiments.compared_runs import FoundRun
    from emofuse.runs.corpus import Progress

EXAMPLE = """Compare runs that were judged on the same utterances: scores with intervals, tests against the first
(corrected for their number), F1 of each emotion, size and time. Runs that differ only in seed or fold are one method.

Example: `emofuse compare runs/text runs/all --out comparison`

Example: `emofuse compare "ours=runs/a-seed0" "ours=runs/a-seed1" baseline=runs/b --format latex`
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="compare", help=EXAMPLE)(compare)


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            help="run folders, folders of a cross-validation, or NAME=FOLDER; the first is tested against"
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="folder for tables, page, figures and disagreements")
    ] = None,
    format_: Annotated[
        str, typer.Option("--format", help="of the tables that are printed: markdown, html, latex or csv")
    ] = "markdown",
    common: Annotated[
        bool,
        typer.Option("--common", help="where runs judged different utterances, compare those that all have"),
    ] = False,
    bootstrap: Annotated[int, typer.Option(help="resamples of dialogues", min=100)] = 2000,
    seed: Annotated[int, typer.Option(help="of the resampling")] = 0,
    flops: Annotated[
        bool,
        typer.Option("--flops/--no-flops", help="count operations on a batch, where the corpus is at hand"),
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="print the comparison as JSON")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress bar")] = False,
) -> None:
    """Read the predictions, compare, print, and write what was asked for."""
    from emofuse.cli.progress import progress_bar
    from emofuse.evaluation.comparison.compare_methods import compare_methods
    from emofuse.evaluation.comparison.methods import on_same_utterances
    from emofuse.experiments.compared_runs import find_runs, methods_of, texts_of, with_flops

    if format_ not in ("markdown", "html", "latex", "csv"):
        raise EmofuseError(f"--format {format_}: choose markdown, html, latex or csv")
    if out is not None:
        check_new_folder(out)
    found = find_runs(runs)
    methods, left_out = on_same_utterances(methods_of(found), common=common)
    if flops:
        with progress_bar(quiet=quiet) as progress:
            methods = with_flops(methods, found, _Flops(len(methods), progress))
    comparison = compare_methods(methods, left_out=left_out, bootstrap=bootstrap, seed=seed)
    written = None
    if out is not None:
        from emofuse.evaluation.reporting.comparison_page import write_comparison

        command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
        written = write_comparison(comparison, out, texts=texts_of(found), command=command).html
    if as_json:
        typer.echo(json.dumps(comparison.to_dict(), ensure_ascii=False))
        return
    typer.echo(_printed(comparison, format_), nl=False)
    if written is not None:
        typer.echo(f"written: {written}", err=True)


class _Flops:
    """Counts the operations of a run where its corpus is at hand, and shows the progress."""

    def __init__(self, total: int, progress: Progress) -> None:
        self.done, self.total, self.progress = 0, total, progress

    def __call__(self, run: FoundRun) -> float | None:
        from emofuse.inference.flops import flops_per_utterance
        from emofuse.runs.corpus import corpus_of

        self.done += 1
        self.progress(self.done, self.total, "counting operations")
        try:
            return flops_per_utterance(run.folder, corpus_of(run.settings))
        except EmofuseError:
            return None  # the corpus or its features are no longer there: the table shows a dash


def _printed(comparison: object, format_: str) -> str:
    import pandas as pd

    from emofuse.data.spreadsheet import spreadsheet_csv
    from emofuse.evaluation.comparison.method_scores import MethodComparison
    from emofuse.evaluation.reporting.comparison_tables import comparison_tables, flat_rows
    from emofuse.evaluation.reporting.tables import FORMATS

    assert isinstance(comparison, MethodComparison)
    if format_ == "csv":
        return spreadsheet_csv(pd.DataFrame(flat_rows(comparison)))
    return FORMATS[format_](comparison_tables(comparison))
