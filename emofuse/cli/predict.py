"""``emofuse predict``: raw clips or a manifest in, emotions out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emofuse.cli.experts import ExpertOptions
from emofuse.cli.prediction_checks import check_options
from emofuse.cli.prediction_clips import ClipArguments, predict_clips
from emofuse.cli.prediction_files import PredictionFiles
from emofuse.cli.prediction_folder import FolderArguments, predict_places
from emofuse.cli.prediction_names import run_and_clips

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
    speakers: Annotated[
        str | None, typer.Option(help="with --segment: how many people speak, auto or none")
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
    from emofuse.data.clip import words_of
    from emofuse.recordings.settings import parse_by, parse_speakers

    parse_speakers(speakers)
    finding = {
        "segment": None if segment is None else parse_by(segment, "--segment"),
        "speakers": speakers,
        "faces": faces,
        "active_speaker": None if active_speaker is None else str(active_speaker),
    }
    of_clip = {
        "text": words_of(text),
        "audio": audio,
        "context": tuple(said for said in context or () if words_of(said)),
        "start": start,
        "end": end,
        "every": every,
        **finding,
    }
    check_options(of_clip, device, as_json=as_json, as_csv=as_csv)
    run, clips = run_and_clips(run, clips)
    files = PredictionFiles(page, media, tuple(subtitles or ()), tuple(table or ()), tuple(tiers or ()))
    if out is not None or any(clip.is_dir() for clip in clips or ()):
        single = {
            "text": of_clip["text"],
            "audio": audio,
            "context": of_clip["context"],
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
            modalities=modalities,
            coverage=coverage,
            by_modality=by_modality,
            **finding,
        )
        return
    predict_clips(
        ClipArguments(
            run=run,
            clips=clips,
            of_clip=of_clip,
            of_all={"modalities": modalities, "coverage": coverage, "by_modality": by_modality},
            jobs=jobs,
            also=also,
            experts=ExpertOptions(experts, no_starter, label_map, trust, whole_frames),
            device=device,
            precision=precision,
            figure=figure,
            files=files,
            as_json=as_json,
            as_csv=as_csv,
            quiet=quiet,
        )
    )
