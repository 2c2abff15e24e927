"""One job at a time in a folder, on network file systems too."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from _thread import interrupt_main
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from filelock import FileLock, LeaseCompromise, LeaseSettingsMismatch, SoftFileLease, Timeout

from emofuse.data.ended_processes import has_ended
from emofuse.data.output_paths import check_new_folder
from emofuse.errors import EmofuseError, EmofuseWarning

LOCK_FILE = ".lock"
# A job renews its claim three times in this time. Until then nobody knows whether a job on another machine has died.
LEASE_SECONDS = 60.0
_NOBODYS_SECONDS = 5.0
_LOOK_EVERY_SECONDS = 0.2


@contextmanager
def locked_folder(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Keep other jobs out of a folder, which is made if need be.

    The claim is a file that names the job and is renewed while it works; no lock of the file system is asked for. A claim
    whose process has ended counts no more: on this machine at once, on another after a minute without renewal. A job that
    has lost its claim, as after a long stop, is interrupted.

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
    stop = partial(_stop_for_another, folder, threading.current_thread() is threading.main_thread())
    lock = SoftFileLease(folder / LOCK_FILE, lease_duration=LEASE_SECONDS, on_compromise=stop)
    _remove_released(folder / LOCK_FILE)
    if not _acquired(lock, 0) and not _acquired_late(lock, folder / LOCK_FILE, wait=wait):
        raise EmofuseError(
            f"{folder}: another job is under way in this folder; wait for its end, or choose another folder"
        )
    try:
        yield
    finally:
        lock.release()


def refuse_another_job(folder: Path) -> None:
    """See that no job is under way in a folder, without making one: what lies there half done is not to be judged yet.

    Raises:
        EmofuseError: another process works in it.
    """
    if (folder / LOCK_FILE).exists():
        with locked_folder(folder):
            pass


def _remove_released(file: Path) -> None:
    """Remove the empty file of an earlier version, which locked it by the file system and left it, unless it is locked."""
    if not _is_left_empty(file):
        return
    with suppress(OSError, Timeout), FileLock(file, timeout=0, fallback_to_soft=False):
        if _is_left_empty(file):  # another job may have put its claim there since
            file.unlink()


def _is_left_empty(file: Path) -> bool:
    """Whether a file has been empty for seconds; a claim is so for a moment only, until its record is written."""
    try:
        found = file.stat()
        if found.st_size > 0:
            return False
        with TemporaryFile(
            dir=file.parent
        ) as now:  # by the clock of the disk, which may be another machine's
            # Or ahead of it, where the clock was set back since.
            return abs(os.fstat(now.fileno()).st_mtime - found.st_mtime) >= _NOBODYS_SECONDS
    except OSError:
        return False


def _acquired_late(lock: SoftFileLease, file: Path, *, wait: bool) -> bool:
    """Acquire once the claim that stands has shown to be nobody's, or, with ``wait``, is given up."""
    if _acquired(lock, _patience(lock)):
        return True
    _remove_released(file)
    return _acquired(lock, -1 if wait else 0)


def _stop_for_another(folder: Path, by_main_thread: bool, lost: LeaseCompromise) -> None:
    """End this process's work, as a signal would, where the claim is another's: two would write in one folder."""
    if _is_ours(lost):
        return
    warnings.warn(
        f"{folder}: another job has taken this folder, or its {LOCK_FILE} was removed; this job stops here",
        EmofuseWarning,
        stacklevel=1,
    )
    if by_main_thread:  # no other thread can be stopped
        # A job in the background of a script ignores the one, and a program without a handler dies by the other.
        handled = [each for each in (signal.SIGTERM, signal.SIGINT) if callable(signal.getsignal(each))]
        interrupt_main(handled[0] if handled else signal.SIGINT)


def _is_ours(lost: LeaseCompromise) -> bool:
    """Whether the claim stands after all, as where a disk failed for a while or numbers its files anew."""
    try:
        return lost.token in Path(lost.lock_file).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _patience(lock: SoftFileLease) -> float:
    """Seconds after which a claim that still stands is that of a living job."""
    owner = lock.owner
    if owner is None:  # nobody's: an earlier version's file, or one that is just being written
        # More than is asked of the file, since a disk counts time in coarse steps.
        return 1.2 * _NOBODYS_SECONDS
    # One that has ended counts until then too, where its entry is left in the list of processes.
    return 0 if owner.hostname == _this_host() and not has_ended(owner.pid) else 1.5 * LEASE_SECONDS


def _this_host() -> str:
    """This machine, or this container, as a claim names it."""
    with TemporaryDirectory() as place, SoftFileLease(Path(place) / LOCK_FILE) as claim:
        return claim.owner.hostname if claim.owner is not None else ""


def _acquired(lock: SoftFileLease, timeout: float) -> bool:
    try:
        lock.acquire(timeout=timeout, poll_interval=_LOOK_EVERY_SECONDS)
    except Timeout:
        return False
    except LeaseSettingsMismatch:
        raise EmofuseError(
            f"{lock.lock_file}: is the claim of another version of emofuse, which renews it in another time; wait for the "
            "end of its job, or, where none is under way, remove it"
        ) from None
    except OSError as error:  # of a full disk, which does not name the file
        raise OSError(error.errno, error.strerror, error.filename or lock.lock_file) from None
    return True
