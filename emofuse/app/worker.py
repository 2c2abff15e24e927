"""What a worker process does: it loads the run, and takes one task after the other."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from emofuse.app.refusals import JobCancelledError, RefusedError
from emofuse.app.tasks import Cancel, HearTask, Loaded, Outcome, PredictTask, Progress, Task
from emofuse.data.paths import real_path
from emofuse.data.worker_processes import begin_worker
from emofuse.errors import EmofuseError

_REPORT_EVERY = 0.1  # seconds
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerSetup:
    """How workers are made.

    Attributes:
        run: its folder, or "starter".
        device: where to compute.
        threads: of torch in each worker; its own default if None.
        scratch: folder for what a worker writes down for a moment; the server's own, which is cleaned.
    """

    run: str
    device: str = "auto"
    threads: int | None = None
    scratch: Path = Path()


def work(connection: Connection, setup: WorkerSetup) -> None:
    """Body of a worker process; it ends with its parent, or when the connection does."""
    import torch  # loaded before its threads are set

    from emofuse.app.live.recogniser import LiveRecogniser
    from emofuse.app.predicting import describe_run
    from emofuse.pipeline import EmotionPipeline

    assert torch
    begin_worker(setup.threads)
    try:
        pipe = EmotionPipeline.from_pretrained(_whole_place(setup.run), device=setup.device)
    except EmofuseError as error:
        connection.send(Outcome("refused", status=503, line=str(error)))
        return
    run = describe_run(pipe, _name_of(setup.run))
    hearing = LiveRecogniser(pipe, setup.scratch)
    connection.send(Loaded(run))
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return
        if not isinstance(task, Cancel):  # one that came after its task had ended
            connection.send(_outcome(pipe, hearing, run, task, connection))


def _outcome(pipe: Any, hearing: Any, run: Any, task: Task, connection: Connection) -> Outcome:
    from emofuse.app.predicting import predict_recording

    reporter = _ProgressReporter(connection)
    try:
        if isinstance(task, HearTask):
            return Outcome("answer", hearing.hear(task))
        assert isinstance(task, PredictTask)
        return Outcome("answer", predict_recording(pipe, task, run, reporter))
    except JobCancelledError:
        return Outcome("cancelled")
    except RefusedError as error:
        return Outcome("refused", status=error.status, line=error.line)
    except MemoryError:
        return Outcome("failed", status=500, line="there is not enough memory for it: cut it, or give every")
    except (
        Exception
    ) as error:  # whatever it is, it is this task's alone; the log of the server says where it arose
        _LOG.exception("a task failed")
        return Outcome(
            "failed", status=500, line=f"the prediction failed within the server ({type(error).__name__})"
        )


class _ProgressReporter:
    """Tells the server how far a task is, and hears from it whether to stop."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last_sent = 0.0

    def __call__(self, done: int, total: int, what: str) -> None:
        if self._connection.poll() and isinstance(self._connection.recv(), Cancel):
            raise JobCancelledError
        now = time.monotonic()
        if done == total or now - self._last_sent > _REPORT_EVERY:
            self._last_sent = now
            self._connection.send(Progress(done, total, what))


def _whole_place(run: str) -> str:
    """A run's folder from the root on: messages then name no place that could be taken for a word."""
    return str(real_path(Path(run))) if (Path(run) / "run.json").exists() else run


def _name_of(run: str) -> str:
    return real_path(Path(run)).name or "run"
