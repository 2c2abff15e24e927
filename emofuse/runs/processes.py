"""Several trainings at once, each in a process of its own, as far as memory allows."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

from emofuse.data.atomic import write_text_aside
from emofuse.data.worker_processes import begin_worker, end_worker, workers_starting

_PEAK_FILE = "peak-memory.txt"
_SPARE = 0.9  # of the free memory
_LOOK_EVERY_SECONDS = 0.05

Task = Callable[[Path], None]


def run_in_processes(
    tasks: Mapping[Path, Task],
    jobs: int,
    *,
    finished: Callable[[Path, int], None],
    free_memory: Callable[[], int | None] | None = None,
) -> None:
    """Run each task in a process of its own, at most ``jobs`` at once.

    The first runs alone; its peak memory decides how many of the others fit beside each other. A task that dies,
    whatever of, takes no other with it.

    Args:
        tasks: folder → what is to be done there; it is called with the folder and must be picklable.
        jobs: most processes at once.
        finished: called with the folder and the exit code of each (negative: the number of the signal that killed it).
        free_memory: bytes that can be had, None where that is not known; by default this system's.
    """
    free_memory = free_memory or available_memory
    context = multiprocessing.get_context("spawn")
    waiting = list(tasks.items())
    running: dict[Path, BaseProcess] = {}
    limit, at_first = 1, True
    try:
        while waiting or running:
            while waiting and len(running) < limit:
                folder, task = waiting.pop(0)
                running[folder] = context.Process(target=_work, args=(task, folder))
                with workers_starting():
                    running[folder].start()
            done = [folder for folder, process in running.items() if not process.is_alive()]
            for folder in done:
                process = running.pop(folder)
                process.join()
                finished(folder, int(process.exitcode or 0))
                if at_first:
                    at_first, limit = False, _fitting(jobs, _peak(folder), free_memory())
            if not done:
                time.sleep(_LOOK_EVERY_SECONDS)
    finally:
        for process in running.values():
            end_worker(process)


def death_of(exit_code: int) -> str:
    """Why a process ended with this code, in one line."""
    if exit_code < 0:
        return f"its process was killed by signal {-exit_code}, for want of memory perhaps; use fewer --jobs"
    return f"its process ended with code {exit_code}"


def available_memory() -> int | None:
    """Bytes that new processes may take, of the machine and of the container; None where nobody says."""
    found = [value for value in (_machine_memory(), _container_memory()) if value is not None]
    return min(found) if found else None


def _fitting(jobs: int, peak: int | None, free: int | None) -> int:
    if not peak or free is None:
        return jobs
    return max(1, min(jobs, int(_SPARE * free) // peak))


def _work(task: Task, folder: Path) -> None:
    """What a process does: the task, and a note of the memory that it took."""
    begin_worker()
    try:
        task(folder)
    finally:
        write_text_aside(folder / _PEAK_FILE, f"{_own_peak()}\n")


def _own_peak() -> int:
    """Peak resident bytes of this process and of the largest that it has started."""
    unit = 1 if sys.platform == "darwin" else 1024
    usages = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usages) * unit


def _peak(folder: Path) -> int | None:
    try:
        return int((folder / _PEAK_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _machine_memory() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        free = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(free.split()[1]) * 1024
    except (OSError, StopIteration, ValueError):
        return None


def _container_memory() -> int | None:
    folder = Path("/sys/fs/cgroup")
    try:
        most, used = ((folder / f"memory.{name}").read_text().strip() for name in ("max", "current"))
        return max(0, int(most) - int(used))
    except (OSError, ValueError):  # no container, or one without a limit
        return None
