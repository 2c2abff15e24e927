"""Whether something can be written where the user wants it, asked before the work and not after it."""

# os.path answers False where Path raises, as for names that are too long for the system.
# ruff: noqa: PTH110, PTH112

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from emofuse.errors import EmofuseError, explain_os_error


def check_new_folder(folder: Path) -> None:
    """See that a folder is there or can be made, and can be written to.

    Raises:
        EmofuseError: it cannot; the line says why.
    """
    _check(folder, folder if os.path.isdir(folder) else _nearest(folder), "the folder")


def check_new_file(file: Path) -> None:
    """See that a file can be written, or written anew.

    Raises:
        EmofuseError: it cannot; the line says why.
    """
    if os.path.isdir(file):
        raise EmofuseError(f"{file}: is a folder; name a file")
    _check(file, _nearest(file), "the file")


def _nearest(path: Path) -> Path:
    """The folder above, or the nearest one that is there.

    Raises:
        EmofuseError: a name is longer than the system takes, or a link leads in a circle.
    """
    try:
        os.lstat(path)
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR):
            raise EmofuseError(explain_os_error(error)) from None
    except ValueError as error:  # a NUL
        raise EmofuseError(f"{str(path)!r}: no name for a file ({error})") from None
    above = Path(os.path.abspath(path)).parent  # noqa: PTH100
    while not os.path.exists(above) and above != above.parent:
        above = above.parent
    return above


def _holds_files(folder: Path) -> bool:
    """Whether a file can be made there, which no right tells of a folder such as ``/proc``; nothing is left of it."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError as error:
        return error.errno in (
            errno.ENOSPC,
            errno.EDQUOT,
            errno.EMFILE,
            errno.ENFILE,
        )  # said where it is written


def _check(path: Path, nearest: Path, what: str) -> None:
    if os.path.lexists(path) and what == "the folder" and not os.path.isdir(path):
        raise EmofuseError(f"{path}: is a file; name a folder")
    if not os.path.isdir(nearest):
        raise EmofuseError(f"{path}: {nearest} is a file and can hold nothing; choose another name")
    if not os.access(nearest, os.W_OK | os.X_OK) or not _holds_files(nearest):
        raise EmofuseError(f"{path}: {what} cannot be written in {nearest}; write elsewhere")
