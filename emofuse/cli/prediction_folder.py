"""`emofuse predict` for folders, and for files whose results are kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from emofuse.cli.prediction_checks import check_no_run
from emofuse.cli.prediction_files import checked_media
from emofuse.data.wording import counted, shown
from emofuse.errors import EmofuseError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emofuse.cli.prediction_files import PredictionFiles
    from emofuse.folders.predict import FolderOutcome


@dataclass(frozen=True)
class FolderArguments:
    """What was said on the command line.

    Attributes:
        run: as it was named.
        places: folders and files.
        out: where the results go.
        jobs: processes.
        also: formats, separated by commas.
        media: how pages play recordings.
        device: where to compute.
        quiet: no progress bars and no notes.
        single: options that belong to one recording, by name.
        files: of one prediction; a folder has its own.
    """

    run: str
    places: Sequence[Path]
    out: Path | None
    jobs: int
    also: str
    media: str | None
    device: str
    quiet: bool
    single: Mapping[str, Any]
    files: PredictionFiles


def predict_places(asked: FolderArguments, **options: Any) -> None:
    """Predict all recordings, and name those that could not be.

    Args:
        asked: the command line.
        options: of a prediction, the same for all.

    Raises:
        EmofuseError: an option belongs to one recording alone, nothing was found, or a recording failed.
    """
    from emofuse.cli.progress import progress_bar
    from emofuse.data.found_recordings import find_recordings
    from emofuse.data.modality import parse_modalities
    from emofuse.folders.predict import FolderRequest, checked_formats, plain_options, predict_folder

    _check(asked)
    check_no_run(asked.places)
    recordings = find_recordings(asked.places)
    options["modalities"] = parse_modalities(options["modalities"])
    request = FolderRequest(
        run=asked.run,
        device=asked.device,
        options=plain_options(options),
        media=checked_media(asked.media, "link"),
        also=checked_formats([name for name in asked.also.split(",") if name.strip()]),
    )
    with progress_bar(quiet=asked.quiet) as progress:
        outcome = predict_folder(
            request, recordings, asked.out or _usual_out(asked.places), jobs=asked.jobs, progress=progress
        )
    _tell(outcome, quiet=asked.quiet)


def _check(asked: FolderArguments) -> None:
    from emofuse.data.manifest_files import is_manifest_file

    given = [
        f"--{name.replace('_', '-')}"
        for name, value in asked.single.items()
        if value not in (None, False, [], ())
    ]
    if given:
        belong, them = ("belongs", "it") if len(given) == 1 else ("belong", "them")
        raise EmofuseError(
            f"{' and '.join(given)} {belong} to one recording; leave {them} out where results go to a folder, which holds a "
            "JSON file of each and a table of all"
        )
    if asked.files.any:
        raise EmofuseError(
            "a folder of results holds a page, a table and what --also names of each recording; leave out --page, "
            "--subtitles, --table and --tiers"
        )
    manifest = next((place for place in asked.places if place.is_file() and is_manifest_file(place)), None)
    if manifest is not None:
        raise EmofuseError(
            f"{manifest}: a manifest is predicted as a whole; leave out --out, and give --table or --page"
        )
    if not asked.places:
        raise EmofuseError("nothing to predict: name recordings, or a folder of them")


def check_single(jobs: int, also: str) -> None:
    """What belongs to a folder, and would do nothing where clips are printed.

    Raises:
        EmofuseError: it was given.
    """
    if also.strip():
        raise EmofuseError(
            "--also writes files beside the results of a folder: add --out FOLDER, or name files by --subtitles, --table, "
            "--tiers"
        )
    if jobs > 1:
        raise EmofuseError("--jobs is for the results of a folder: add --out FOLDER, or leave it out")


def _usual_out(places: Sequence[Path]) -> Path:
    from emofuse.data.found_recordings import folder_name

    name = folder_name(places[0])
    return Path(f"{name}-emotions" if name else "emotions")


def _tell(outcome: FolderOutcome, *, quiet: bool) -> None:
    for note in () if quiet else outcome.notes:
        typer.echo(f"note: {note}", err=True)
    kept, without = outcome.kept, outcome.unpredicted
    told = [
        f"{counted(outcome.done, 'recording')} predicted",
        *([f"{counted(kept, 'recording')} done before"] if kept else []),
        *(
            [f"no prediction for {counted(without, 'recording')} of which nothing could be used"]
            if without
            else []
        ),
    ]
    typer.echo(f"{', '.join(told)}: {outcome.out / 'index.html'}")
    for name, reason in outcome.failed.items():
        line = shown(reason if name in reason or shown(name) in reason else f"{name}: {reason}")
        typer.echo(f"emofuse: {line}", err=True)
    if outcome.failed:
        raise EmofuseError(
            f"{counted(len(outcome.failed), 'recording')} could not be predicted; the others are done, and the same command "
            "tries these again"
        )
