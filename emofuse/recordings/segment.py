"""The utterances of a recording, by the best way that there is."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from emofuse.data.face_place import as_written
from emofuse.data.media import MediaError, MediaInfo, probe
from emofuse.data.utterance import Utterance
from emofuse.data.wording import counted, shown
from emofuse.errors import EmofuseError, EmofuseWarning
from emofuse.recordings.cues import Cue, utterances_of
from emofuse.recordings.seen_speaking import SeenSpeaker, seen_speakers
from emofuse.recordings.settings import By, Method, SegmentSettings, settings_of
from emofuse.recordings.spoken import BY_SOUND, NoUtteranceError, Progress, Spoken, within
from emofuse.recordings.subtitle_streams import read_subtitle_stream, text_streams
from emofuse.recordings.subtitles import read_subtitles, subtitles_beside

if TYPE_CHECKING:
    from emofuse.recordings.active_speaker import ActiveSpeaker
    from emofuse.recordings.speakers import Embed


@dataclass(frozen=True)
class Segmentation:
    """What was found in a recording.

    Attributes:
        recording: the file.
        spoken: utterances in order of time; at least one.
        by: the way that was taken.
        notes: what a user should know, each a line: which way, and what was left out or guessed.
        language: of the speech, where that is known.
        info: what the recording holds.
        seen: of each utterance who is seen speaking; empty where that was not looked at.
    """

    recording: Path
    spoken: tuple[Spoken, ...]
    by: Method
    notes: tuple[str, ...]
    language: str | None
    info: MediaInfo
    seen: tuple[SeenSpeaker | None, ...] = ()

    @property
    def speakers(self) -> tuple[str, ...]:
        """Who speaks, in the order in which they are first heard."""
        return tuple(dict.fromkeys(one.speaker for one in self.spoken if one.speaker is not None))

    def utterances(self) -> list[Utterance]:
        """Rows of one dialogue, with absolute paths."""
        path = self.recording.absolute()
        seen = self.seen or [None] * len(self.spoken)
        return [
            Utterance(
                id=f"{shown(self.recording.stem)}#{turn:0{len(str(len(self.spoken)))}d}",
                dialogue=shown(self.recording.stem),
                turn=turn,
                speaker=one.speaker,
                text=one.text,
                video=path if self.info.has_video else None,
                audio=path if self.info.has_audio else None,
                start=round(one.start, 3),
                end=max(round(one.end, 3), round(one.start, 3) + 0.001),
                label=None,
                valence=None,
                split=None,
                group=None,
                face=None if who is None else as_written(who.face),
                listeners=() if who is None else tuple(map(as_written, who.listeners)),
            )
            for turn, (one, who) in enumerate(zip(self.spoken, seen, strict=True))
        ]


def segment_recording(
    recording: Path | str, settings: SegmentSettings | By = "auto", progress: Progress | None = None
) -> Segmentation:
    """Find the utterances of a recording.

    Args:
        recording: a video or sound file of any length.
        settings: or the way alone: ``"auto"``, ``"subtitles"``, ``"asr"``, ``"vad"``.
        progress: called with (done, total, what).

    Raises:
        NoUtteranceError: nobody speaks in it.
        EmofuseError: the way that is asked for needs what is not there, or it cannot be read.
    """
    path = Path(recording)
    settings = settings_of(settings)
    network = _active_speaker(settings)
    embed = _voice_model(settings)
    info = probe(path)
    method, why = _method(path, info, settings)
    notes = [why] if why else []
    language = None
    if method == "subtitles":
        spoken, new_notes = _by_subtitles(path, settings)
        notes += new_notes
    else:
        _check_sound(path, info)
        spoken, language, new_notes = _by_sound(path, method, settings, progress)
        notes += new_notes
    spoken, behind = within(spoken, info.duration)
    if behind:
        notes.append(f"left out behind the recording's end: {counted(behind, 'utterance')}")
    if not spoken:
        raise _nothing(path, method, behind)
    spoken, new_notes = _with_speakers(path, info, spoken, settings, progress, embed)
    seen = tuple(seen_speakers(path, spoken, progress, network=network)) if settings.faces else ()
    return Segmentation(path, tuple(spoken), method, (*notes, *new_notes), language, info, seen)


def _active_speaker(settings: SegmentSettings) -> ActiveSpeaker | None:
    """The network whose weights are named; read before the recording is, so that a wrong file costs no time."""
    if settings.active_speaker is None:
        return None
    from emofuse.recordings.active_speaker import ActiveSpeaker

    return ActiveSpeaker(settings.active_speaker, settings.device)


def _voice_model(settings: SegmentSettings) -> Embed | None:
    """The speaker verifier that is named, likewise."""
    if settings.voice_model is None or settings.speakers in (None, 1):
        return None
    from emofuse.recordings.voice_models import SpeakerVerifier

    return SpeakerVerifier(settings.voice_model, settings.device).embed


def _method(path: Path, info: MediaInfo, settings: SegmentSettings) -> tuple[Method, str]:
    """The way to take, and a line that says why where the user left it open."""
    if settings.by != "auto":
        return settings.by, ""
    if settings.subtitles is not None or subtitles_beside(path) or text_streams(path):
        return "subtitles", ""
    from emofuse.recordings import recognisers, voice_activity

    _check_sound(path, info)
    hears = voice_activity.is_installed()
    has_library = importlib.util.find_spec("faster_whisper") is not None
    if hears and (recognisers.is_installed() or (settings.asr_model is not None and has_library)):
        return "asr", "no subtitles beside or inside the recording"
    if hears:
        return (
            "vad",
            f"no subtitles, and no speech recognition ({recognisers.INSTALL}): the words are missing",
        )
    raise NoUtteranceError(
        f"{path}: has no subtitles beside it or inside, and nothing is installed that hears speech",
        f"{voice_activity.INSTALL} (voice activity) or {recognisers.INSTALL} (words as well), or name --subtitles",
    )


def _by_subtitles(path: Path, settings: SegmentSettings) -> tuple[list[Spoken], list[str]]:
    cues, notes = _cues(path, settings)
    read = utterances_of(cues)
    if read.silent:
        notes.append(
            f"left out, for music, sounds or signs alone: {read.silent} of {counted(len(cues), 'cue')}"
        )
    if read.guessed:
        notes.append(f"length guessed from the text, for want of an end: {counted(read.guessed, 'cue')}")
    return read.spoken, notes


def _cues(path: Path, settings: SegmentSettings) -> tuple[list[Cue], list[str]]:
    file = settings.subtitles
    beside = subtitles_beside(path) if file is None else []
    if beside:
        file = beside[0]
    if file is not None:
        cues, notes = read_subtitles(file, settings.encoding)
        others = f" (not {', '.join(other.name for other in beside[1:4])})" if len(beside) > 1 else ""
        return cues, [f"read from {file.name}{others}", *notes]
    cues = read_subtitle_stream(path)
    if not cues:
        raise NoUtteranceError(
            f"{path}: no subtitles of its name ({path.stem}.srt, .vtt, .ass, .ssa) lie beside it, and none in text inside",
            f"name a file with --subtitles, or {BY_SOUND}",
            by_sound=True,
        )
    return cues, ["read from the recording's own subtitles"]


def _by_sound(
    path: Path, method: Method, settings: SegmentSettings, progress: Progress | None
) -> tuple[list[Spoken], str | None, list[str]]:
    if method == "vad":
        from emofuse.recordings.voice_activity import spoken_by_activity

        return spoken_by_activity(path, settings, progress), None, []
    from emofuse.recordings.speech_recognition import transcribe

    found = transcribe(path, settings, progress)
    new_notes = [
        f"written down by {found.model}" + (f", language {found.language}" if found.language else "")
    ]
    return found.spoken, found.language, new_notes


def _check_sound(path: Path, info: MediaInfo) -> None:
    if not info.has_audio:
        raise MediaError(path, "no-audio", "it holds no sound and no subtitles, so nobody is heard to speak")


def _nothing(path: Path, method: Method, behind: int) -> NoUtteranceError:
    if method == "subtitles":
        what = "all its subtitles lie behind its end" if behind else "its subtitles say nothing"
        advice = f"name others with --subtitles, or {BY_SOUND}"
        return NoUtteranceError(f"{path}: {what}", advice, by_sound=True)
    return NoUtteranceError(
        f"{path}: nobody is heard to speak in it",
        "where somebody does, lower --threshold or --min-speech of `emofuse segment`, or cut it with `emofuse predict --every`",
    )


def _with_speakers(
    path: Path,
    info: MediaInfo,
    spoken: Sequence[Spoken],
    settings: SegmentSettings,
    progress: Progress | None,
    embed: Embed | None,
) -> tuple[list[Spoken], list[str]]:
    unknown = sum(one.speaker is None for one in spoken)
    if settings.speakers is None or not unknown or not info.has_audio:
        return list(spoken), []
    if settings.speakers == 1:
        name = next((one.speaker for one in spoken if one.speaker is not None), "speaker 1")
        return [replace(one, speaker=one.speaker or name) for one in spoken], []
    from emofuse.recordings import voice_embedding
    from emofuse.recordings.speakers import APART, name_speakers

    if embed is None and settings.speakers == "auto" and not voice_embedding.is_installed():
        what = f"{counted(unknown, 'utterance')} without a speaker; to tell voices apart, {voice_embedding.INSTALL}"
        return list(spoken), [what]
    apart = settings.voices_apart or APART
    return name_speakers(path, spoken, settings.speakers, progress, embed, apart), []


def segmented_utterances(
    recording: Path | str | None,
    settings: SegmentSettings | By,
    progress: Progress | None = None,
    *,
    given: Sequence[object] = (),
    faces: bool = False,
    active_speaker: Path | str | None = None,
    speakers: int | str | None = None,
) -> list[Utterance]:
    """The utterances of a recording for prediction; a warning tells what a user should know of how they were found.

    Args:
        recording: the file.
        settings: or the way alone.
        progress: called with (done, total, what).
        given: what else was said of the recording, all of it nothing.
        faces: look who of those that are seen speaks.
        active_speaker: weights that say it.
        speakers: how many people speak.

    Raises:
        EmofuseError: as :func:`segment_recording`, or something is given that goes with one utterance alone.
    """
    if recording is None:
        raise EmofuseError("segment: name a recording whose utterances are to be found")
    if any(one is not None for one in given):
        raise EmofuseError(
            "segment: finds the utterances and what is said in them; leave out text, audio, speaker, context, start, end "
            "and every"
        )
    chosen = settings_of(settings, faces=faces, active_speaker=active_speaker, speakers=speakers)
    found = segment_recording(recording, chosen, progress)
    for note in (
        f"{Path(recording).name}: {counted(len(found.spoken), 'utterance')} by {found.by}",
        *found.notes,
    ):
        warnings.warn(note, EmofuseWarning, stacklevel=3)
    return found.utterances()
