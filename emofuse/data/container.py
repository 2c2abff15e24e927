"""Open media containers and walk through their packets; every failure becomes a :class:`MediaError`.

Times are seconds on one clock per file: its zero is the file's first moment, of whichever stream comes
first, as in a player. PyAV keeps libav's own messages to itself unless a program asks for them, so nothing is
printed here.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from emofuse.data.media_error import MediaError
from emofuse.data.packets import MediaStream, decode, packets
from emofuse.data.recording_file import check_file, is_cut_in_header, why_not_opened

AnyStream = TypeVar("AnyStream", VideoStream, AudioStream)

# Containers of recordings. Left out are the formats that name other files or addresses to open (playlists,
# concatenation scripts, session descriptions): a clip must not reach beyond itself.
FORMATS = (
    "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,asf,flv,ogg,gif,nut,mxf,dv,ivf,m4v,h264,hevc,obu,mjpeg,"
    "wav,w64,aiff,au,caf,mp3,flac,aac,ac3,eac3,amr,ape,wv,tta"
)
# 64 megapixels, twice an 8K picture: a damaged header must not make the decoder ask for gigabytes.
MAX_PIXELS = 1 << 26
# One picture beside sound this many seconds longer than it is shown is a cover, whatever the file calls it.
COVER_SECONDS = 2.0
# Decoders that fill in noise; drawn from the packet, it is the same wherever decoding began.
DITHERING = frozenset({"ac3", "eac3"})
# Larger ones than are read, so that it can be said what is wrong with them.
_RECOGNISED_PIXELS = 4 * MAX_PIXELS


class ReadAgainError(Exception):
    """Base of what a reader raises to read a file once more in another way; :func:`open_media` lets it through."""


@contextmanager
def open_media(path: Path | str) -> Iterator[InputContainer]:
    """Open a file for demuxing; whatever libav raises inside the block becomes a :class:`MediaError`."""
    path = Path(path)
    check_file(path)
    try:
        # Absolute, so that no part of a name is taken for a protocol.
        container = _opened(os.path.abspath(path))  # noqa: PTH100
    except (av.FFmpegError, UnicodeError) as error:
        raise why_not_opened(path, error) from error
    try:
        if not len(container.streams):
            raise MediaError(
                path, "truncated", "the recording is cut off or damaged: it holds neither picture nor sound"
            )
        yield container
    except MediaError as error:
        if error.reason in {"no-video", "no-audio", "no-decoder"} and is_cut_in_header(path):
            what = "the recording is cut off or damaged: it ends within its table of contents"
            raise MediaError(path, "truncated", what) from error
        raise
    except (ReadAgainError, GeneratorExit):
        raise
    except MemoryError as error:
        what = "there is not enough memory for it: cut it, or give start and end"
        raise MediaError(path, "out-of-memory", what) from error
    except Exception as error:  # whatever a decoder or PyAV makes of a damaged or unusual file is that file's
        cause = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise MediaError(path, "undecodable", f"it cannot be decoded ({cause})") from error
    finally:
        container.close()


def video_stream(container: InputContainer, path: Path | str) -> VideoStream:
    """The file's main pictures, set to decode on one thread; a cover picture does not count."""
    stream = best_stream(container, "video")
    if not isinstance(stream, VideoStream):
        raise MediaError(path, "no-video", "it holds no video")
    check_size(path, *stored_size(container, stream))
    return _with_decoder(stream, path)


def check_size(path: Path | str, height: int, width: int) -> None:
    """Refuse pictures that are too large to be decoded.

    Raises:
        MediaError: they have more than :data:`MAX_PIXELS`.
    """
    if width * height > MAX_PIXELS:
        what = f"its pictures have {width} × {height} pixels; at most {MAX_PIXELS >> 20} megapixels are read"
        raise MediaError(path, "too-large", f"{what}: scale it down")


def stored_size(container: InputContainer, stream: VideoStream) -> tuple[int, int]:
    """(height, width) of the pictures as they are stored, 0 where that is not known."""
    codec = stream.codec_context
    if codec is not None and not codec.width * codec.height:
        # A decoder that is not to go beyond MAX_PIXELS forgets how large the pictures are that do.
        with reopened(container, stream, most_pixels=_RECOGNISED_PIXELS) as (_, same):
            codec = same.codec_context
    return (0, 0) if codec is None else (codec.height, codec.width)


