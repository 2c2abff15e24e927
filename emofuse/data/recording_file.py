"""A file that should be a recording: whether there is one, and why libav cannot open it."""

from __future__ import annotations

import struct
from pathlib import Path

from emofuse.data.git_lfs import POINTER_ADVICE, POINTER_REASON, is_lfs_pointer
from emofuse.data.media_error import MediaError

# How a recording begins, as (offset, bytes): tells a damaged one from something else altogether.
SIGNATURES = (
    (4, b"ftyp"),
    (4, b"moov"),
    (4, b"mdat"),
    (0, b"RIFF"),
    (0, b"\x1aE\xdf\xa3"),
    (0, b"OggS"),
    (0, b"fLaC"),
    (0, b"ID3"),
    (0, b"FLV\x01"),
)


def check_file(path: Path) -> None:
    """See that there is a file with something in it, and not a pointer of Git LFS.

    Raises:
        MediaError: there is none.
    """
    try:
        if not path.exists():
            raise MediaError(path, "missing-file", "there is no such file")
        if not path.is_file():
            raise MediaError(path, "unreadable", "it is not a file")
        if path.stat().st_size == 0:
            raise MediaError(path, "empty-file", "the file is empty")
        if is_lfs_pointer(path):
            raise MediaError(path, "not-downloaded", f"it is {POINTER_REASON}; {POINTER_ADVICE}")
    except (OSError, ValueError) as error:
        raise MediaError(path, "unreadable", f"it cannot be read ({error})") from error


def is_cut_in_header(path: Path) -> bool:
    """Whether the box ``moov`` of an MP4 or QuickTime file ends after the file itself (ISO 14496-12, 4.2)."""
    size, at = path.stat().st_size, 0
    with path.open("rb") as file:
        while at + 8 <= size:
            file.seek(at)
            length, kind = struct.unpack(">I4s", file.read(8))
            if length == 1:
                length = int.from_bytes(file.read(8))
            if kind == b"moov":
                return at + length > size
            if length < 8:
                return False
            at += length
    return False


def why_not_opened(path: Path, error: Exception) -> MediaError:
    """What to tell of a file that libav refuses."""
    if isinstance(error, PermissionError):
        return MediaError(path, "unreadable", "reading it is not permitted")
    with path.open("rb") as file:
        head = file.read(16)
    if any(head[offset:].startswith(mark) for offset, mark in SIGNATURES):
        return MediaError(path, "truncated", "the recording is cut off or damaged: its index cannot be read")
    return MediaError(path, "not-media", "it is not a recording in a format that can be read")
