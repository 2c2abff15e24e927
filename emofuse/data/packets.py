"""Packets of a stream and their times; what cannot be decoded is left out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, overload

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

MediaStream = VideoStream | AudioStream


class Clock:
    """Turns a stream's time stamps into seconds on the file's clock, and back."""

    def __init__(self, container: InputContainer, stream: MediaStream) -> None:
        self.tick = stream.time_base or Fraction(1, av.time_base)
        self.zero = (container.start_time or 0) / av.time_base
        # Kept apart, because fractions are too slow to be used for every packet.
        self._ticks, self._per = self.tick.numerator, self.tick.denominator

    def seconds(self, ticks: int) -> float:
        """The moment of a time stamp."""
        return ticks * self._ticks / self._per - self.zero

    def ticks(self, seconds: float) -> int:
        """The last time stamp that is not after a moment."""
        return math.floor((seconds + self.zero) / self.tick)


def seek(container: InputContainer, stream: MediaStream, time: float) -> bool:
    """Go to a point from which ``stream`` can be decoded, at or before ``time``; False if that fails."""
    try:
        container.seek(Clock(container, stream).ticks(time), stream=stream)
    except (av.FFmpegError, OverflowError):
        return False
    return True


def packets(container: InputContainer, stream: MediaStream) -> Iterator[Packet[Any]]:
    """Packets of one stream up to the file's end or to the point where it is broken off."""
    try:
        for packet in container.demux(stream):
            if packet.size:
                yield packet
    except (av.FFmpegError, IndexError):  # an IndexError where damage lets a stream appear halfway
        return


@overload
def decode(stream: VideoStream, packet: Packet[Any] | None) -> list[VideoFrame]: ...


@overload
def decode(stream: AudioStream, packet: Packet[Any] | None) -> list[AudioFrame]: ...


def decode(stream: MediaStream, packet: Packet[Any] | None) -> list[VideoFrame] | list[AudioFrame]:
    """What a packet decodes to, which is nothing if it is damaged; None gets what the decoder still holds."""
    try:
        return stream.decode(packet)
    except av.FFmpegError:
        return []
