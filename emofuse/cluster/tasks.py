"""Run folders as Ray tasks: a process each, tried again elsewhere where it dies."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import OutOfMemoryError, RayError

from emofuse.cluster.session import living_nodes
from emofuse.cluster.shared_folders import SharedFolders, UnseenFolderError
from emofuse.errors import EmofuseError, reason_of
from emofuse.runs.executor import Finished
from emofuse.runs.folder_lock import locked_folder
from emofuse.runs.processes import Task
from emofuse.runs.settings import RunSettings

TRIES = 3
_LOOK_EVERY_SECONDS = 1.0
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def run_tasks(
    tasks: Mapping[Path, Task],
    settings: Sequence[RunSettings],
    folders: SharedFolders,
    finished: Finished,
) -> None:
    """Run each task in a process of its own on some node.

    A process or a node that dies costs the task that it was at; that is tried again, up to three times in all.

    Args:
        tasks: run folder → what is to be done there.
        settings: of the tasks.
        folders: that the nodes must see.
        finished: called with the run folder, and with the reason where it failed three times.

    Raises:
        EmofuseError: a node does not see the folders.
    """
    work = ray.remote(max_retries=0, max_calls=1)(_work).options(**options_for(settings))

    def start(path: Path) -> Any:
        return work.remote(tasks[path], str(path.absolute()), folders)

    tries = dict.fromkeys(tasks, 1)
    running = {start(path): path for path in tasks}
    try:
        while running:
            for ref in ray.wait(list(running), num_returns=1, timeout=_LOOK_EVERY_SECONDS)[0]:
                path = running.pop(ref)
                died, failure = _outcome(ref)
                if died and tries[path] < TRIES:
                    tries[path] += 1
                    running[start(path)] = path
                else:
                    finished(path, failure)
    finally:
        for ref in running:
            ray.cancel(ref, force=True)


def _outcome(ref: Any) -> tuple[bool, str | None]:
    """Whether the process of a task died, and why the task failed."""
    try:
        unseen, failure = ray.get(ref)
    except RayError as error:
        what = (
            "there was not enough memory on its node"
            if isinstance(error, OutOfMemoryError)
            else "its process died"
        )
        return True, f"{what}, {TRIES} times ({type(error).__name__})"
    if unseen:
        raise UnseenFolderError(failure)
    return False, failure


def _work(task: Task, folder: str, folders: SharedFolders) -> tuple[bool, str | None]:
    """What a node does. What goes wrong is told in words, since an exception may not survive the way."""
    try:
        folders.enter()
        with locked_folder(Path(folder), wait=True):
            pass  # an earlier try may be at work yet, on a node that is cut off
        task(Path(folder))
    except Exception as error:  # whatever it is, the other tasks go on
        return isinstance(error, UnseenFolderError), reason_of(error)
    return False, None


def options_for(settings: Sequence[RunSettings]) -> dict[str, Any]:
    """What a task takes of its node: a processor per thread, and a GPU where there are some and the settings want one.

    Raises:
        EmofuseError: no node has a GPU, and the settings insist.
    """
    threads = max(each.threads for each in settings)
    devices = {each.device for each in settings}
    return task_options(threads, "cuda" if "cuda" in devices else "auto" if "auto" in devices else "cpu")


def task_options(threads: int, device: str) -> dict[str, Any]:
    """See `options_for`."""
    nodes = living_nodes()
    has_gpu = any(node.get("GPU", 0) >= 1 for node in nodes)
    if device == "cuda" and not has_gpu:
        raise EmofuseError(
            "setting device: cuda was asked for, and no node of the cluster has a GPU; use cpu or auto"
        )
    most = max(
        (
            node.get("CPU", 0)
            for node in nodes
            if node.get("GPU", 0) >= 1 or not (has_gpu and device != "cpu")
        ),
        default=1,
    )
    same_threads = {name: os.environ[name] for name in _THREAD_VARIABLES if name in os.environ}
    return {
        "num_cpus": max(1, min(threads, int(most))),
        "num_gpus": 1 if has_gpu and device != "cpu" else 0,
        "scheduling_strategy": "SPREAD",
        "runtime_env": {"env_vars": same_threads},
    }


def places(options: Mapping[str, Any]) -> int:
    """How many tasks with these options the cluster runs at once."""
    wanted = {"CPU": options["num_cpus"], "GPU": options["num_gpus"]}
    each = [
        min(int(node.get(name, 0) // number) for name, number in wanted.items() if number)
        for node in living_nodes()
    ]
    return max(1, sum(each))
