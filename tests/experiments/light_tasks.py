"""Work for processes that load nothing heavy, so that starting them takes no time."""

import os
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path


def kill_self(folder: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def note_start_and_end(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "start").write_text(str(time.time()))
    time.sleep(1.0)
    (folder / "end").write_text(str(time.time()))


def without_page(task: Callable[[Path], None], folder: Path) -> None:
    """A fold whose report is not drawn: that takes longer than all the rest."""
    from emofuse.experiments.cross_validation import folds

    folds.write_run_report = lambda *arguments: None  # type: ignore[assignment]
    task(folder)


def cannot_measure(path: str, threads: int, sender: Connection) -> None:
    sender.send({"error": "no such run"})


def dies_measuring(path: str, threads: int, sender: Connection) -> None:
    kill_self(Path(path))
