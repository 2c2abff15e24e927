"""A manifest of a recording's utterances that lies where new ones are to be written: people go on with that file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emofuse.data.manifest_columns import COLUMNS, FACE, LISTENERS
from emofuse.data.replaced_manifest import replaced_manifest
from emofuse.errors import EmofuseError

# What people add is not among them; the other columns of a manifest, and its own, are what `emofuse segment` writes.
_ADDED = frozenset({"label", "valence", "split", "group"})
_WRITTEN = (frozenset(COLUMNS) - _ADDED) | {"segmented_by", "language", FACE, LISTENERS, "face_margin"}


def refuse_annotated(target: Path) -> None:
    """See that nothing lies there that somebody has added to.

    Raises:
        EmofuseError: it holds labels or other columns that `emofuse segment` does not write, or is no manifest.
    """
    replaced = replaced_manifest(target, "-o")
    if replaced is None:
        return
    frame = replaced.frame
    added = [column for column in map(str, frame) if column not in _WRITTEN and frame[column].notna().any()]
    if added:
        raise EmofuseError(
            f"{target}: has the column {added[0]} filled in, which would be lost; name another file with -o"
        )
    if len(frame) and "segmented_by" not in frame:
        raise EmofuseError(f"{target}: is not of `emofuse segment`; name another file with -o")


@contextmanager
def earlier_kept(target: Path) -> Iterator[list[Path]]:
    """Keep a copy of the file while it is written anew; the copy stays where what is written differs.

    Yields:
        Where the earlier file has been kept; to be looked at afterwards, empty where nothing differs.
    """
    kept: list[Path] = []
    if not target.exists():
        yield kept
        return
    copy = _free_name(target)
    shutil.copy2(target, copy)
    yield kept
    if copy.read_bytes() == target.read_bytes():
        copy.unlink()
    else:
        kept.append(copy)


def _free_name(target: Path) -> Path:
    number = 1
    while (name := target.with_name(f"{target.stem}.earlier-{number}{target.suffix}")).exists():
        number += 1
    return name
