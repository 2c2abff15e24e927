"""Read the sound of a segment as one channel at one rate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from emofuse.data.container import (
    Clock,
    audio_stream,
    checked_segment,
    decode,
    open_media,
    packets,
    seek,
    stated_end,
)
from emofuse.data.media_error import MediaError

SEEK_FROM = 1.0  # seconds into the file from which it pays to seek rather than to read on
# Seconds by which a seek aims early: codecs need what comes before to decode what comes after.
SEEK_EARLY = 0.5
JITTER = 0.05  # seconds by which time stamps may stray from the count of samples without meaning a gap
LONGEST_GAP = 600.0  # seconds; a time stamp further away is damaged
CODEC_PADDING = 0.25  # seconds that a codec may add at the end to fill its last packet
MOST_PLANES = 7  # of frames with more, PyAV reads past the list of planes; damaged sound decodes to such
FULL_SCALE = {"u8": 2.0**7, "s16": 2.0**15, "s32": 2.0**31}


def read_audio(
    path: Path | str,
    *,
    start: float | None = None,
    end: float | None = None,
    rate: int = 16000,
) -> NDArray[np.float32]:
    """Read the sound from ``start`` to ``end``, from a sound file or from a video's sound track.

    Sample i is the sound at ``start`` + i / ``rate``, exact to the sample where the file's time stamps are
    (some containers round them to milliseconds). Channels are averaged. Where the file has no sound for a
    moment, before the track begins or in a gap, there is silence; an ``end`` beyond the end of the sound means
    the end of the sound. Of a damaged or cut off file, what decodes is used.

    Args:
        path: the file.
        start: begin of the segment in seconds of the file's clock; by default, or below zero, its zero.
        end: end of the segment in seconds; by default the end of the sound.
        rate: samples per second of the result.

    Returns:
        Mono sound (samples,), float32, in [-1, 1] unless the file itself goes beyond.

    Raises:
        MediaError: if the file is missing, holds no sound, none in the segment, or sound that is not finite.
        ValueError: if ``rate`` is not positive.
    """
    if rate < 1:
        raise ValueError(f"the sample rate must be positive, not {rate}")
    begin, finish = checked_segment(path, start, end)
    try:
        return _read(Path(path), begin, finish, rate, seeking=begin > SEEK_FROM)
    except _LateError:
        return _read(Path(path), begin, finish, rate, seeking=False)


class _LateError(Exception):
    """A seek went past the begin of the segment."""


def _read(path: Path, begin: float, finish: float, rate: int, seeking: bool) -> NDArray[np.float32]:
    with open_media(path) as container:
        stream = audio_stream(container, path)
        if seeking and not seek(container, stream, begin - SEEK_EARLY):
            raise _LateError
        segment, resampler = _Segment(begin, finish), _Resampler(rate)
        for time, own_rate, sound in _mono_chunks(container, stream, counting=not seeking):
            if seeking and segment.untouched and time > begin:
                raise _LateError
            if time >= finish and segment.untouched:
                what = f"the sound begins at {time:.3f} s, but the segment ends at {finish:.3f} s"
                raise MediaError(path, "no-samples-in-segment", what)
            if time >= finish:
                break
            part = segment.cut(time, own_rate, sound)
            if not np.isfinite(part).all():
                what = f"its sound from {time:.3f} s on has samples that are not numbers"
                raise MediaError(path, "not-finite", what)
            resampler.push(part, own_rate)
        if segment.untouched:
            if seeking:
                raise _LateError
            raise _nothing_there(path, begin, stated_end(container, stream))
        until = _without_padding(segment.until, stated_end(container, stream))
        if until <= segment.since:
            raise _nothing_there(path, begin, None)
        return resampler.result(round((until - segment.since) * rate))


class _Segment:
    """Cuts chunks of sound to a segment and closes the gaps between them with silence."""

    def __init__(self, begin: float, finish: float) -> None:
        self.finish = finish
        self.since = self.until = begin  # the segment is filled between these times, in seconds
        self.untouched = True
        self._expected: float | None = None  # time of the next chunk if it follows without a gap

    def cut(self, time: float, rate: int, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        """The part of a chunk that goes next into the segment, after silence if it comes late.

        Args:
            time: of the chunk's first sample, in seconds.
            rate: of the chunk, in Hz.
            sound: (samples,).
        """
        if self._expected is not None:
            stray = abs(time - self._expected)
            time = self._expected if stray <= JITTER or stray > LONGEST_GAP else time
        self._expected = time + len(sound) / rate
        first = _samples_before(self.until, time, rate)
        last = min(len(sound), _samples_before(self.finish, time, rate))
        if last <= max(first, 0):
            return sound[:0]
        if self.untouched:
            self.since, self.untouched = time + first / rate, False
        self.until = time + last / rate
        return sound[first:last] if first >= 0 else np.pad(sound[:last], (-first, 0))


class _Resampler:
    """Collects chunks of mono sound at one rate."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._chunks: list[NDArray[np.float32]] = []
        self._converter: av.AudioResampler | None = None
        self._own_rate = 0

    def push(self, sound: NDArray[np.float32], own_rate: int) -> None:
        """Add sound that was taken at ``own_rate`` Hz."""
        if own_rate != self._own_rate:
            self._flush()
            self._own_rate = own_rate
            if own_rate != self.rate:
                self._converter = av.AudioResampler(format="fltp", layout="mono", rate=self.rate)
        if self._converter is None:
            self._chunks.append(sound)
        elif len(sound):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(sound[None]), format="fltp", layout="mono"
            )
            frame.sample_rate = own_rate
            self._keep(self._converter.resample(frame))

    def result(self, samples: int) -> NDArray[np.float32]:
        """All sound, cut or filled up to ``samples``, from which it differs by rounding alone."""
        self._flush()
        sound = np.concatenate([*self._chunks, np.zeros(0, np.float32)])[:samples]
        return np.pad(sound, (0, samples - len(sound)))

    def _flush(self) -> None:
        if self._converter is not None:
            self._keep(self._converter.resample(None))
        self._converter = None

    def _keep(self, frames: list[AudioFrame]) -> None:
        self._chunks.extend(frame.to_ndarray()[0].astype(np.float32) for frame in frames)


