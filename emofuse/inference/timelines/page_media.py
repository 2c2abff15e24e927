"""The recording as a page plays it: within the page where it is small, else beside it."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal
from urllib.parse import quote

from av.container import InputContainer
from av.video.stream import VideoStream

from emofuse.data.container import best_stream, open_media
from emofuse.errors import EmofuseError

Media = Literal["auto", "embed", "link", "none"]
Kind = Literal["video", "audio"]

# All recordings of a page together. A browser holds a page in memory, and Firefox takes addresses of up to 32 MiB.
EMBEDDED_BYTES = 16 << 20
MOST_EMBEDDED_BYTES = 23 << 20  # 32 MiB as base64

_PICTURES = frozenset({"h264", "vp8", "vp9", "av1", "theora"})
_SOUNDS = frozenset({"aac", "mp3", "opus", "vorbis", "flac", "pcm_s16le", "pcm_u8", "pcm_s24le", "pcm_f32le"})
_TYPES = MappingProxyType(
    {
        "mov": ("video/mp4", "audio/mp4"),
        "matroska": ("video/webm", "audio/webm"),
        "ogg": ("video/ogg", "audio/ogg"),
        "wav": ("", "audio/wav"),
        "mp3": ("", "audio/mpeg"),
        "flac": ("", "audio/flac"),
        "aac": ("", "audio/aac"),
    }
)


@dataclass(frozen=True)
class PageMedia:
    """A recording as a page plays it.

    Attributes:
        source: its address: a data URI, or a path or URL relative to the page, quoted as a URL is.
        kind: whether there are pictures to see.
        name: shown in the place of the file's own name, such as that of an upload.
        note: what the reader should know of it.
    """

    source: str
    kind: Kind
    name: str | None = None
    note: str = ""


def media_of_page(
    recordings: Iterable[str], page: Path | None, how: Media = "auto", most: int = EMBEDDED_BYTES
) -> dict[str, PageMedia]:
    """Recording → how the page plays it; of one that cannot be read there is nothing.

    Args:
        recordings: paths of files.
        page: where the page is written; without it nothing can be linked.
        how: ``"embed"`` puts the recordings into the page, ``"link"`` refers to them by a relative path, ``"auto"``
            embeds them as far as they fit into ``most`` bytes and links the others, ``"none"`` leaves them out.
        most: bytes, of all that is embedded together.

    Raises:
        EmofuseError: a recording is too large to be embedded.
    """
    found: dict[str, PageMedia] = {}
    left = most
    for recording in recordings if how != "none" else ():
        file = Path(recording)
        try:
            played = _played(file)
            size = file.stat().st_size
        except (EmofuseError, OSError):
            continue
        if how == "embed" and size > MOST_EMBEDDED_BYTES:
            raise EmofuseError(
                f"{file}: has {size / 1e6:.0f} MB, and browsers play at most {MOST_EMBEDDED_BYTES / 1e6:.0f} MB from within "
                "a page; link it (--media link)"
            )
        if how == "embed" or (how == "auto" and size <= left):
            found[recording] = _embedded(file, played)
            left -= size
        elif page is not None:
            found[recording] = _linked(file, page, played)
    return found


def _embedded(file: Path, played: tuple[Kind, str, str]) -> PageMedia:
    kind, mime, note = played
    content = base64.b64encode(file.read_bytes()).decode("ascii")
    advice = "The recording is within this page, and goes where the page goes."
    return PageMedia(f"data:{mime};base64,{content}", kind, note=" ".join(filter(None, (advice, note))))


def _linked(file: Path, page: Path, played: tuple[Kind, str, str]) -> PageMedia:
    kind, _, note = played
    relative = os.path.relpath(file.resolve(), page.absolute().parent)
    # A dot in front, so that no part of a name is taken for a protocol.
    source = "./" + quote(os.fsencode(Path(relative).as_posix()), safe="/")
    advice = f"The recording is not within this page. It is played from {relative}: keep it there when the page is moved."
    return PageMedia(source, kind, note=" ".join(filter(None, (advice, note))))


def _played(file: Path) -> tuple[Kind, str, str]:
    """Whether it has pictures, its type, and what keeps browsers from playing it."""
    with open_media(file) as container:
        video, audio = best_stream(container, "video"), best_stream(container, "audio")
        kind: Kind = "audio" if video is None else "video"
        known = _TYPES.get(container.format.name.split(",")[0], ("", ""))
        mime = known[0] if isinstance(video, VideoStream) else known[1]
        unplayed = [
            _codec(stream)
            for stream, playable in ((video, _PICTURES), (audio, _SOUNDS))
            if stream is not None and _codec(stream) not in playable
        ]
        if mime and not unplayed:
            return kind, mime, ""
        what = ", ".join([_format(container), *unplayed])
        note = f"Most browsers do not play it ({what}); an MP4 file with H.264 and AAC is played by all."
        return kind, mime or "application/octet-stream", note


def _codec(stream: object) -> str:
    context = getattr(stream, "codec_context", None)
    return str(context.codec.canonical_name) if context is not None else "an unknown codec"


def _format(container: InputContainer) -> str:
    return str(container.format.long_name or container.format.name)
