"""One job at a time in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from emofuse.data.output_paths import check_new_folder
from emofuse.errors import EmofuseError

LOCK_FILE = ".lock"


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Keep other jobs out of a folder, which is made if need be.

    The system gives the lock back when its process ends, however it ends; a file that was left behind locks nothing.

    Raises:
        EmofuseError: another process works in it, or the folder cannot be made.
    """
    check_new_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise EmofuseError(
            f"{folder}: another job is under way in this folder; wait for its end, or choose another folder"
        ) from None
    try:
        yield
    finally:
        lock.release()