def audio_stream(container: InputContainer, path: Path | str) -> AudioStream:
    """The file's main sound, set to decode on one thread."""
    stream = best_stream(container, "audio")
    if not isinstance(stream, AudioStream):
        raise MediaError(path, "no-audio", "it holds no sound")
    return _with_decoder(stream, path)


def best_stream(container: InputContainer, kind: Literal["video", "audio"]) -> MediaStream | None:
    """The main stream of a kind, if there is one; a cover picture is none."""
    stream = container.streams.best(kind)
    if not isinstance(stream, VideoStream | AudioStream) or stream.disposition & Disposition.attached_pic:
        return None
    return None if isinstance(stream, VideoStream) and _is_cover(container, stream) else stream


def _is_cover(container: InputContainer, stream: VideoStream) -> bool:
    """Whether a video is a single picture beside sound that lasts much longer than it."""
    if not container.streams.audio or not container.duration or _has_many_pictures(container, stream):
        return False
    if container.duration / av.time_base <= COVER_SECONDS:
        return False
    with reopened(container, stream) as (again, same):
        pictures = list(islice(packets(again, same), 2))
    if len(pictures) != 1:
        return False
    shown = float(pictures[0].duration * pictures[0].time_base) if pictures[0].duration else 0.0
    return container.duration / av.time_base > shown + COVER_SECONDS


def _has_many_pictures(container: InputContainer, stream: VideoStream) -> bool:
    # An AVI counts pictures that it does not hold; other formats do not say, or only when they are closed.
    return stream.frames > 1 and container.format.name.startswith("mov,")


def first_frame(container: InputContainer, stream: VideoStream) -> VideoFrame | None:
    """The next picture, None if none can be decoded; moves the reading position."""
    if stream.codec_context is None:
        return None
    _bound(stream)
    for packet in packets(container, stream):
        for frame in decode(stream, packet):
            return frame
    return next(iter(decode(stream, None)), None)


@contextmanager
def reopened(
    container: InputContainer, stream: MediaStream, most_pixels: int = MAX_PIXELS
) -> Iterator[tuple[InputContainer, Any]]:
    """The same file and stream from the beginning; the reading position of what is given stays where it is."""
    with _opened(container.name, most_pixels) as again:
        if len(again.streams) <= stream.index:
            raise MediaError(container.name, "truncated", "the recording is damaged: a stream of it is gone")
        yield again, again.streams[stream.index]


def checked_segment(path: Path | str, start: float | None, end: float | None) -> tuple[float, float]:
    """Begin and end of the part asked for, 0 and infinity where nothing is said.

    Raises:
        MediaError: if the two are not numbers or not in order.
    """
    # In this order max() lets a NaN through to the comparison, which then fails.
    begin, finish = max(start or 0.0, 0.0), math.inf if end is None else float(end)
    if not begin < finish or math.isinf(begin):
        raise MediaError(path, "bad-segment", f"the segment must end after it starts, not {start} to {end}")
    return begin, finish


def _with_decoder(stream: AnyStream, path: Path | str) -> AnyStream:
    if stream.codec_context is None:
        raise MediaError(path, "no-decoder", f"PyAV has no decoder for its {stream.type}; convert the file")
    _bound(stream)
    return stream


def _bound(stream: MediaStream) -> None:
    # Clips are decoded by many workers at once: threads of a decoder's own would only get in their way.
    stream.codec_context.thread_count = 1
    options = {"max_pixels": str(MAX_PIXELS)}
    if stream.codec_context.codec.name in DITHERING:
        options["cons_noisegen"] = "1"
    stream.codec_context.options = options


def _opened(name: str, most_pixels: int = MAX_PIXELS) -> InputContainer:
    return av.open(
        name,
        options={"max_pixels": str(most_pixels)},
        container_options={"format_whitelist": FORMATS, "protocol_whitelist": "file"},
        metadata_errors="replace",
    )
