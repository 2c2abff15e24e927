"""``emofuse segment``: a recording in, a manifest of its utterances out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emofuse.data.output_paths import check_new_file
from emofuse.data.paths import real_path
from emofuse.data.wording import counted
from emofuse.errors import EmofuseError

if TYPE_CHECKING:
    from emofuse.recordings.segment import Segmentation
    from emofuse.recordings.settings import SegmentSettings
    from emofuse.recordings.spoken import Progress

EXAMPLE = """Find the utterances of a recording: who says what, from when to when.

Example: `emofuse segment film.mp4`

Example: `emofuse segment film.mp4 --by asr --speakers 2 -o film.csv`
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="segment", help=EXAMPLE)(segment)


def segment(
    recording: Annotated[Path, typer.Argument(help="video or sound file, of any length")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="manifest to write, in the recording's folder or above; by default beside it"
        ),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            help="auto, subtitles, asr (speech recognition) or vad (voice activity); auto takes the first that is there"
        ),
    ] = "auto",
    subtitles: Annotated[Path | None, typer.Option(help="a file: .srt, .vtt, .ass or .ssa")] = None,
    encoding: Annotated[str | None, typer.Option(help="of the subtitles' text, such as cp1251")] = None,
    speakers: Annotated[str, typer.Option(help="how many people speak: auto, none or a number")] = "auto",
    min_speech: Annotated[float, typer.Option(help="seconds below which a sound is no utterance")] = 0.25,
    pause: Annotated[float, typer.Option(help="seconds of silence that end an utterance")] = 0.5,
    pad: Annotated[float, typer.Option(help="seconds added before and after what is heard")] = 0.1,
    longest: Annotated[
        float, typer.Option(help="seconds above which an utterance is divided at a pause")
    ] = 20.0,
    threshold: Annotated[float, typer.Option(help="probability from which a sound is speech")] = 0.5,
    asr_model: Annotated[
        str | None, typer.Option(help="speech recognition by name or folder; by default Whisper tiny.en")
    ] = None,
    language: Annotated[str | None, typer.Option(help="of the speech, such as en; else found out")] = None,
    faces: Annotated[
        bool,
        typer.Option("--faces", help="look who of those that are seen speaks: columns face and listeners"),
    ] = False,
    active_speaker: Annotated[
        Path | None,
        typer.Option(
            help="weights of Light-ASD or LR-ASD, a file or a folder: they say who is seen speaking, with --faces or without"
        ),
    ] = None,
    voice_model: Annotated[
        str | None,
        typer.Option(
            help="tell voices apart by a speaker verifier of transformers, by name or folder; by default Resemblyzer's"
        ),
    ] = None,
    voices_apart: Annotated[
        float | None,
        typer.Option(
            help="with --speakers auto: cosine distance from which two voices are two; less finds more"
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="print the utterances as JSON")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress bars")] = False,
) -> None:
    """Find, write, and say what was found."""
    from emofuse.cli.progress import progress_bar
    from emofuse.data.manifest_io import check_manifest_suffix
    from emofuse.recordings.earlier_manifest import earlier_kept, refuse_annotated
    from emofuse.recordings.manifest import default_manifest, manifest_of
    from emofuse.recordings.settings import parse_by, parse_speakers

    if recording.is_dir():
        raise EmofuseError(f"{recording}: is a folder; name one recording")
    target = out or default_manifest(recording)
    check_new_file(target)
    check_manifest_suffix(target)
    _check_folder(recording, target)
    refuse_annotated(target)
    settings = _settings(
        by=parse_by(by),
        subtitles=subtitles,
        encoding=encoding,
        speakers=parse_speakers(speakers),
        min_speech=min_speech,
        pause=pause,
        pad=pad,
        longest=longest,
        threshold=threshold,
        asr_model=asr_model,
        language=language,
        faces=faces or active_speaker is not None,
        active_speaker=active_speaker,
        voice_model=voice_model,
        voices_apart=voices_apart,
        # Asked of torch only where a network may compute there: to load it takes longer than to read subtitles.
        device=_device(device) if by in ("auto", "asr") or active_speaker or voice_model else "cpu",
    )
    with progress_bar(quiet=quiet) as progress:
        found = _segmented(recording, settings, progress)
    with earlier_kept(target) as earlier:
        manifest_of(found).validate().write(target)
    if as_json:
        kept_as = {"earlier": str(earlier[0])} if earlier else {}
        typer.echo(json.dumps(_as_json(found, target) | kept_as, ensure_ascii=False, indent=1))
        return
    for line in _lines(found):
        typer.echo(line)
    for kept in earlier:
        typer.echo(f"the earlier one differs and is kept: {kept}")
    typer.echo(f"written: {target}")


def _segmented(recording: Path, settings: SegmentSettings, progress: Progress) -> Segmentation:
    from emofuse.recordings.recognisers import LanguageError
    from emofuse.recordings.segment import segment_recording

    try:
        return segment_recording(recording, settings, progress)
    except LanguageError as error:
        raise EmofuseError(f"--language {settings.language}: {error}; {error.advice}") from None


def _settings(**given: object) -> SegmentSettings:
    from pydantic import ValidationError

    from emofuse.recordings.settings import SegmentSettings

    try:
        return SegmentSettings.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        option = "-".join(str(part) for part in first["loc"]).replace("_", "-")
        raise EmofuseError(f"--{option}: {first['msg']} (given: {first['input']})") from None


def _check_folder(recording: Path, target: Path) -> None:
    """A manifest names its media from its own folder; said before the recording is listened to."""
    folder = real_path(recording).parent
    if not folder.is_relative_to(real_path(target).parent):
        raise EmofuseError(
            f"{target}: a manifest lies in the folder of its recording or above; write it to "
            f"{folder / target.name}, or put the recording below {real_path(target).parent}"
        )


def _device(given: str) -> str:
    if given == "cpu":
        return given
    from emofuse.runs.corpus import choose_device

    return choose_device(given)


def _as_json(found: Segmentation, target: Path) -> dict[str, object]:
    return {
        "manifest": str(target),
        "by": found.by,
        "language": found.language,
        "notes": found.notes,
        "utterances": [
            {
                **{"id": u.id, "start": u.start, "end": u.end, "speaker": u.speaker, "text": u.text},
                **({"face": u.face, "listeners": u.listeners} if found.seen else {}),
            }
            for u in found.utterances()
        ],
    }


def _lines(found: Segmentation) -> list[str]:
    seconds = sum(one.seconds for one in found.spoken)
    who = (
        f", {counted(len(found.speakers), 'speaker')}: {', '.join(found.speakers[:8])}"
        if found.speakers
        else ""
    )
    more = ", ..." if len(found.speakers) > 8 else ""
    ways = {"subtitles": "subtitles", "asr": "speech recognition", "vad": "voice activity"}
    lines = [
        f"by {ways[found.by]}: {counted(len(found.spoken), 'utterance')}, {seconds:.1f} s of speech{who}{more}"
    ]
    if found.seen:
        count = sum(who is not None for who in found.seen)
        lines.append(f"of {counted(count, 'utterance')} it was seen who speaks")
    return lines + [f"note: {note}" for note in found.notes]
