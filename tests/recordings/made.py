"""A long recording made quickly: two people take turns, with pauses, and subtitles of what they say.

The voices and faces are those of the demo corpus, or real voices of RAVDESS where that lies beside the project. Few lines
are spoken and drawn; a long recording repeats them, so that ten minutes take seconds to make.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from emofuse.corpora.demo.cast import Speaker, make_cast
from emofuse.corpora.demo.film import film
from emofuse.corpora.demo.scenario import EMOTIONS
from emofuse.corpora.demo.voices import Speech, speak
from emofuse.corpora.demo.words import compose
from emofuse.data.audio import read_audio
from emofuse.data.manifest import Manifest
from emofuse.data.media_writer import write_wav
from emofuse.data.sampling_rate import RATE

NAMES = ("Anna", "Ben")
LINES = 6  # that each speaker has; a longer recording says them again
SIZE = 64  # side in pixels of one face; the picture shows two side by side, Anna on the left
FRAME_RATE = 5
PAUSES = (0.6, 1.6)  # seconds between two turns, at least and at most
HISS = 0.0008


@dataclass(frozen=True)
class Turn:
    """What is said from ``start`` to ``end`` seconds."""

    start: float
    end: float
    speaker: str
    text: str
    emotion: str


@dataclass(frozen=True)
class MadeRecording:
    """A recording whose every turn is known.

    Attributes:
        path: the recording, MP4 with picture and sound, or WAV.
        subtitles: SRT of all turns, with the speakers' names; None where none were asked for.
        turns: in order of time, without overlap.
        seconds: how long it is.
    """

    path: Path
    subtitles: Path | None
    turns: tuple[Turn, ...]
    seconds: float


@dataclass(frozen=True)
class _Line:
    speaker: str
    text: str
    emotion: str
    speech: Speech


def make_recording(
    folder: Path,
    *,
    seconds: float = 600.0,
    name: str = "film",
    picture: bool = True,
    subtitles: bool = True,
    voices: Path | None = None,
    seed: int = 0,
) -> MadeRecording:
    """Make ``folder/name.mp4`` (``.wav`` without picture) and ``folder/name.srt``.

    Args:
        folder: of the files.
        seconds: how long the recording is to be.
        name: of the files, without suffix.
        picture: whether two faces are seen, the speaker's with a moving mouth.
        subtitles: whether the SRT is written.
        voices: a folder with RAVDESS's manifest; two of its actors then speak in the place of computed voices.
        seed: of all that is drawn by lot.
    """
    rng = np.random.default_rng([seed, 15])
    cast = _two_speakers(seed)
    lines = _computed_lines(cast, rng) if voices is None else _real_lines(voices, rng)
    turns, said = _turns(lines, seconds, rng)
    sound = (HISS * rng.standard_normal(round(seconds * RATE))).astype(np.float32)
    for turn, line in zip(turns, said, strict=True):
        begin = round(turn.start * RATE)
        sound[begin : begin + len(line.speech.samples)] += line.speech.samples
    folder.mkdir(parents=True, exist_ok=True)
    if picture:
        path = folder / f"{name}.mp4"
        pictures = _pictures(cast, turns, said, seconds, rng)
        _write_film(path, pictures, sound)
    else:
        path = folder / f"{name}.wav"
        write_wav(path, sound, RATE)
    return MadeRecording(
        path, _write_srt(folder / f"{name}.srt", turns) if subtitles else None, turns, seconds
    )


def _two_speakers(seed: int) -> tuple[Speaker, Speaker]:
    """The lowest and the highest voice of a cast."""
    ordered = sorted(make_cast(6, seed), key=lambda speaker: speaker.voice.pitch)
    return ordered[-1], ordered[0]


def _computed_lines(cast: Sequence[Speaker], rng: np.random.Generator) -> list[list[_Line]]:
    lines = []
    for name, speaker in zip(NAMES, cast, strict=True):
        emotions = [EMOTIONS[i % len(EMOTIONS)] for i in range(LINES)]
        texts = [compose(emotion, speaker.fillers, rng) for emotion in emotions]
        lines.append(
            [
                _Line(name, text, emotion, _trimmed(speak(text, emotion, speaker.voice, rng)))
                for text, emotion in zip(texts, emotions, strict=True)
            ]
        )
    return lines


def _real_lines(folder: Path, rng: np.random.Generator) -> list[list[_Line]]:
    """Lines of a man and a woman of RAVDESS, without the silence before and after them."""
    rows = Manifest.read(folder / "manifest.csv").frame
    lines = []
    for name, sex in zip(NAMES, ("female", "male"), strict=True):
        of_sex = rows[rows["sex"] == sex]
        actor = of_sex[of_sex["speaker"] == of_sex["speaker"].iloc[0]]
        chosen = actor.iloc[rng.permutation(len(actor))[:LINES]]
        lines.append(
            [
                _Line(name, row.text, row.label, _without_silence(read_audio(folder / row.audio, rate=RATE)))
                for row in chosen.itertuples()
            ]
        )
    return lines


def _without_silence(samples: NDArray[np.float32]) -> Speech:
    """Real speech at the level of computed voices, its loudness in the place of the mouth's opening."""
    hop = RATE // 100
    loudness = np.sqrt((samples[: len(samples) // hop * hop].reshape(-1, hop) ** 2).mean(axis=1))
    return _trimmed(Speech(0.8 * samples / np.abs(samples).max(), loudness / loudness.max()))


def _trimmed(speech: Speech) -> Speech:
    """Speech from where it rises above a twentieth of its loudness to where it falls below that."""
    hop = RATE // 100
    whole = speech.samples[: len(speech.samples) // hop * hop].reshape(-1, hop)
    loudness = np.sqrt((whole**2).mean(axis=1))
    heard = np.flatnonzero(loudness > loudness.max() / 20)
    first, last = int(heard[0]), int(heard[-1]) + 1
    return Speech(whole[first:last].reshape(-1), speech.openness[first:last])


def _turns(
    lines: list[list[_Line]], seconds: float, rng: np.random.Generator
) -> tuple[tuple[Turn, ...], list[_Line]]:
    turns, said, time, count = [], [], 1.0, 0
    while True:
        line = lines[count % 2][count // 2 % LINES]
        end = time + line.speech.duration
        if end > seconds - 0.5:
            return tuple(turns), said
        turns.append(Turn(time, end, line.speaker, line.text, line.emotion))
        said.append(line)
        time, count = end + float(rng.uniform(*PAUSES)), count + 1


def _pictures(
    cast: Sequence[Speaker],
    turns: Sequence[Turn],
    said: Sequence[_Line],
    seconds: float,
    rng: np.random.Generator,
) -> Iterator[NDArray[np.uint8]]:
    """Both faces at all times; the one that speaks moves as the demo corpus has it, the other keeps still."""
    drawn = {
        id(line): list(
            film(
                cast[NAMES.index(line.speaker)].look,
                line.emotion if line.emotion in EMOTIONS else "neutral",
                line.speech,
                size=SIZE,
                frame_rate=FRAME_RATE,
                rng=rng,
            )
        )
        for line in {id(line): line for line in said}.values()
    }
    silence = Speech(np.zeros(RATE, np.float32), np.zeros(100))
    still = [
        list(film(person.look, "neutral", silence, size=SIZE, frame_rate=FRAME_RATE, rng=rng))
        for person in cast
    ]
    following = iter(zip(turns, said, strict=True))
    turn, line = next(following, (None, None))
    for count in range(round(seconds * FRAME_RATE)):
        time = count / FRAME_RATE
        while turn is not None and time >= turn.end:
            turn, line = next(following, (None, None))
        faces = [frames[count % len(frames)] for frames in still]
        if turn is not None and line is not None and time >= turn.start:
            frames = drawn[id(line)]
            faces[NAMES.index(turn.speaker)] = frames[
                min(int((time - turn.start) * FRAME_RATE), len(frames) - 1)
            ]
        yield np.concatenate(faces, axis=1)


def _write_film(path: Path, pictures: Iterator[NDArray[np.uint8]], sound: NDArray[np.float32]) -> None:
    """H.264 with FLAC, which takes a tenth of the time of AAC; browsers play it all the same."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=FRAME_RATE, options={"preset": "ultrafast", "crf": "26"})
        video.height, video.width, video.pix_fmt = SIZE, 2 * SIZE, "yuv420p"
        video.codec_context.thread_count, video.codec_context.gop_size = 1, 25
        audio = container.add_stream("flac", rate=RATE, layout="mono")
        audio.codec_context.format = "s16"
        whole = np.round(np.clip(sound, -1, 1) * 32767).astype(np.int16)[None]
        for count, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = count, Fraction(1, FRAME_RATE)
            container.mux(video.encode(frame))
            begin = count * RATE // FRAME_RATE
            part = np.ascontiguousarray(whole[:, begin : begin + RATE // FRAME_RATE])
            heard = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = RATE, begin, Fraction(1, RATE)
            container.mux(audio.encode(heard))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


def _write_srt(path: Path, turns: Sequence[Turn]) -> Path:
    cues = [
        f"{number}\n{_stamp(turn.start)} --> {_stamp(turn.end)}\n{turn.speaker.upper()}: {turn.text}\n"
        for number, turn in enumerate(turns, 1)
    ]
    path.write_text("\n".join(cues), encoding="utf-8")
    return path


def _stamp(seconds: float) -> str:
    milliseconds = round(1000 * seconds)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d},{rest % 1000:03d}"
