"""One job at a time in a folder, on network file systems too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock, SoftFileLease, Timeout

from emofuse.data.output_paths import check_new_folder
from emofuse.errors import EmofuseError

LOCK_FILE = ".lock"
# A job renews its claim three times in this time. Until then nobody knows whether a job on another machine has died.
LEASE_SECONDS = 60.0
_NOBODYS_SECONDS = 5.0
_LOOK_EVERY_SECONDS = 0.2


@contextmanager
def locked_folder(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Keep other jobs out of a folder, which is made if need be.

    The claim is a file that names the job and is renewed while it works; no lock of the file system is asked for. A claim
    whose process has ended counts no more: on this machine at once, on another after a minute without renewal.

    Args:
        folder: to be claimed.
        wait: for the end of another job, instead of refusing.

    Raises:
        EmofuseError: another process works in it, or the folder cannot be made.
    """
    check_new_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / LOCK_FILE).is_symlink():  # a folder may be anybody's, and does not decide what is replaced
        raise EmofuseError(f"{folder / LOCK_FILE}: is a link; remove it")
    _remove_released(folder / LOCK_FILE)
    lock = SoftFileLease(folder / LOCK_FILE, lease_duration=LEASE_SECONDS)
    if not _acquired(lock, -1 if wait else 0) and not _acquired(lock, _patience(lock)):
        raise EmofuseError(
            f"{folder}: another job is under way in this folder; wait for its end, or choose another folder"
        )
    try:
        yield
    finally:
        lock.release()


def _remove_released(file: Path) -> None:
    """Remove the empty file of an earlier version, which locked it by the file system and left it, unless it is locked."""
    if not file.exists():
        return
    with suppress(OSError, Timeout), FileLock(file, timeout=0, fallback_to_soft=False):
        if file.stat().st_size == 0:
            file.unlink()


def _patience(lock: SoftFileLease) -> float:
    """Seconds after which a claim that still stands is that of a living job."""
    owner = lock.owner
    if owner is None:  # nobody's: an earlier version's file, or one that is just being written
        return _NOBODYS_SECONDS
    return 0 if owner.hostname == _this_host() else 1.5 * LEASE_SECONDS


def _this_host() -> str:
    """This machine, or this container, as a claim names it."""
    with TemporaryDirectory() as place, SoftFileLease(Path(place) / LOCK_FILE) as claim:
        return claim.owner.hostname if claim.owner is not None else ""


def _acquired(lock: SoftFileLease, timeout: float) -> bool:
    try:
        lock.acquire(timeout=timeout, poll_interval=_LOOK_EVERY_SECONDS)
    except Timeout:
        return False
    except OSError as error:  # of a full disk, which does not name the file
        raise OSError(error.errno, error.strerror, error.filename or lock.lock_file) from None
    return True
