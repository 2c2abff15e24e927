"""``emofuse predict``: raw clips or a manifest in, emotions out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emofuse.cli.experts import ExpertOptions, open_pipeline
from emofuse.cli.prediction_files import PredictionFiles, write_files
from emofuse.cli.prediction_folder import FolderArguments, check_single, predict_places
from emofuse.cli.prediction_lines import print_notes, print_segments
from emofuse.data.output_paths import check_new_file
from emofuse.errors import EmofuseError
from emofuse.starter import STARTER

if TYPE_CHECKING:
    from emofuse.data.modality import Modality
    from emofuse.ensemble import EnsemblePipeline
    from emofuse.pipeline import EmotionPipeline, EmotionSegment, Progress
    from emofuse.runs.precision import Precision

EXAMPLE = """Say which emotion a clip carries, or each row of a manifest.

Example: `emofuse predict clip.mp4 --text "I can't believe it!"`

Example: `emofuse predict runs/first clip.mp4 --text "I can't believe it!"`

Example: `emofuse predict clip.mp4 --experts text=j-hartmann/emotion-english-distilroberta-base`

Example: `emofuse predict runs/first film.mp4 --every 5 --page film.html --subtitles film.vtt --tiers film.eaf`

Example: `emofuse predict runs/first recordings/ --out emotions --jobs 4`
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="predict", help=EXAMPLE)(predict)


