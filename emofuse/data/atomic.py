"""Files and folders that appear when they are complete: each is written under another name and then renamed.

A process that is killed leaves what it was writing behind, under a hidden name that says which process it was. The next
one that writes into the folder takes such leftovers away.
"""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from emofuse.data.ended_processes import has_ended

_OF_THE_TARGET = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EFBIG,
    errno.ENAMETOOLONG,
    errno.ENOTEMPTY,
)
_STEM_BYTES = 120  # a file name has at most 255
_ASIDE = re.compile(r"\..*\.(?P<host>[0-9a-f]{8})-(?P<process>\d+)-[0-9a-f]{12}(\.[^.]*)?", re.DOTALL)


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; it takes its place when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = name_aside(path)
    try:
        yield aside
        aside.replace(path)
    except OSError as error:
        _name_target(error, path)
        raise
    finally:
        with suppress(OSError):  # on a read-only disk there is none, and the first error is the one to report
            aside.unlink(missing_ok=True)


@contextmanager
def folder_written_aside(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``folder``, a new one; it takes its place when the block ends without an error."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = name_aside(folder)
    try:
        aside.mkdir()
        yield aside
        aside.rename(folder)
    except OSError as error:
        _name_target(error, folder)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _name_target(error: OSError, path: Path) -> None:
    """Raise what the disk refused with the name that the user knows, in place of the name aside or that of a source.

    Raises:
        OSError: with the target as its file; errors of PyAV do not let theirs be changed.
    """
    if error.errno in _OF_THE_TARGET:
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def write_text_aside(path: Path, text: str) -> None:
    """Write UTF-8 text so that a reader sees the old file or the new one, never a part."""
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


def name_aside(path: Path) -> Path:
    """A temporary name beside a file or folder, which the next process knows as a leftover once this one has ended.

    Args:
        path: what it is for; its folder exists.
    """
    _remove_leftovers(str(path.parent.absolute()))
    stem = path.stem.encode(errors="surrogateescape")[:_STEM_BYTES].decode(errors="ignore")
    # A name of its own, since threads and machines may write one target at once. The suffix stays last
    # because encoders and libraries choose a format by it.
    return path.with_name(f".{stem}.{_host()}-{os.getpid()}-{uuid.uuid4().hex[:12]}{path.suffix}")


@contextmanager
def kept_if_complete(folder: Path) -> Iterator[None]:
    """Take a folder away again if it was not there before the block and the block fails, and so the folders above it."""
    above = [place for place in (folder, *folder.absolute().parents) if not place.exists()]
    try:
        yield
    except BaseException:
        if above:
            shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # one that holds something else by now stays
            for place in above[1:]:
                place.rmdir()
        raise


@lru_cache(maxsize=4096)
def _remove_leftovers(folder: str) -> None:
    """Take away what processes of this machine that have ended left in a folder; each process looks once."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _ASIDE.fullmatch(entry.name)
            if match and match["host"] == _host() and has_ended(int(match["process"])):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    Path(entry.path).unlink(missing_ok=True)


@lru_cache(maxsize=1)
def _host() -> str:
    """This machine in few characters; a shared folder may hold what another one is writing."""
    return hashlib.blake2b(platform.node().encode(), digest_size=4).hexdigest()
