"""What the tests let nodes do; in a module of its own, which nodes can import."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.experiments.light_tasks import without_page


def die(folder: Path) -> None:
    """Note the try, and be killed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"try-{os.getpid()}").touch()
    os.kill(os.getpid(), signal.SIGKILL)


def work(folder: Path) -> None:
    """Leave what a process of its own cannot have found there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cwd").write_text(f"{Path.cwd()} {os.environ.get('OMP_NUM_THREADS')}")


def meet(task: Callable[[Path], None], count: int, folder: Path) -> None:
    """Do the task when so many have begun."""
    place = folder.parent / "begun"
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{folder.name}-{os.getpid()}").touch()
    while len(list(place.iterdir())) < count:
        time.sleep(0.02)
    without_page(task, folder)


def hold_a_cluster() -> None:
    """A command that works on a cluster of its own until it is stopped: ``python -m tests.cluster.on_nodes``."""
    from emofuse.cluster.session import ray_session

    # What runs in the background of a shell, as a suite may, does not hear Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with ray_session("local"):
            import ray

            place = ray._private.worker.global_worker.node.get_session_dir_path()
            print(place, flush=True, file=sys.__stdout__)
            time.sleep(600)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    hold_a_cluster()
