"""What a process does first that works for another: it leaves interruptions to its parent, and ends with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from types import FrameType

_TERMINATED = 143  # as a shell tells it: 128 and the number of the signal


def begin_worker(threads: int | None = None) -> None:
    """Prepare this process to work for its parent; an initialiser of pools.

    Ctrl-C reaches every process of a terminal; the parent alone answers it. A parent that is killed says nothing to
    its processes; a thread waits for its end and ends this one too.

    Args:
        threads: of torch, where it is loaded; its own default if None.
    """
    limit_threads(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_end_with_parent, daemon=True).start()


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


def death_of(exit_code: int) -> str:
    """Why a process ended with this code, in one line."""
    if exit_code < 0:
        return f"its process was killed by signal {-exit_code}, for want of memory perhaps; use fewer --jobs"
    return f"its process ended with code {exit_code}"
