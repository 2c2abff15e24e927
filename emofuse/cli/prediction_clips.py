"""`emofuse predict` for clips and manifests whose results are printed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from emofuse.cli.experts import ExpertOptions, open_pipeline
from emofuse.cli.prediction_checks import (
    check_places,
    check_timed_manifests,
    nothing_to_predict,
    of_several_recordings,
)
from emofuse.cli.prediction_figure import check_figure, draw_emotions
from emofuse.cli.prediction_files import write_files
from emofuse.cli.prediction_folder import check_single
from emofuse.cli.prediction_lines import print_notes, print_segments
from emofuse.data.nearest_names import none_of
from emofuse.errors import EmofuseError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emofuse.cli.prediction_files import PredictionFiles
    from emofuse.data.manifest import Manifest
    from emofuse.data.modality import Modality
    from emofuse.ensemble import EnsemblePipeline
    from emofuse.pipeline import EmotionPipeline, EmotionSegment, Progress
    from emofuse.runs.precision import Precision


@dataclass(frozen=True)
class ClipArguments:
    """What was said on the command line.

    Attributes:
        run: as it was named.
        clips: video or sound files and manifests; None for words alone.
        of_clip: options that a clip takes and a manifest has columns for, by name.
        of_all: options that both take, by name; modalities as they were named.
        jobs: of a folder of results.
        also: of a folder of results too.
        experts: in the place of a run's own classifiers.
        device: where to compute.
        precision: as it was named.
        figure: of the emotions over time.
        files: to be written besides.
        as_json: print JSON.
        as_csv: print CSV.
        quiet: no progress bars and no notes.
    """

    run: Path
    clips: list[Path] | None
    of_clip: Mapping[str, Any]
    of_all: Mapping[str, Any]
    jobs: int
    also: str
    experts: ExpertOptions
    device: str
    precision: str | None
    figure: Path | None
    files: PredictionFiles
    as_json: bool
    as_csv: bool
    quiet: bool


def predict_clips(asked: ClipArguments) -> None:
    """Predict, print and write; one that cannot be read is named, and the others go on.

    Raises:
        EmofuseError: options do not go together, a file cannot be written, or a clip could not be predicted.
    """
    from emofuse.cli.progress import progress_bar
    from emofuse.data.modality import parse_modalities
    from emofuse.inference.timeline import EmotionTimeline

    _check(asked)
    of_all = {**asked.of_all, "modalities": parse_modalities(asked.of_all["modalities"])}
    precision = _precision(asked.precision, asked.experts.experts)
    check_places(asked.run, asked.experts, asked.clips, asked.of_clip)
    read = check_timed_manifests(asked.clips or (), asked.files.of_one_recording, asked.figure)
    pipe = open_pipeline(
        asked.run,
        asked.experts,
        device=asked.device,
        precision=precision,
        quiet=asked.quiet,
        modalities=_encoded(asked.clips, asked.of_clip["audio"]),
    )
    if asked.figure is not None and pipe.record.task != "classification":
        raise EmofuseError("--figure draws emotions over time, and this run predicts values; leave it out")
    with progress_bar(quiet=asked.quiet) as progress:
        segments, failures = _predicted(pipe, asked.clips, read, asked.of_clip, of_all, progress)
    print_segments(segments, as_json=asked.as_json, as_csv=asked.as_csv)
    if not asked.quiet:
        print_notes(segments)
        _tell_of_words(segments, asked.clips, asked.of_clip["segment"])
    if segments:
        write_files(EmotionTimeline(segments, pipe.labels, pipe.notes), asked.files)
    if asked.figure is not None and segments:
        draw_emotions(segments, pipe.labels, asked.figure)
    if failures:
        raise EmofuseError("; ".join(failures))


def _check(asked: ClipArguments) -> None:
    """What cannot work is said before a run is loaded."""
    from emofuse.data.manifest_files import is_manifest_file

    clips, text = asked.clips, asked.of_clip["text"]
    if not clips and text is None and asked.of_clip["audio"] is None:
        raise nothing_to_predict(asked.run)
    if text is not None and clips and len(clips) > 1:
        raise EmofuseError("--text goes with one clip; give a manifest with a text column for several")
    if asked.figure is not None:
        check_figure(asked.figure)
    check_single(asked.jobs, asked.also)
    asked.files.check()
    if asked.of_clip["segment"] and any(is_manifest_file(clip) for clip in clips or ()):
        raise EmofuseError("--segment finds utterances; a manifest names them already, so leave it out")
    _check_timed_files(asked)


def _check_timed_files(asked: ClipArguments) -> None:
    """What is drawn or written over time is of one recording, or has at least an end."""
    from emofuse.data.manifest_files import is_manifest_file

    of_one = asked.files.of_one_recording
    timed = [*(["--figure"] if asked.figure is not None else []), *map(str, of_one)]
    if timed and not asked.clips and asked.of_clip["audio"] is None and asked.of_clip["end"] is None:
        raise EmofuseError(
            f"{timed[0]}: nothing says when text was said; give --start and --end, or a recording, or leave it out"
        )
    clips = {os.path.abspath(clip) for clip in asked.clips or () if not is_manifest_file(clip)}  # noqa: PTH100
    if of_one and len(clips) > 1:
        raise of_several_recordings(of_one[0], len(clips))


def _precision(given: str | None, experts: str | None) -> Precision:
    if given is not None and experts is not None:
        raise EmofuseError("--precision is of a run's system, and --experts take its place; leave one out")
    known: dict[str, Precision] = {"32": "32", "auto": "auto", "bf16": "bf16"}
    if given is None:
        return "32"
    if given in known:
        return known[given]
    raise EmofuseError(none_of("--precision", given, known))


def _encoded(clips: list[Path] | None, audio: Path | None) -> tuple[Modality, ...] | None:
    """Whose encoders are loaded: all, but for words alone those of words, since the others take long."""
    return None if clips or audio is not None else ("text",)


def _predicted(
    pipe: EmotionPipeline | EnsemblePipeline,
    clips: list[Path] | None,
    read: Mapping[Path, Manifest],
    of_clip: Mapping[str, Any],
    of_all: Mapping[str, Any],
    progress: Progress,
) -> tuple[list[EmotionSegment], list[str]]:
    """Predictions of all clips, and why some could not be made; a manifest that was read already is not read again."""
    from emofuse.data.manifest_files import is_manifest_file

    segments: list[EmotionSegment] = []
    failures: list[str] = []
    for clip in [None] if clips is None else clips:
        try:
            if clip is not None and is_manifest_file(clip):
                from emofuse.data.manifest import Manifest

                manifest = read.get(clip) or Manifest.read(clip).validate()
                segments += pipe.predict_manifest(manifest, progress=progress, **of_all)
            else:
                shown = progress if of_clip["segment"] else None
                segments += pipe(clip, **of_clip, **of_all, progress=shown)
        except EmofuseError as error:
            failures.append(str(error))
    return segments, failures


def _tell_of_words(segments: list[EmotionSegment], clips: list[Path] | None, by: str | None) -> None:
    """How a clip whose words nobody gave gets them; what a manifest lacks is its writer's matter."""
    from emofuse.data.manifest_files import is_manifest_file

    of_clips = bool(clips) and not any(is_manifest_file(clip) for clip in clips or ())
    if by is None and of_clips and any("text" in s.missing for s in segments):
        typer.echo("note: no words were given; --text gives them, --segment asr writes them down", err=True)
