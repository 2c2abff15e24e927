"""``emofuse evaluate``: score a run, on its own test part or on another corpus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emofuse.cli.outcome_lines import print_outcome
from emofuse.data.output_paths import check_new_file, check_new_folder
from emofuse.errors import EmofuseError

if TYPE_CHECKING:  # the training room takes seconds to load, and --help does without it
    from emofuse.runs.run_folder import RunFolder

EXAMPLE = """Score a finished run: on its own test part, or with --data on the labelled rows of another manifest, or of
a feature file like that which the run was trained on.

Where labels differ, --write-label-map guesses what they count as, for you to change.

Example: `emofuse evaluate runs/first --data other/manifest.csv --write-label-map map.yaml`

Example: `emofuse evaluate runs/first --data other/manifest.csv --label-map map.yaml --json`

Example: `emofuse evaluate runs/mosi --data mosi_test.pkl --subsets`
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="evaluate", help=EXAMPLE)(evaluate)


def evaluate(
    run: Annotated[
        Path, typer.Argument(help="run folder, the folder of an ensemble, starter, or org/name on the hub")
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            help="another manifest or its folder, or a feature file like that of the run; its own test part by default"
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="rows of --data: train, val, test or all; test by default where there is such a part"
        ),
    ] = None,
    label_map: Annotated[
        str | None,
        typer.Option(
            help="what labels of --data count as: a .yaml or .csv file, or joy=happiness,awe= (awe left out)"
        ),
    ] = None,
    write_label_map: Annotated[
        Path | None, typer.Option(help="write a guessed label map to this file, and do nothing else")
    ] = None,
    calibrate: Annotated[
        bool | None,
        typer.Option(
            "--calibrate/--no-calibrate",
            help="fit a temperature for the probabilities on the run's validation part, or forget it",
        ),
    ] = None,
    subsets: Annotated[
        bool,
        typer.Option(
            "--subsets", help="score the run once more for every set of modalities that it is given"
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the metrics as JSON")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress bars")] = False,
) -> None:
    """Predict, score, and write metrics and report beside the run."""
    from emofuse.runs.ensemble_folder import is_ensemble
    from emofuse.runs.named_run import is_foreign, run_to_evaluate

    if is_ensemble(run):
        if data is not None or split or label_map or write_label_map or calibrate is not None or subsets:
            raise EmofuseError(
                f"{run}: an ensemble is scored on its own test part alone; --data, --split, --label-map, --write-label-map, "
                "--calibrate and --subsets are for a run"
            )
        _ensemble(run, as_json)
        return
    if is_foreign(run) and data is None:
        raise EmofuseError(f"{run}: its own test part is not here; name labelled data with --data")
    folder = run_to_evaluate(run)
    check_new_folder(folder.inside())
    if data is None and (split or label_map or write_label_map):
        raise EmofuseError("--split, --label-map and --write-label-map say how to read --data: give it too")
    if data is not None and calibrate is not None:
        raise EmofuseError(
            "--calibrate looks at the run's own validation part: leave --data out, then score it"
        )
    if data is not None and write_label_map is not None:
        check_new_file(write_label_map)
        _guess(folder, data, split, write_label_map, as_json)
        return
    found, lines, written = (
        _own(folder, calibrate, subsets, quiet)
        if data is None
        else _outside(folder, data, split, label_map, subsets, quiet)
    )
    print_outcome(found, [*lines, f"written: {written}"], as_json=as_json)


def _ensemble(folder: Path, as_json: bool) -> None:
    from emofuse.inference.ensemble import evaluate_ensemble

    outcome = evaluate_ensemble(folder)
    print_outcome(
        outcome.to_dict(), [*outcome.lines(), f"written: {folder / 'metrics.json'}"], as_json=as_json
    )


_Scores = tuple[dict[str, object], list[str], Path]  # as JSON, as lines, and where it was written


def _own(folder: RunFolder, calibrate: bool | None, subsets: bool, quiet: bool) -> _Scores:
    from emofuse.cli.progress import progress_bar
    from emofuse.inference.calibration import read_calibration
    from emofuse.inference.evaluate import evaluate_fit
    from emofuse.inference.reporting.run_report import write_run_report
    from emofuse.runs.corpus import corpus_of
    from emofuse.runs.folder_lock import locked_folder

    corpus = corpus_of(folder.read_settings())
    with locked_folder(folder.path), progress_bar(quiet=quiet) as progress:
        own = evaluate_fit(
            folder,
            corpus,
            subsets=subsets,
            calibration="stored" if calibrate is None else "fit" if calibrate else None,
            progress=progress,
        )
        fitted = read_calibration(folder) if calibrate else None
        lines = fitted.lines() if fitted is not None else []
        return own.to_dict(), [*own.lines(), *lines], write_run_report(own, corpus).html


def _outside(
    folder: RunFolder, data: Path, split: str | None, label_map: str | None, subsets: bool, quiet: bool
) -> _Scores:
    from emofuse.cli.progress import progress_bar
    from emofuse.evaluation.protocols.label_map_files import read_label_map
    from emofuse.experiments.cross_corpus.data import open_data
    from emofuse.experiments.cross_corpus.evaluate import evaluate_on

    mapping = read_label_map(label_map) if label_map is not None else None
    manifest = open_data(folder, data)
    with progress_bar(quiet=quiet) as progress:
        other = evaluate_on(
            folder, manifest, part=split, label_map=mapping, subsets=subsets, progress=progress
        )
    return other.to_dict(), other.lines(), other.metrics_file


def _guess(folder: RunFolder, data: Path, split: str | None, target: Path, as_json: bool) -> None:
    """Write a first label map and say what is in it."""
    from emofuse.evaluation.protocols.label_map import guess_label_map
    from emofuse.evaluation.protocols.label_map_files import write_label_map
    from emofuse.experiments.cross_corpus.data import open_data
    from emofuse.experiments.cross_corpus.evaluate import labelled_part

    labels = labelled_part(open_data(folder, data), split)["label"]
    run_labels = folder.read_record().labels
    guessed = guess_label_map(labels, run_labels)
    write_label_map(guessed, target)
    if as_json:
        typer.echo(json.dumps({"data": guessed.data, "run": guessed.run}, ensure_ascii=False))
        return
    for line in guessed.lines(labels, run_labels):
        typer.echo(line)
    typer.echo(f"written, to be looked at and changed: {target}")
