"""A parent of each kind of pool, to be killed: ``python -m tests.experiments.killed_pools KIND FOLDER``."""

import os
import sys
import time
from functools import partial
from pathlib import Path


def work_for_long(folder: Path, *_: object) -> None:
    """Leave the number of the process, and go on for longer than any test waits."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{os.getpid()}.pid").touch()
    time.sleep(600)


def trainings(folder: Path) -> None:
    """``train --all-folds --jobs``, ``sweep``, ``reproduce``."""
    from emofuse.runs.processes import run_in_processes

    tasks = {folder / str(number): work_for_long for number in range(2)}
    run_in_processes(tasks, jobs=2, finished=lambda folder, code: None)


def clips(folder: Path) -> None:
    """``demo-data``."""
    from emofuse.corpora.demo.write import _each

    list(_each(partial(work_for_long, folder), range(9), range(9), workers=2))  # type: ignore[arg-type]


if __name__ == "__main__":
    {"trainings": trainings, "clips": clips}[sys.argv[1]](Path(sys.argv[2]))
