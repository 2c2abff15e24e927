"""Decode the pictures of a video one after the other: all of them, or only those that lead to given times."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any, Protocol

from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from emofuse.data.container import ReadAgainError
from emofuse.data.lengths import plausible_frame_rate
from emofuse.data.packets import Clock, decode, packets, seek

SEEK_FROM = 1.0  # seconds into the file from which it pays to seek rather than to read on
# Seconds by which a seek aims early: it may go by the time of decoding, which is before that of showing, and
# some formats land on any picture, so that the keyframe before it must be looked for.
SEEK_EARLY = (0.5, 10.0, 60.0)
HELD_PACKETS = 1024  # bound on the packets kept undecoded while a later keyframe may come
SAME_TIME = 1e-6  # seconds
SKIPPING_DECODERS = {"h264", "hevc", "mpeg4", "mpeg2video"}  # heed a packet's own word on whether to skip it


class LostFrameStepError(ReadAgainError):
    """A shortcut did not lead to the frame that it promised; decoding every frame will."""


class Aim(Protocol):
    """What :class:`NeededFrames` decodes for; it may move to a later time each time a frame has come out."""

    @property
    def target(self) -> float:
        """Time in seconds; wanted is the last picture that is not after it."""
        ...


def seconds_shown(frame: VideoFrame, stream: VideoStream) -> float:
    """How long a frame stays on screen, as far as the file says."""
    if frame.duration and stream.time_base:
        return float(frame.duration * stream.time_base)
    return 1.0 / plausible_frame_rate(stream)


def every_frame(
    container: InputContainer, stream: VideoStream, *, counted: bool = False
) -> Iterator[tuple[float, VideoFrame]]:
    """All frames of a file, each with its time in seconds.

    Args:
        container: the file, just opened.
        stream: its video.
        counted: leave time stamps out of account; the frames follow each other at the video's rate.
    """
    clock, count = Clock(container, stream), 0.0
    for packet in chain(packets(container, stream), [None]):
        for frame in decode(stream, packet):
            # A bare stream of pictures has no time stamps; its frames follow each other at its rate.
            yield (count if counted or frame.pts is None else clock.seconds(frame.pts)), frame
            count += 1.0 / plausible_frame_rate(stream) if counted else seconds_shown(frame, stream)


class NeededFrames:
    """The frames that lead to given times, leaving out what has no influence on them.

    Packets are held back until the next target is reached. If a keyframe comes first, nothing before it is
    needed any more; and of the pictures before the one wanted, those that no other refers to are skipped.
    The pictures that do come out are exactly those of a full decoding.

    Args:
        container: the open file.
        stream: its video.
        aim: what to decode for.
        moved: whether the reading position is elsewhere than at the file's beginning.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, aim: Aim, moved: bool) -> None:
        self.container, self.stream, self.aim, self.moved = container, stream, aim, moved
        self._clock = Clock(container, stream)
        self._held: list[Packet[Any]] = []
        self._resumed: int | None = None  # time stamp of the keyframe that must come out next
        self._awaited: int | None = None  # time stamp of the picture wanted, which no later one may precede
        self._skips = stream.codec_context.codec.name in SKIPPING_DECODERS

    def __iter__(self) -> Iterator[tuple[float, VideoFrame]]:
        """Yield (time in seconds, frame).

        Raises:
            LostFrameStepError: if time stamps are missing or the file's keyframes are not where it says.
        """
        for packet in self._packets():
            if packet.is_keyframe and self._leads_to_target(packet):
                self._resume_at(packet)
            self._held.append(packet)
            # Packets come in the order of dts, and no pts is before its dts: no later packet can be wanted.
            if packet.dts is None or self._is_past_target(packet) or len(self._held) >= HELD_PACKETS:
                yield from self._decode_held()
        yield from self._decode_held()
        yield from self._kept(decode(self.stream, None))

    def _packets(self) -> Iterator[Packet[Any]]:
        """From the file's beginning, or from a keyframe well before the first target if that is far."""
        if not self.moved and self.aim.target <= SEEK_FROM:
            yield from packets(self.container, self.stream)
            return
        for early in SEEK_EARLY:
            if not seek(self.container, self.stream, max(0.0, self.aim.target - early)):
                break
            following = packets(self.container, self.stream)
            for packet in following:
                if packet.is_keyframe and self._leads_to_target(packet):
                    yield packet
                    yield from following
                    return
                if self._is_past_target(packet):
                    break
        raise LostFrameStepError

    def _leads_to_target(self, packet: Packet[Any]) -> bool:
        return packet.pts is not None and self._clock.seconds(packet.pts) <= self.aim.target + SAME_TIME

    def _is_past_target(self, packet: Packet[Any]) -> bool:
        return packet.dts is not None and self._clock.seconds(packet.dts) > self.aim.target + SAME_TIME

    def _resume_at(self, keyframe: Packet[Any]) -> None:
        self.stream.codec_context.flush_buffers()
        self._held.clear()
        # An edit list may let decoding begin with pictures that are not to be shown.
        self._resumed = None if keyframe.is_discard else keyframe.pts

    def _decode_held(self) -> Iterator[tuple[float, VideoFrame]]:
        held, self._held = self._held, []
        leading = [p.pts for p in held if p.pts is not None and self._leads_to_target(p) and not p.is_discard]
        wanted = max(leading, default=None)
        self._awaited = max((t for t in (wanted, self._awaited) if t is not None), default=None)
        for packet in held:
            spare = self._skips and packet.pts != wanted and self._leads_to_target(packet)
            self.stream.codec_context.skip_frame = "NONREF" if spare else "DEFAULT"
            yield from self._kept(decode(self.stream, packet))

    def _kept(self, frames: list[VideoFrame]) -> Iterator[tuple[float, VideoFrame]]:
        for frame in frames:
            if frame.pts is None:
                raise LostFrameStepError
            if self._resumed is not None and frame.pts < self._resumed:
                continue  # it refers to pictures before the keyframe, which were left out
            if self._resumed is not None and not (frame.pts == self._resumed and frame.key_frame):
                raise LostFrameStepError
            if self._awaited is not None and frame.pts > self._awaited:
                raise LostFrameStepError
            self._resumed = None
            if frame.pts == self._awaited:
                self._awaited = None
            yield self._clock.seconds(frame.pts), frame
