"""Subtitles that lie inside a recording, as streams of text beside picture and sound."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.subtitles.stream import SubtitleStream

from emofuse.data.container import open_media
from emofuse.recordings.cue_text import is_spoken_style
from emofuse.recordings.cues import Cue

_Read = tuple[str, str | None, bool]  # what is said, who says it, whether anybody does
LARGEST_PACKET = 20_000  # bytes of one cue
MOST_PACKETS = 200_000
_ASS_FIELDS = 8  # ReadOrder, Layer, Style, Name, MarginL, MarginR, MarginV, Effect; the text follows


def text_streams(path: Path) -> int:
    """How many streams of subtitles in text a recording holds.

    Raises:
        MediaError: it cannot be opened.
    """
    with open_media(path) as container:
        return len(_streams(container))


def read_subtitle_stream(path: Path) -> list[Cue]:
    """The cues of the stream that a player would show first; the cues of others, and of pictures, are not read.

    Raises:
        MediaError: the recording cannot be opened.
    """
    with open_media(path) as container:
        streams = _streams(container)
        if not streams:
            return []
        stream = min(streams, key=_rank)
        read = _READERS[stream.codec_context.name]
        zero = (container.start_time or 0) / 1_000_000
        cues = []
        for count, packet in enumerate(container.demux(stream)):
            if count >= MOST_PACKETS:
                break
            if packet.pts is None or not 0 < packet.size <= LARGEST_PACKET:
                continue
            cue = _cue(packet, read, zero)
            if cue is not None:
                cues.append(cue)
        return cues


def _streams(container: InputContainer) -> list[SubtitleStream]:
    return [
        stream
        for stream in container.streams.subtitles
        if stream.codec_context is not None and stream.codec_context.name in _READERS
    ]


def _rank(stream: SubtitleStream) -> tuple[bool, bool, int]:
    is_forced = bool(stream.disposition & Disposition.forced)
    is_default = bool(stream.disposition & Disposition.default)
    return is_forced, not is_default, stream.index


def _cue(packet: Packet, read: Callable[[bytes], _Read], zero: float) -> Cue | None:
    if packet.pts is None or packet.time_base is None:
        return None
    raw, name, is_spoken = read(bytes(packet))
    if not raw.strip():
        return None
    start = float(packet.pts * packet.time_base) - zero
    seconds = float((packet.duration or 0) * packet.time_base)
    return Cue(max(0.0, start), max(0.0, start + seconds), raw, name, is_spoken)


def _plain(data: bytes) -> _Read:
    return data.decode("utf-8", errors="replace").replace("\0", ""), None, True


def _timed_text(data: bytes) -> _Read:
    """3GPP timed text: a length of two bytes, then UTF-8, or UTF-16 with its mark (TS 26.245, 5.17)."""
    if len(data) < 2:
        return "", None, True
    (length,) = struct.unpack(">H", data[:2])
    text = data[2 : 2 + length]
    return (
        _plain(text)
        if text[:2] not in (b"\xfe\xff", b"\xff\xfe")
        else (text.decode("utf-16", errors="replace"), None, True)
    )


def _ass(data: bytes) -> _Read:
    fields = _plain(data)[0].split(",", _ASS_FIELDS)
    if len(fields) <= _ASS_FIELDS:
        return "", None, True
    from pysubs2 import SSAEvent

    is_drawing = SSAEvent(text=fields[_ASS_FIELDS]).is_drawing
    raw = "" if is_drawing else fields[_ASS_FIELDS]
    return raw, " ".join(fields[3].split()) or None, is_spoken_style(fields[2])


_READERS: dict[str, Callable[[bytes], _Read]] = {
    "subrip": _plain,
    "srt": _plain,
    "text": _plain,
    "webvtt": _plain,
    "mov_text": _timed_text,
    "ass": _ass,
    "ssa": _ass,
}
