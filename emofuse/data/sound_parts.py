"""The sound of a file, decoded part by part, each with its time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from statistics import median_low

import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from emofuse.data.channels import channels_of, downmix_weights
from emofuse.data.container import ReadAgainError
from emofuse.data.lengths import time_stamps_are_plausible
from emofuse.data.media_error import MediaError
from emofuse.data.packets import Clock, decode, packets, seek

# Seconds by which a seek aims early: codecs need what comes before to decode what comes after.
SEEK_EARLY = 0.5
# Where packets of the container and of the codec do not coincide, some time stamps belong to the frame before or
# after, and those right after a seek often do; most of those of two seconds are right.
UNALIGNED, SEEK_EARLY_UNALIGNED = ("mpeg", "mpegts"), 2.0
MISALIGNED = 0.15  # seconds by which such a time stamp may be wrong
# Hz; fewer samples per second are no sound, and for more of them the resampler takes gigabytes.
SLOWEST_RATE, FASTEST_RATE = 1000, 1_000_000


class LateError(ReadAgainError):
    """A seek went past the begin of the segment, or tells no time."""


@dataclass(frozen=True)
class SoundPart:
    """Decoded sound (channels, samples) of ``rate`` Hz from ``time`` seconds on, and its downmix."""

    time: float
    rate: int
    channels: NDArray[np.float64]
    weights: NDArray[np.float64]

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.channels.shape[1] / self.rate


def sound_parts(
    container: InputContainer, stream: AudioStream, begin: float, seeking: bool
) -> Iterator[SoundPart]:
    """The sound from the file's beginning, or from a little before ``begin``.

    Raises:
        LateError: it cannot be sought, or tells no time after it was.
        MediaError: it is no sound.
    """
    if not time_stamps_are_plausible(container, stream):
        if seeking:
            raise LateError
        return _decoded(container, stream, counted=True)
    if not seeking:
        return _decoded(container, stream)
    unaligned = container.format.name in UNALIGNED
    if unaligned and stream.codec_context.name.startswith("pcm_"):
        raise LateError  # its time stamps stray by as much as a packet holds, and it is quick to read
    if not seek(container, stream, begin - (SEEK_EARLY_UNALIGNED if unaligned else SEEK_EARLY)):
        raise LateError
    parts = _decoded(container, stream, timed=True)
    return _aligned(parts, begin) if unaligned else parts


def _decoded(
    container: InputContainer, stream: AudioStream, *, counted: bool = False, timed: bool = False
) -> Iterator[SoundPart]:
    """What decodes from here on.

    Args:
        container: the file.
        stream: its sound.
        counted: leave time stamps out of account; the parts follow each other.
        timed: the file was not begun at its beginning, so that only time stamps tell the time.
    """
    clock, following = Clock(container, stream), 0.0
    for packet in chain(packets(container, stream), [None]):
        for frame in decode(stream, packet):
            if frame.pts is None and timed:
                raise LateError
            if not SLOWEST_RATE <= frame.sample_rate <= FASTEST_RATE:
                what = f"its sound has {frame.sample_rate} samples per second, which is no sound"
                raise MediaError(container.name, "undecodable", what)
            time = following if counted or frame.pts is None else clock.seconds(frame.pts)
            part = SoundPart(time, frame.sample_rate, channels_of(frame), downmix_weights(frame))
            following = time + part.seconds
            yield part


def _aligned(parts: Iterable[SoundPart], begin: float) -> Iterator[SoundPart]:
    """Parts after a seek, those before ``begin`` timed by what most of them say."""
    following, held = iter(parts), list[SoundPart]()
    for part in following:
        if held and abs(part.time - held[-1].time - held[-1].seconds) > MISALIGNED:
            held.clear()  # a gap: what comes before it is not needed
        held.append(part)
        if part.time + part.seconds > begin - MISALIGNED:
            break
    counted = list(accumulate((part.seconds for part in held), initial=0.0))[:-1]
    first = median_low([part.time - count for part, count in zip(held, counted, strict=True)] or [0.0])
    yield from (replace(part, time=first + count) for part, count in zip(held, counted, strict=True))
    yield from following
