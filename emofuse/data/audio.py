"""Read the sound of a segment as one channel at one rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emofuse.data.channels import Mixer
from emofuse.data.container import audio_stream, best_stream, checked_segment, open_media
from emofuse.data.lengths import (
    CODEC_PADDING,
    MOST_STRETCHED,
    UNDOUBTED_SECONDS,
    longest,
    stated_end,
    states_length,
    stream_end,
)
from emofuse.data.media_error import MediaError
from emofuse.data.resampling import Resampler, SoundBuffer
from emofuse.data.sampling_rate import RATE
from emofuse.data.sound_parts import LateError, SoundPart, sound_parts

SEEK_FROM = 1.0  # seconds into the file from which it pays to seek rather than to read on
JITTER = 0.05  # seconds by which time stamps may stray from the count of samples without meaning a gap
LONGEST_GAP = 600.0  # seconds; a time stamp further away is damaged
# Seconds that are read at once; a few bytes can stand for hours of silence, so they are counted as they come.
LONGEST_SOUND = 12 * 3600.0
# Less than half a step of 16-bit sound away from its mean throughout: digital silence.
SILENCE = 2.0**-16


@dataclass(frozen=True)
class Sound:
    """Sound of a segment.

    Attributes:
        samples: (samples,) float32, one channel.
        notes: what was done to get it that its listener should know of, each a line in words.
    """

    samples: NDArray[np.float32]
    notes: tuple[str, ...] = ()

    @property
    def is_silent(self) -> bool:
        """Whether nothing can be heard: digital silence, or one constant value."""
        if not len(self.samples):
            return True
        return float(self.samples.max()) - float(self.samples.min()) < 2 * SILENCE


def read_audio(
    path: Path | str,
    *,
    start: float | None = None,
    end: float | None = None,
    rate: int = RATE,
) -> NDArray[np.float32]:
    """Read the sound from ``start`` to ``end``, from a sound file or from a video's sound track.

    Sample i is the sound at ``start`` + i / ``rate``, exact to the sample where the file's time stamps are
    (some containers round them to milliseconds). Channels are mixed down by the standard matrix
    (:mod:`emofuse.data.channels`); those that are silent in the segment do not lower the level, and where the
    others cancel each other the loudest is taken alone. Where the file has no sound for a moment, before the
    track begins or in a gap, there is silence; an ``end`` beyond the end of the sound means the end of the
    sound. Time stamps that claim far more silence than the file can hold are not used. Of a damaged or cut off
    file, what decodes is used.

    Args:
        path: the file.
        start: begin of the segment in seconds of the file's clock; by default, or below zero, its zero.
        end: end of the segment in seconds; by default the end of the sound.
        rate: samples per second of the result.

    Returns:
        Mono sound (samples,), float32, in [-1, 1] unless the file itself goes beyond.

    Raises:
        MediaError: if the file is missing, holds no sound, none in the segment, sound that is not finite, or more of it than
            is read at once.
        ValueError: if ``rate`` is not positive.
    """
    return read_sound(path, start=start, end=end, rate=rate).samples


def read_sound(
    path: Path | str, *, start: float | None = None, end: float | None = None, rate: int = RATE
) -> Sound:
    """:func:`read_audio`, and what had to be done for it."""
    if rate < 1:
        raise ValueError(f"the sample rate must be positive, not {rate}")
    request = SoundRequest(Path(path), *checked_segment(path, start, end), rate)
    mixer = Mixer()
    samples = _read(request, mixer)
    verdict = mixer.verdict()
    if verdict.only is not None:
        return Sound(_read(request, Mixer(only=verdict.only)), (verdict.note,))
    if not math.isclose(verdict.gain, 1.0):
        samples *= np.float32(verdict.gain)
    return Sound(samples)


def read_audible(
    path: Path | str, *, start: float | None = None, end: float | None = None, rate: int = RATE
) -> Sound:
    """:func:`read_sound` for encoders, to which silence is no sound.

    Raises:
        MediaError: as there, and where nothing can be heard: the absence of a voice says nothing of an emotion.
    """
    sound = read_sound(path, start=start, end=end, rate=rate)
    if sound.is_silent:
        raise MediaError(path, "silent", "its sound is silent, so there is no voice to go by")
    return sound


@dataclass(frozen=True)
class SoundRequest:
    """The part of a file's sound from ``begin`` to ``finish`` seconds, and the rate that it is wanted at."""

    path: Path
    begin: float
    finish: float
    rate: int


def _read(request: SoundRequest, mixer: Mixer) -> NDArray[np.float32]:
    try:
        return _attempt(request, mixer, seeking=request.begin > SEEK_FROM)
    except LateError:
        return _attempt(request, mixer, seeking=False)