def predict(
    run: Annotated[
        Path | None,
        typer.Argument(
            help="run folder made by `emofuse train`; the starter, which knows real people, where none is named"
        ),
    ] = None,
    clips: Annotated[
        list[Path] | None, typer.Argument(help="video or sound files, folders of them, or a manifest")
    ] = None,
    text: Annotated[str | None, typer.Option(help="what is said in the clip")] = None,
    audio: Annotated[Path | None, typer.Option(help="a separate sound file of the clip")] = None,
    context: Annotated[
        list[str] | None, typer.Option(help="what was said before, oldest first; once for each utterance")
    ] = None,
    start: Annotated[float | None, typer.Option(help="seconds, where the utterance begins")] = None,
    end: Annotated[float | None, typer.Option(help="seconds, where it ends")] = None,
    every: Annotated[
        float | None, typer.Option(help="one prediction for each segment of so many seconds")
    ] = None,
    segment: Annotated[
        str | None, typer.Option(help="find the utterances of a recording: auto, subtitles, asr or vad")
    ] = None,
    faces: Annotated[
        bool,
        typer.Option(
            "--faces", help="with --segment: look who of those that are seen speaks, and read that face alone"
        ),
    ] = False,
    active_speaker: Annotated[
        Path | None,
        typer.Option(help="with --segment: weights of Light-ASD or LR-ASD that say who is seen speaking"),
    ] = None,
    modalities: Annotated[str | None, typer.Option(help="use only these of the run's modalities")] = None,
    coverage: Annotated[
        float | None,
        typer.Option(help="name a set of labels that holds the true one in this share, such as 0.9"),
    ] = None,
    by_modality: Annotated[
        bool, typer.Option("--by-modality", help="say as well what each modality says alone")
    ] = False,
    figure: Annotated[Path | None, typer.Option(help="draw the emotions over time as PNG or SVG")] = None,
    page: Annotated[
        Path | None, typer.Option(help="write a page that plays the recording beside its emotions, as HTML")
    ] = None,
    media: Annotated[
        str | None,
        typer.Option(
            help="the recording of a page: embed (within it), link (beside it), none, or auto: within where it is small"
        ),
    ] = None,
    subtitles: Annotated[
        list[Path] | None, typer.Option(help="write subtitles with emotions as .vtt, .srt or .ass")
    ] = None,
    table: Annotated[list[Path] | None, typer.Option(help="write a table as .csv or .json")] = None,
    tiers: Annotated[
        list[Path] | None, typer.Option(help="write tiers for annotators as .eaf (ELAN) or .TextGrid (Praat)")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="of a folder: where the results go, NAME-emotions by default"),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="of a folder: processes, each with the run in memory")] = 1,
    also: Annotated[
        str, typer.Option(help="of a folder: write for each recording, such as vtt,eaf,TextGrid,csv")
    ] = "",
    experts: Annotated[
        str | None,
        typer.Option(
            help="classifiers of transformers by name or folder, as text=NAME,audio=NAME,video=NAME, in the place of the "
            "run's own"
        ),
    ] = None,
    no_starter: Annotated[
        bool, typer.Option("--no-starter", help="the --experts alone, without the starter")
    ] = False,
    label_map: Annotated[
        str | None,
        typer.Option(
            help="what classes of the --experts count as: love=joy,contempt=drop, or a .yaml or .csv file"
        ),
    ] = None,
    trust: Annotated[
        str | None, typer.Option(help="weights of the --experts in the fusion: text=1,audio=0.5")
    ] = None,
    whole_frames: Annotated[
        bool, typer.Option("--whole-frames", help="show an image classifier whole pictures and no faces")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    precision: Annotated[
        str | None,
        typer.Option(help="of the run's system: 32, bf16 (quicker where the processor has it), or auto"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="print CSV")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress bars")] = False,
) -> None:
    """Predict clips; one that cannot be read is named, and the others go on."""
    from emofuse.cli.progress import progress_bar
    from emofuse.data.manifest_files import is_manifest_file
    from emofuse.data.modality import parse_modalities
    from emofuse.inference.timeline import EmotionTimeline
    from emofuse.recordings.settings import parse_by

    by = None if segment is None else parse_by(segment, "--segment")
    seen = {"faces": faces, "active_speaker": None if active_speaker is None else str(active_speaker)}
    if by is None and any(seen.values()):
        raise EmofuseError(
            "--faces and --active-speaker go with --segment: name a way, such as --segment auto"
        )
    run, clips = run_and_clips(run, clips)
    files = PredictionFiles(page, media, tuple(subtitles or ()), tuple(table or ()), tuple(tiers or ()))
    if out is not None or any(clip.is_dir() for clip in clips or ()):
        single = {
            "text": text,
            "audio": audio,
            "context": context,
            "start": start,
            "end": end,
            "figure": figure,
            "experts": experts,
            "no_starter": no_starter,
            "label_map": label_map,
            "trust": trust,
            "whole_frames": whole_frames,
            "precision": precision,
            "json": as_json,
            "csv": as_csv,
        }
        asked = FolderArguments(str(run), clips or [], out, jobs, also, media, device, quiet, single, files)
        predict_places(
            asked,
            every=every,
            segment=by,
            modalities=modalities,
            coverage=coverage,
            by_modality=by_modality,
            **seen,
        )
        return
    _check_arguments(clips, text, figure)
    check_single(jobs, also)
    files.check()
    if by and any(is_manifest_file(clip) for clip in clips or ()):
        raise EmofuseError("--segment finds utterances; a manifest names them already, so leave it out")
    options = ExpertOptions(experts, no_starter, label_map, trust, whole_frames)
    pipe = open_pipeline(
        run,
        options,
        device=device,
        precision=_precision(precision, experts),
        quiet=quiet,
        modalities=_encoded(clips, audio),
    )
    if pipe.record.synthetic and not quiet:
        typer.echo("note: this run has learnt from synthetic clips; on real people it only guesses", err=True)
    if figure is not None and pipe.record.task != "classification":
        raise EmofuseError("--figure draws emotions over time, and this run predicts values; leave it out")
    shared = {"modalities": parse_modalities(modalities), "coverage": coverage, "by_modality": by_modality}
    of_clip = {
        "text": text,
        "audio": audio,
        "context": context or (),
        "start": start,
        "end": end,
        "every": every,
        "segment": by,
        **seen,
    }
    with progress_bar(quiet=quiet) as progress:
        segments, failures = _predict_clips(pipe, clips, of_clip, shared, progress)
    print_segments(segments, as_json=as_json, as_csv=as_csv)
    if not quiet:
        print_notes(segments)
        _tell_of_words(segments, clips, by)
    if segments:
        write_files(EmotionTimeline(segments, pipe.labels, pipe.notes), files)
    if figure is not None and segments:
        _draw(segments, pipe.labels, figure)
    if failures:
        raise EmofuseError("; ".join(failures))


def _tell_of_words(segments: list[EmotionSegment], clips: list[Path] | None, by: str | None) -> None:
    """How a clip whose words nobody gave gets them; what a manifest lacks is its writer's matter."""
    from emofuse.data.manifest_files import is_manifest_file

    of_clips = bool(clips) and not any(is_manifest_file(clip) for clip in clips or ())
    if by is None and of_clips and any("text" in s.missing for s in segments):
        typer.echo("note: no words were given; --text gives them, --segment asr writes them down", err=True)


def _encoded(clips: list[Path] | None, audio: Path | None) -> tuple[Modality, ...] | None:
    """Whose encoders are loaded: all, but for words alone those of words, since the others take long."""
    return None if clips or audio is not None else ("text",)


def _predict_clips(
    pipe: EmotionPipeline | EnsemblePipeline,
    clips: list[Path] | None,
    of_clip: dict[str, Any],
    shared: dict[str, Any],
    progress: Progress,
) -> tuple[list[EmotionSegment], list[str]]:
    """Predictions of all clips, and why some could not be made."""
    from emofuse.data.manifest_files import is_manifest_file

    segments: list[EmotionSegment] = []
    failures: list[str] = []
    for clip in [None] if clips is None else clips:
        try:
            if clip is not None and is_manifest_file(clip):
                from emofuse.data.manifest import Manifest

                manifest = Manifest.read(clip).validate()
                segments += pipe.predict_manifest(manifest, progress=progress, **shared)
            else:
                shown = progress if of_clip["segment"] else None
                segments += pipe(clip, **of_clip, **shared, progress=shown)
        except EmofuseError as error:
            failures.append(str(error))
    return segments, failures


def run_and_clips(run: Path | None, clips: list[Path] | None) -> tuple[Path, list[Path] | None]:
    """The run and the clips; the starter where the first argument is no run but a clip, a folder of clips, or nothing."""
    if run is None:
        return Path(STARTER), clips
    if run.is_file() or _is_clips_folder(run, clips) or _is_clip_name(run):
        return Path(STARTER), [run, *(clips or [])]
    return run, clips


def _is_clips_folder(run: Path, clips: list[Path] | None) -> bool:
    """A folder that stands alone and is no run: there would be nothing else to predict."""
    from emofuse.data.found_recordings import has_recording

    return not clips and run.is_dir() and not (run / "run.json").exists() and has_recording(run)


def _is_clip_name(run: Path) -> bool:
    """What is not there and has a suffix: a misspelt clip, and no name of a run on the hub such as ``org/run-1.0``."""
    from emofuse.data.found_recordings import is_recording_name

    on_hub = "/" in str(run) and not run.parent.exists() and not is_recording_name(run)
    return not run.exists() and bool(run.suffix) and str(run) != STARTER and not on_hub


def _precision(given: str | None, experts: str | None) -> Precision:
    if given is not None and experts is not None:
        raise EmofuseError("--precision is of a run's system, and --experts take its place; leave one out")
    known: dict[str | None, Precision] = {None: "32", "32": "32", "auto": "auto", "bf16": "bf16"}
    if given in known:
        return known[given]
    raise EmofuseError(f"--precision {given}: is 32, bf16 or auto")


def _check_arguments(clips: list[Path] | None, text: str | None, figure: Path | None) -> None:
    """What cannot work is said before a run is loaded."""
    if not clips and text is None:
        raise EmofuseError("nothing to predict: name a clip, a manifest, or give --text")
    if text is not None and clips and len(clips) > 1:
        raise EmofuseError("--text goes with one clip; give a manifest with a text column for several")
    if figure is not None:
        check_new_file(figure)


def _draw(segments: list[EmotionSegment], labels: list[str], path: Path) -> None:
    from emofuse.evaluation.reporting.figures import TimelineSegment, draw_timeline, write_figure

    shown = [
        TimelineSegment(start, end, s.label, s.probabilities, s.speaker)
        for s, (start, end) in zip(segments, timeline_positions(segments), strict=True)
    ]
    saved = write_figure(draw_timeline(shown, labels=labels), path.with_suffix(""))
    typer.echo(f"drawn: {saved.png} and {saved.svg}", err=True)


def timeline_positions(segments: list[EmotionSegment]) -> list[tuple[float, float]]:
    """Seconds of the segments on one line of time, on which each recording begins where the last one ended."""
    times: list[tuple[float, float]] = []
    recording, offset, last = segments[0].recording, 0.0, 0.0
    for s in segments:
        if s.end is None:
            raise EmofuseError(
                f"--figure: nothing says when {s.id} was said; give start and end, or a recording"
            )
        if s.recording != recording:
            recording, offset = s.recording, last
        times.append((offset + s.start, offset + s.end))
        last = max(last, offset + s.end)
    return times