def _mono_chunks(
    container: InputContainer, stream: AudioStream, counting: bool
) -> Iterator[tuple[float, int, NDArray[np.float32]]]:
    """Yield (time in seconds, own rate in Hz, samples averaged over the channels)."""
    clock, counted = Clock(container, stream), 0.0
    for packet in chain(packets(container, stream), [None]):
        for frame in decode(stream, packet):
            if frame.pts is None and not counting:
                raise _LateError  # without time stamps, only counting from the beginning tells the time
            time = counted if frame.pts is None else clock.seconds(frame.pts)
            counted = time + frame.samples / frame.sample_rate
            yield time, frame.sample_rate, _mono(frame)


def _mono(frame: AudioFrame) -> NDArray[np.float32]:
    """Mean of the channels, scaled to [-1, 1]: (samples,)."""
    if frame.format.is_planar and frame.layout.nb_channels > MOST_PLANES:
        parts = av.AudioResampler(format=frame.format.packed.name).resample(frame)
        return np.concatenate([np.zeros(0, np.float32), *map(_mono, parts)])
    name = frame.format.name.removesuffix("p")
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is found and refused afterwards
        samples = frame.to_ndarray().astype(np.float64)
        channels = samples if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels).T
        middle = FULL_SCALE["u8"] if name == "u8" else 0.0
        return ((channels.mean(axis=0) - middle) / FULL_SCALE.get(name, 1.0)).astype(np.float32)


def _samples_before(moment: float, time: float, rate: int) -> int:
    """How many samples, the first of them at ``time``, come before a moment."""
    # The thousandth forgives the rounding of times that mean a sample exactly.
    return math.ceil(min((moment - time) * rate, 2.0**62) - 1e-3)


def _without_padding(until: float, stated: float | None) -> float:
    """Leave out what a codec adds to fill its last packet; a larger excess means that the file misstates."""
    return stated if stated is not None and stated < until <= stated + CODEC_PADDING else until


def _nothing_there(path: Path, begin: float, stated: float | None) -> MediaError:
    if stated is not None and begin < stated:
        what = f"no sound from {begin:.3f} s on can be decoded: the file is cut off or damaged"
        return MediaError(path, "truncated", what)
    return MediaError(path, "no-samples-in-segment", f"there is no sound from {begin:.3f} s on")
