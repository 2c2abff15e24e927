"""Which files of a folder are recordings: by their suffix, and where that says nothing by how they begin."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from emofuse.data.paths import real_path
from emofuse.data.recording_file import SIGNATURES
from emofuse.errors import EmofuseError

_NAMES = (
    "3g2 3gp aac ac3 aif aifc aiff amr ape asf au avi caf dv eac3 flac flv m2ts m2v m4a m4b m4v mka mkv mov mp3 mp4 mpeg mpg "
    "mts mxf oga ogg ogv opus qt ts tta vob w64 wav webm wma wmv wv"
)
RECORDING_SUFFIXES = frozenset(f".{name}" for name in _NAMES.split())
_TRANSPORT, _SYNC = ".ts", 0x47  # programs in TypeScript have the suffix of MPEG transport streams


@dataclass(frozen=True)
class RecordingFile:
    """A recording to be predicted.

    Attributes:
        file: where it is.
        name: its path below the folder that was named, with ``/``; tells it from the others, and names its results.
    """

    file: Path
    name: str


def find_recordings(places: Iterable[Path]) -> list[RecordingFile]:
    """The recordings of folders, all the way down, by name; and files that are named themselves, whatever they are.

    Hidden files and folders are left out, and links to folders are not followed.

    Args:
        places: folders and files. Of several folders, names begin with the folder's own.

    Raises:
        EmofuseError: a place is not there, a folder holds no recording, or two results would have one name.
    """
    given = list(places)
    several = sum(place.is_dir() for place in given) > 1
    found: dict[str, RecordingFile] = {}
    for place in given:
        if place.is_dir():
            own = folder_name(place)
            above = f"{own}/" if several and own else ""
            recordings = [
                RecordingFile(file, above + file.relative_to(place).as_posix()) for file in _below(place)
            ]
            if not recordings:
                raise EmofuseError(f"{place}: holds no recording (hidden files are left out)")
        else:
            recordings = [RecordingFile(place, place.name)]
        for recording in recordings:
            other = found.setdefault(recording.name, recording)
            if other.file != recording.file:
                raise EmofuseError(
                    f"{other.file} and {recording.file}: their results would have one name; name the folder above both"
                )
    return list(found.values())


def folder_name(place: Path) -> str:
    """A folder's own name, also where it is called ``..``; empty for the root of all."""
    return (real_path(place) if place.name == ".." else place.absolute()).name


def has_recording(folder: Path) -> bool:
    """Whether a folder holds a recording, however deep."""
    return next(_below(folder), None) is not None


def is_recording_name(path: Path) -> bool:
    """Whether the suffix is one of recordings."""
    return path.suffix.lower() in RECORDING_SUFFIXES


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(place) / name
            if not name.startswith(".") and file.is_file() and _is_recording(file):
                yield file


def _is_recording(file: Path) -> bool:
    if file.suffix and file.suffix.lower() != _TRANSPORT:
        return is_recording_name(file)
    try:
        with file.open("rb") as stream:
            head = stream.read(16)
    except OSError:
        return bool(file.suffix)  # it is said of it when it is read
    if file.suffix:
        return head[:1] == bytes([_SYNC])
    return any(head[at:].startswith(mark) for at, mark in SIGNATURES)
