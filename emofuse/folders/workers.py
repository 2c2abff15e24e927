"""Processes that each hold the run and take one recording after another; one that dies takes no other with it."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from emofuse.data.worker_processes import begin_worker, end_worker, limit_threads, workers_starting
from emofuse.errors import EmofuseError, reason_of
from emofuse.runs.processes import death_of

_READY = "ready"


class Job(Protocol):
    """What a process does; both parts must be picklable."""

    def begin(self) -> Any:
        """Load what all tasks need; an `EmofuseError` ends all work."""

    def do(self, held: Any, task: Any) -> None:
        """One task; what it raises is the failure of that task alone."""


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    task: int | None = None
    ready: bool = False


def run_tasks(
    job: Job, tasks: Sequence[Any], processes: int, finished: Callable[[int, str | None], None]
) -> None:
    """Do all tasks in processes of their own.

    Args:
        job: what is done.
        tasks: in order.
        processes: at most so many at once.
        finished: called with the place of each task as it ends, and with why it failed, or None.

    Raises:
        EmofuseError: the job cannot begin, or its processes die before they have begun.
    """
    waiting = deque(range(len(tasks)))
    returned: set[int] = set()
    count = max(1, min(processes, len(tasks)))
    threads = max(1, (os.cpu_count() or 1) // count)
    workers = [_start(job, threads) for _ in range(count if tasks else 0)]
    try:
        while workers:
            ready = wait([w.connection for w in workers])
            for worker in [w for w in workers if w.connection in ready]:
                is_alive = _answered(worker, finished)
                if is_alive and not waiting:
                    workers.remove(worker)
                    worker.connection.close()
                    worker.process.join()
                elif not (is_alive and _handed_over(worker, tasks, waiting, returned)):
                    workers.remove(worker)
                    _ended(worker, finished)
                    if len(waiting) > len(workers):
                        workers.append(_start(job, threads))
    finally:
        for worker in workers:
            end_worker(worker.process)


def _start(job: Job, threads: int) -> _Worker:
    # Spawned, because a fork of a process whose libraries have threads may hang.
    context = multiprocessing.get_context("spawn")
    parent_end, child_end = context.Pipe()
    process = context.Process(target=_work, args=(job, child_end, threads), daemon=True)
    with workers_starting():
        process.start()
    child_end.close()
    return _Worker(process, parent_end)


def _answered(worker: _Worker, finished: Callable[[int, str | None], None]) -> bool:
    """Take an answer; False where the process has ended instead.

    Raises:
        EmofuseError: the job could not begin.
    """
    try:
        kind, reason = worker.connection.recv()
    except (EOFError, OSError):
        return False
    if kind != _READY and worker.task is None:
        raise EmofuseError(reason)
    if worker.task is not None:
        finished(worker.task, reason)
        worker.task = None
    worker.ready = True
    return True


def _handed_over(worker: _Worker, tasks: Sequence[Any], waiting: deque[int], returned: set[int]) -> bool:
    """Give a worker the next task; False where it has died since it answered."""
    place = worker.task = waiting.popleft()
    try:
        worker.connection.send(tasks[place])
    except OSError:
        if place not in returned:  # the task has not begun; but not for ever, where every worker dies
            returned.add(place)
            waiting.appendleft(place)
            worker.task = None
        return False
    return True


def _ended(worker: _Worker, finished: Callable[[int, str | None], None]) -> None:
    worker.process.join()
    death = death_of(int(worker.process.exitcode or 0))
    if worker.task is not None:
        finished(worker.task, death)
    elif not worker.ready:
        raise EmofuseError(f"a process that predicts has died before it began: {death}")


def _work(job: Job, connection: Connection, threads: int) -> None:
    """What a process does until its parent closes the connection."""
    begin_worker()
    try:
        held = job.begin()
    except Exception as error:  # said by the parent, in one line
        connection.send(("broken", reason_of(error)))
        return
    limit_threads(threads)  # torch is loaded by now
    connection.send((_READY, None))
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        try:
            job.do(held, task)
            reason = None
        except Exception as error:  # of this recording alone
            reason = reason_of(error)
        connection.send((_READY, reason))