def _attempt(request: SoundRequest, mixer: Mixer, seeking: bool) -> NDArray[np.float32]:
    path, begin, finish, rate = request.path, request.begin, request.finish, request.rate
    with open_media(path) as container:
        stream = audio_stream(container, path)
        segment, resampler, buffer = SegmentCutter(request), Resampler(rate), SoundBuffer()
        for part in sound_parts(container, stream, begin, seeking):
            if seeking and segment.untouched and part.time > begin:
                raise LateError
            if part.time >= finish and segment.untouched:
                what = f"the sound begins at {part.time:.3f} s, but the segment ends at {finish:.3f} s"
                raise MediaError(path, "no-samples-in-segment", what)
            if part.time >= finish:
                break
            silence, channels = segment.cut(part)
            if segment.until - segment.since > LONGEST_SOUND:
                raise _too_long(path)
            check_finite(path, part.time, channels)
            buffer.extend(resampler.push_silence(silence, part.rate))
            buffer.extend(resampler.push(mixer.mix(channels, part.weights, part.rate), part.rate))
        if segment.untouched:
            if seeking:
                raise LateError
            raise _nothing_decoded(path, begin, stated_end(container, stream))
        until = segment.until
        if states_length(container):
            until = _without_padding(until, stated_end(container, stream))
        if until <= segment.since:
            raise _nothing_decoded(path, begin, None)
        buffer.extend(resampler.flush())
        return buffer.result(round((until - segment.since) * rate))


class SegmentCutter:
    """Cuts parts of sound to a segment and closes the gaps between them with silence."""

    def __init__(self, request: SoundRequest) -> None:
        self.path, self.finish = request.path, request.finish
        self.since = self.until = request.begin  # the segment is filled between these times, in seconds
        self.untouched = True
        self._expected: float | None = None  # time of the next part if it follows without a gap
        self._silence = self._sound = 0.0  # seconds of each so far
        self._video_end: float | None = None

    def cut(self, part: SoundPart) -> tuple[int, NDArray[np.float64]]:
        """What goes next into the segment: so many samples of silence, and then (channels, samples)."""
        time, count = part.time, part.channels.shape[1]
        if self._expected is not None:
            stray = abs(time - self._expected)
            time = self._expected if stray <= JITTER or stray > LONGEST_GAP else time
        self._expected = time + count / part.rate
        first = _samples_before(self.until, time, part.rate)
        last = min(count, _samples_before(self.finish, time, part.rate))
        if last <= max(first, 0):
            return 0, part.channels[:, :0]
        silence = max(0, -first)
        self._check(silence / part.rate, (last - max(first, 0)) / part.rate)
        if self.untouched:
            self.since, self.untouched = time + first / part.rate, False
        self.until = time + last / part.rate
        return silence, part.channels[:, max(first, 0) : last]

    def _check(self, silence: float, sound: float) -> None:
        """Refuse more silence than there can be: time stamps that lie would fill the memory with it."""
        self._silence += silence
        self._sound += sound
        if not silence or self._silence <= max(UNDOUBTED_SECONDS, MOST_STRETCHED * self._sound):
            return
        if self._video_end is None:
            self._video_end = _pictures_end(self.path)
        if self._silence > self._video_end:
            what = (
                f"its time stamps leave {self._silence:.0f} s of silence around {self._sound:.0f} s of sound"
            )
            raise MediaError(self.path, "bad-timestamps", f"{what}: convert it")


def check_finite(path: Path, time: float, channels: NDArray[np.float64]) -> None:
    """Refuse sound from ``time`` seconds on whose samples are not numbers.

    Raises:
        MediaError: there are such samples.
    """
    if not np.isfinite(channels).all():
        what = f"its sound from {time:.3f} s on has samples that are not numbers"
        raise MediaError(path, "not-finite", what)


def _too_long(path: Path) -> MediaError:
    what = f"more than {LONGEST_SOUND / 3600:.0f} hours of its sound are wanted at once"
    return MediaError(path, "too-large", f"{what}: cut it, or give start and end")


def _pictures_end(path: Path) -> float:
    """When the pictures beside the sound can end, 0 without any: so long, there may be silence."""
    with open_media(path) as container:
        stream = best_stream(container, "video")
        return (
            0.0 if stream is None else min(stream_end(container, stream) or 0.0, longest(container, stream))
        )


def _samples_before(moment: float, time: float, rate: int) -> int:
    """How many samples, the first of them at ``time``, come before a moment, to the nearest.

    Time stamps are rounded to the container's ticks; the nearest sample is the same in spite of that.
    """
    return round(min(max((moment - time) * rate, -(2.0**62)), 2.0**62))


def _without_padding(until: float, stated: float | None) -> float:
    """Leave out what a codec adds to fill its last packet; a larger excess means that the file misstates."""
    return stated if stated is not None and stated < until <= stated + CODEC_PADDING else until


def _nothing_decoded(path: Path, begin: float, stated: float | None) -> MediaError:
    if stated is not None and begin < stated:
        what = f"no sound from {begin:.3f} s on can be decoded: the file is cut off or damaged"
        return MediaError(path, "truncated", what)
    return MediaError(path, "no-samples-in-segment", f"there is no sound from {begin:.3f} s on")
