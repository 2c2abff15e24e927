"""One utterance acted out: spoken, filmed and written to a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emofuse.corpora.demo.cast import Speaker, make_unseen_speaker
from emofuse.corpora.demo.film import film
from emofuse.corpora.demo.scenario import EMOTIONS, Cues
from emofuse.corpora.demo.voices import speak
from emofuse.corpora.demo.words import compose
from emofuse.data.media_writer import write_video
from emofuse.data.sampling_rate import RATE
from emofuse.errors import EmofuseError

SMALLEST, LARGEST = 32, 1024
SLOWEST, FASTEST = 2.0, 60.0
"""Limits of the picture's size in pixels and of the frame rate."""


@dataclass(frozen=True)
class DemoClip:
    """A clip made by :func:`generate_clip`: synthetic, like all of the demo corpus.

    Attributes:
        path: The file.
        text: What is said in it.
        label: The emotion felt.
        cues: What words, voice and face show.
        speaker: Name of the speaker.
    """

    path: Path
    text: str
    label: str
    cues: Cues
    speaker: str


def generate_clip(
    path: Path | str,
    *,
    emotion: str,
    speaker_seed: int = 0,
    seed: int = 0,
    cues: Cues | None = None,
    size: int = 96,
    frame_rate: float = 12.5,
) -> DemoClip:
    """Make one clip of a speaker who is in no demo corpus.

    Args:
        path: The file to write, usually ``.mp4``.
        emotion: What the speaker feels, one of :data:`~emofuse.corpora.demo.scenario.EMOTIONS`.
        speaker_seed: Another seed, another speaker.
        seed: Another seed, another sentence and performance.
        cues: What each modality shows; by default all show the emotion.
        size: Height and width of the picture in pixels.
        frame_rate: Frames per second.

    Raises:
        EmofuseError: If there is no such emotion, or size or frame rate are out of bounds.
    """
    check_picture(size, frame_rate)
    cues = cues or Cues.same_emotion(emotion)
    for name in (emotion, *cues):
        if name not in EMOTIONS:
            raise EmofuseError(f"emotion {name!r}: the demo corpus has {', '.join(EMOTIONS)}")
    speaker = make_unseen_speaker(speaker_seed)
    rng = np.random.default_rng([seed, speaker_seed, 5])
    text = compose(cues.text, speaker.fillers, rng)
    perform(Path(path), text, cues, speaker, size=size, frame_rate=frame_rate, rng=rng)
    return DemoClip(Path(path), text, emotion, cues, speaker.name)


def perform(
    path: Path,
    text: str,
    cues: Cues,
    speaker: Speaker,
    *,
    size: int,
    frame_rate: float,
    rng: np.random.Generator,
) -> None:
    """Speak and film one sentence, and write it to a file that appears when it is complete.

    Args:
        path: The file.
        text: What is said.
        cues: The emotions that voice and face show.
        speaker: Who acts.
        size: Height and width of the picture in pixels.
        frame_rate: Frames per second.
        rng: Source of all that differs between performances.
    """
    speech = speak(text, cues.audio, speaker.voice, rng)
    frames = film(speaker.look, cues.video, speech, size=size, frame_rate=frame_rate, rng=rng)
    # With nothing but key frames x264 plans no frame by others, which it does not do the same way each time.
    write_video(path, frames, frame_rate, audio=speech.samples, sample_rate=RATE, keyframe_interval=1)


def check_picture(size: int, frame_rate: float) -> None:
    """Refuse sizes and frame rates that cannot be filmed.

    Raises:
        EmofuseError: If the size is out of bounds or odd (H.264 players want even ones), or the rate is.
    """
    if not SMALLEST <= size <= LARGEST or size % 2:
        raise EmofuseError(f"size {size}: choose an even number of pixels from {SMALLEST} to {LARGEST}")
    if not SLOWEST <= frame_rate <= FASTEST:
        raise EmofuseError(f"frame rate {frame_rate}: choose {SLOWEST:g} to {FASTEST:g} frames per second")
