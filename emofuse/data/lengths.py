"""How long streams last: by their packets, and only as far as what the packets hold makes it likely."""

from __future__ import annotations

from typing import Any

import av
from av.audio.stream import AudioStream
from av.codec.context import CodecContext
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from emofuse.data.container import best_stream, reopened
from emofuse.data.packets import Clock, MediaStream, packets, seek

# Formats without a header that states the length: libav guesses it from the bit rate.
GUESSED = frozenset({"aac", "ac3", "eac3", "amr", "mp3", "mpegvideo", "m4v", "h264", "hevc", "obu", "mjpeg"})
TAIL = 2.0  # seconds before the end; in some formats the first time stamps after a seek are guesses
CODEC_PADDING = 0.25  # seconds that a codec may add at the end to fill its last packet
# A recording that claims more seconds than this, from fewer bytes for each of them, is looked at closely; there
# are less than a thousand bytes for each second that it claims, so that costs little.
UNDOUBTED_SECONDS, UNDOUBTED_RATE = 600.0, 1000.0
# Silence and stills may take so many times the seconds that packets cover; what claims more is damaged.
MOST_STRETCHED = 10.0
# Seconds that one packet can cover whatever it claims: of sound whose codec does not say, and of a picture.
LONGEST_SOUND, LONGEST_PICTURE = 1.0, 10.0
DEFAULT_RATE = 25.0  # pictures per second, where a file gives none that can be true


# Formats in which libav takes the length from the last time stamps that it happens to see.
_SEEN = frozenset({"mpeg", "mpegts"})


def states_length(container: InputContainer) -> bool:
    """Whether a length that the file gives is one that its writer wrote down."""
    return container.format.name not in GUESSED | _SEEN


def stated_end(container: InputContainer, stream: MediaStream) -> float | None:
    """When the file says that a stream, or failing that the whole file, ends, in seconds; it may be wrong.

    None where libav only guesses it.
    """
    if container.format.name in GUESSED:
        return None
    if stream.duration:
        return Clock(container, stream).seconds((stream.start_time or 0) + stream.duration)
    return container.duration / av.time_base if container.duration else None


def stream_end(container: InputContainer, stream: MediaStream) -> float | None:
    """When a stream ends by its last packets, in seconds; moves the reading position.

    Where the file says how long it is, only its last part is read; otherwise all of it, without decoding. An
    end far beyond what the packets can cover is not believed: it is then where they end when each follows
    the one before.
    """
    end = _last_end(container, stream)
    if end is None or not _is_doubtful(container, end):
        return end
    count, covered = _packets_and_seconds(container, stream)
    if end <= MOST_STRETCHED * covered:
        return end
    return covered if isinstance(stream, AudioStream) else count / plausible_frame_rate(stream)


def longest(container: InputContainer, stream: MediaStream) -> float:
    """The most seconds that a stream is believed to last, by reading all its packets."""
    return MOST_STRETCHED * _packets_and_seconds(container, stream)[1]


def plausible_frame_rate(stream: VideoStream) -> float:
    """Pictures per second as the file says, or an ordinary rate where that cannot be true."""
    rate = float(stream.average_rate or stream.guessed_rate or DEFAULT_RATE)
    return rate if rate >= 1.0 / LONGEST_PICTURE else DEFAULT_RATE


def recording_end(container: InputContainer) -> float | None:
    """When the last of picture and sound ends, in seconds; moves the reading position.

    What the file says is kept where its packets bear it out but for what a codec padded.
    """
    streams = (best_stream(container, "video"), best_stream(container, "audio"))
    ends = [stream_end(container, stream) for stream in streams if stream is not None]
    end = max((end for end in ends if end is not None), default=None)
    if container.format.name in GUESSED or not container.duration:
        return end
    stated = container.duration / av.time_base
    if end is None:
        return None if _is_doubtful(container, stated) else stated
    return stated if abs(end - stated) <= CODEC_PADDING else end


def time_stamps_are_plausible(container: InputContainer, stream: MediaStream) -> bool:
    """Whether the packets of a stream can fill the time that the file claims, silence or stills included.

    The reading position stays where it is.
    """
    stated = stated_end(container, stream)
    if stated is None or not _is_doubtful(container, stated):
        return True
    with reopened(container, stream) as (again, same):
        last = _last_end(again, same)
        return last is None or stream_end(again, same) == last


def _is_doubtful(container: InputContainer, end: float) -> bool:
    return end > UNDOUBTED_SECONDS and container.size < UNDOUBTED_RATE * end


def _packets_and_seconds(container: InputContainer, stream: MediaStream) -> tuple[int, float]:
    """How many packets a stream has, and how many seconds they can cover."""
    count, covered = 0, 0.0
    with reopened(container, stream) as (again, same):
        for packet in packets(again, same):
            count, covered = count + 1, covered + _covered(stream, packet)
    return count, covered


def _covered(stream: MediaStream, packet: Packet[Any]) -> float:
    claimed = float(packet.duration * packet.time_base) if packet.duration and packet.time_base else 0.0
    if not isinstance(stream, AudioStream):
        return min(claimed or 1.0 / plausible_frame_rate(stream), LONGEST_PICTURE)
    possible = _sound_in(stream.codec_context, packet)
    return min(claimed, possible) if claimed > 0.0 else possible


def _sound_in(codec: CodecContext | None, packet: Packet[Any]) -> float:
    """The most seconds of sound that a packet can hold."""
    rate, frame = getattr(codec, "sample_rate", 0), getattr(codec, "frame_size", 0)
    if rate and frame:
        return float(frame / rate)
    if codec is not None and codec.name.startswith("pcm_") and codec.bit_rate:
        return 8.0 * packet.size / codec.bit_rate
    return LONGEST_SOUND


def _last_end(container: InputContainer, stream: MediaStream) -> float | None:
    stated = stated_end(container, stream)
    if stated is not None and stated > TAIL and seek(container, stream, stated - TAIL):
        end = _last_moment(container, stream)
        if end is not None:
            return end
    with reopened(container, stream) as (again, same):
        return _last_moment(again, same)


def _last_moment(container: InputContainer, stream: MediaStream) -> float | None:
    count, last = 0, None
    for packet in packets(container, stream):
        count += 1
        if packet.pts is not None:
            moment = packet.pts + (packet.duration or 0)
            last = moment if last is None else max(last, moment)
    if last is not None:
        return Clock(container, stream).seconds(last)
    if isinstance(stream, AudioStream) or not stream.guessed_rate:
        return None
    return count / plausible_frame_rate(stream) if count else None
