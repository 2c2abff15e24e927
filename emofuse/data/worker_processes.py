"""How a worker process begins and ends: it leaves interruptions to its parent, and ends with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from types import FrameType

_TERMINATED = 143  # as a shell reports it: 128 and the number of the signal
_GRACE_SECONDS = 5.0


@contextmanager
def workers_starting() -> Iterator[None]:
    """Start processes in here: Ctrl-C does not reach them before `begin_worker`, while they still import.

    This process answers a Ctrl-C that comes meanwhile at the end of the block.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # its own start would let the signal through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with _later():
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _later() -> Iterator[None]:
    """A Ctrl-C that another thread takes, such as that of a progress bar, is answered at the end of the block too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    noted: list[int] = []
    usual = signal.signal(signal.SIGINT, lambda number, frame: noted.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
        if noted:
            signal.raise_signal(signal.SIGINT)


def begin_worker(threads: int | None = None) -> None:
    """Prepare this process to work for its parent; an initialiser of pools.

    Ctrl-C reaches every process of a terminal; the parent alone answers it. A parent that is killed says nothing to
    its processes; a thread waits for its end and ends this one too.

    Args:
        threads: of torch, where it is loaded; its own default if None.
    """
    limit_threads(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def end_worker(process: BaseProcess) -> None:
    """End a process that is not needed any more, whatever it is at."""
    process.terminate()
    process.join(_GRACE_SECONDS)
    if process.is_alive():  # stuck where no signal is looked at
        process.kill()
        process.join()


def limit_threads(threads: int | None) -> None:
    """Let torch take so many threads, where it is loaded."""
    torch = sys.modules.get("torch")
    if torch is not None and threads is not None:
        torch.set_num_threads(threads)


def _end(number: int, frame: FrameType | None) -> None:
    """At once and without a word: all files are written aside."""
    os._exit(_TERMINATED)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
