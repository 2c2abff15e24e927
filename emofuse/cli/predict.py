"""``emofuse predict``: raw clips or a manifest in, emotions out."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emofuse.cli.experts import ExpertOptions, open_pipeline
from emofuse.data.output_paths import check_new_file
from emofuse.errors import EmofuseError
from emofuse.starter import STARTER

if TYPE_CHECKING:
    from emofuse.pipeline import EmotionSegment

EXAMPLE = """Say which emotion a clip carries, or each row of a manifest.

Example: `emofuse predict clip.mp4 --text "I can't believe it!"`

Example: `emofuse predict runs/first clip.mp4 --text "I can't believe it!"`

Example: `emofuse predict clip.mp4 --experts text=j-hartmann/emotion-english-distilroberta-base`
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
    clips: Annotated[list[Path] | None, typer.Argument(help="video or sound files, or a manifest")] = None,
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
    modalities: Annotated[str | None, typer.Option(help="use only these of the run's modalities")] = None,
    coverage: Annotated[
        float | None,
        typer.Option(help="name a set of labels that holds the true one in this share, such as 0.9"),
    ] = None,
    by_modality: Annotated[
        bool, typer.Option("--by-modality", help="say as well what each modality says alone")
    ] = False,
    figure: Annotated[Path | None, typer.Option(help="draw the emotions over time as PNG or SVG")] = None,
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
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="print CSV")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress bars")] = False,
) -> None:
    """Predict clips; one that cannot be read is named, and the others go on."""
    from emofuse.cli.progress import progress_bar
    from emofuse.data.manifest_files import is_manifest_file
    from emofuse.data.modality import parse_modalities
    from emofuse.recordings.settings import parse_by

    by = None if segment is None else parse_by(segment, "--segment")
    run, clips = run_and_clips(run, clips)
    _check_arguments(clips, text, figure)
    if by and any(is_manifest_file(clip) for clip in clips or ()):
        raise EmofuseError("--segment finds utterances; a manifest names them already, so leave it out")
    options = ExpertOptions(experts, no_starter, label_map, trust, whole_frames)
    pipe = open_pipeline(run, options, device=device, quiet=quiet)
    if pipe.record.synthetic and not quiet:
        typer.echo("note: this run has learnt from synthetic clips; on real people it only guesses", err=True)
    if figure is not None and pipe.record.task != "classification":
        raise EmofuseError("--figure draws emotions over time, and this run predicts values; leave it out")
    chosen = parse_modalities(modalities)
    segments: list[EmotionSegment] = []
    failures: list[str] = []
    with progress_bar(quiet=quiet) as progress:
        for clip in [None] if clips is None else clips:
            try:
                if clip is not None and is_manifest_file(clip):
                    from emofuse.data.manifest import Manifest

                    segments += pipe.predict_manifest(
                        Manifest.read(clip).validate(),
                        modalities=chosen,
                        progress=progress,
                        coverage=coverage,
                        by_modality=by_modality,
                    )
                else:
                    segments += pipe(
                        clip,
                        text=text,
                        audio=audio,
                        context=context or (),
                        start=start,
                        end=end,
                        every=every,
                        segment=by,
                        progress=progress if by else None,
                        modalities=chosen,
                        coverage=coverage,
                        by_modality=by_modality,
                    )
            except EmofuseError as error:
                failures.append(str(error))
    _print(segments, as_json=as_json, as_csv=as_csv)
    if not quiet:
        _print_notes(segments)
    if figure is not None and segments:
        _draw(segments, pipe.labels, figure)
    if failures:
        raise EmofuseError("; ".join(failures))


def run_and_clips(run: Path | None, clips: list[Path] | None) -> tuple[Path, list[Path] | None]:
    """The run and the clips; the starter where the first argument is no folder but a clip, or nothing."""
    if run is None:
        return Path(STARTER), clips
    if run.is_file() or (not run.exists() and run.suffix and str(run) != STARTER):
        return Path(STARTER), [run, *(clips or [])]
    return run, clips


def _check_arguments(clips: list[Path] | None, text: str | None, figure: Path | None) -> None:
    """What cannot work is said before a run is loaded."""
    if not clips and text is None:
        raise EmofuseError("nothing to predict: name a clip, a manifest, or give --text")
    if text is not None and clips and len(clips) > 1:
        raise EmofuseError("--text goes with one clip; give a manifest with a text column for several")
    if figure is not None:
        check_new_file(figure)


def _print(segments: list[EmotionSegment], *, as_json: bool, as_csv: bool) -> None:
    if as_json:
        typer.echo(json.dumps([segment.to_dict() for segment in segments], ensure_ascii=False, indent=1))
    elif as_csv:
        _print_csv(segments)
    else:
        _print_lines(segments)


def _print_notes(segments: list[EmotionSegment]) -> None:
    """What had to be done to read the clips: each kind once, with how many it concerns."""
    counts = Counter(f"{modality}: {note}" for s in segments for modality, note in s.notes.items())
    for note, count in counts.items():
        typer.echo(f"note: in {count} of {len(segments)} predictions, {note}", err=True)


def _print_csv(segments: list[EmotionSegment]) -> None:
    from emofuse.data.spreadsheet import text_cell

    if not segments:
        return
    labels = list(segments[0].probabilities)
    values = ["value"] if segments[0].value is not None else []
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(
        [
            *["id", "start", "end", "speaker", *values, "label"],
            *[f"p_{label}" for label in labels],
            *["used", "missing", "unfamiliar"],
            *(["label_set"] if segments[0].label_set else []),
        ]
    )
    for s in segments:
        probabilities = [f"{s.probabilities[label]:.4f}" for label in labels]
        missing = "; ".join(f"{m}: {why}" for m, why in s.missing.items())
        value = [] if s.value is None else [f"{s.value:.4f}"]
        cells = [s.id, s.start, s.end, s.speaker, *value, s.label, *probabilities, "+".join(s.used), missing]
        cells += ["+".join(s.unfamiliar), *(["; ".join(s.label_set)] if s.label_set else [])]
        table.writerow(map(text_cell, cells))


def _print_lines(segments: list[EmotionSegment]) -> None:
    for s in segments:
        times = f"{s.start:.2f}–{s.end:.2f} s" if s.end is not None else ""
        typer.echo(f"{s.id}  {times}  {_describe(s)}  from {'+'.join(s.used) or 'nothing'}")
        for line in _details(s):
            typer.echo(f"    {line}")


def _details(s: EmotionSegment) -> list[str]:
    """What stands below a prediction."""
    lines = [f"without {modality}: {why}" for modality, why in s.missing.items()]
    if s.unfamiliar:
        lines.append(
            "unlike anything in training, so this is a guess: "
            + ", ".join(
                f"{modality} ({s.novelty[modality]:.1f} times the usual)" for modality in s.unfamiliar
            )
        )
    if s.label_set:
        lines.append("one of: " + ", ".join(s.label_set))
    for modality, says in s.by_modality.items():
        best = max(says, key=lambda label: says[label])
        amount = f"{100 * says[best]:.0f} %" if s.value is None else f"{says[best]:+.2f}"
        lines.append(
            f"{modality} alone: {best} {amount}{' (disagrees)' if modality in s.disagreeing else ''}"
        )
    return lines


def _describe(s: EmotionSegment) -> str:
    if s.value is not None:
        return f"{s.label} {s.value:+.2f}"
    ranked = sorted(s.probabilities.items(), key=lambda pair: -pair[1])
    rest = ", ".join(f"{label} {100 * p:.0f} %" for label, p in ranked[1:3])
    return f"{s.label} {100 * ranked[0][1]:.0f} %  ({rest})"


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
