"""Files that Git LFS has not downloaded: a clone without it holds small text files, called pointers, in their place.

Specification: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
"""

from __future__ import annotations

import stat
from pathlib import Path

from emofuse.errors import EmofuseError

POINTER_START = b"version https://git-lfs.github.com/spec/"
POINTER_BYTES = 1024  # a pointer is smaller, by its specification
POINTER_REASON = "a Git LFS pointer: the file itself was not downloaded"
POINTER_ADVICE = "run `git lfs pull` in its repository"


def is_lfs_pointer(path: Path) -> bool:
    """Whether a file is a pointer; False where there is no file that can be read."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size >= POINTER_BYTES:
            return False
        with path.open("rb") as file:
            return file.read(len(POINTER_START)) == POINTER_START
    except (OSError, ValueError):  # the reader of the file says what is wrong with it
        return False


def refuse_lfs_pointer(path: Path) -> None:
    """See that a file is no pointer before it is read as what it should be.

    Raises:
        EmofuseError: it is one.
    """
    if is_lfs_pointer(path):
        raise EmofuseError(f"{path}: is {POINTER_REASON}; {POINTER_ADVICE}")
