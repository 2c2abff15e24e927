"""A worker as the server sees it: started, given one task at a time, ended when it must be."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from emofuse.app.refusals import JobCancelledError, RefusedError
from emofuse.app.schemas import RunDescription
from emofuse.app.tasks import Cancel, Loaded, Outcome, Progress, Task
from emofuse.app.worker import WorkerSetup, work
from emofuse.errors import EmofuseError

_LOOK_EVERY = 0.05  # seconds
_PATIENCE = 2.0  # seconds that a cancelled task has to stop by itself
_MEMORY = "for want of memory perhaps: cut the recording, or use fewer workers"


class WorkerDiedError(RefusedError):
    """The process that worked on a task has ended under it."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(status, line)


class WorkerProcess:
    """A process that has the run loaded.

    Args:
        setup: which run, and how.
        body: what the process does; it answers each task with an outcome.
    """

    def __init__(self, setup: WorkerSetup, body: Callable[[Connection, WorkerSetup], None] = work) -> None:
        self._setup, self._body = setup, body
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None

    @property
    def is_alive(self) -> bool:
        """Whether it can take a task."""
        process = self._process  # another thread may end it meanwhile
        try:
            return process is not None and process.is_alive()
        except ValueError:
            return False

    @property
    def pid(self) -> int | None:
        """Of its process."""
        return None if self._process is None else self._process.pid

    def start(self, seconds: float, stopping: Callable[[], bool] = lambda: False) -> RunDescription:
        """Begin a new process, and wait until it has loaded the run.

        Raises:
            EmofuseError: it cannot load the run, or not within ``seconds``.
        """
        self.stop()
        context = multiprocessing.get_context("spawn")  # a fork would copy the server's sockets and threads
        self._connection, child_end = context.Pipe()
        self._process = context.Process(target=self._body, args=(child_end, self._setup), daemon=True)
        self._process.start()
        child_end.close()
        try:
            message = self._receive(time.monotonic() + seconds, lambda _: None, stopping, patience=0.0)
        except EmofuseError:
            self.stop()
            raise
        if isinstance(message, Loaded):
            return message.run
        self.stop()
        raise EmofuseError(message.line)

    def run(
        self,
        task: Task,
        *,
        seconds: float,
        progress: Callable[[Progress], None] = lambda _: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Any:
        """Do one task.

        Args:
            task: what to do.
            seconds: that it may take.
            progress: told how far it is.
            cancelled: asked again and again; when it says yes the task is stopped.

        Raises:
            RefusedError: the task cannot be done, took too long, or the process died of it.
            JobCancelledError: it was stopped.
        """
        assert self._connection is not None
        try:
            self._connection.send(task)
        except OSError:
            raise self._death() from None
        message = self._receive(time.monotonic() + seconds, progress, cancelled, patience=_PATIENCE)
        assert isinstance(message, Outcome)
        if message.kind == "cancelled":
            raise JobCancelledError
        if message.kind != "answer":
            raise RefusedError(message.status, message.line)
        return message.value

    def _receive(
        self,
        deadline: float,
        progress: Callable[[Progress], None],
        cancelled: Callable[[], bool],
        *,
        patience: float,
    ) -> Loaded | Outcome:
        assert self._connection is not None
        last: float | None = None
        while True:
            try:
                if self._connection.poll(_LOOK_EVERY):
                    message = self._connection.recv()
                    if not isinstance(message, Progress):
                        return message
                    progress(message)
                if last is None and cancelled():
                    last = time.monotonic() + patience
                    self._connection.send(Cancel())
            except (EOFError, OSError):
                raise self._death() from None
            now = time.monotonic()
            if last is not None and now > last:
                self.stop()
                raise JobCancelledError
            if now > deadline:
                self.stop()
                raise RefusedError(
                    503, "it took longer than this server allows, and was ended: cut the recording"
                )

    def _death(self) -> WorkerDiedError:
        assert self._process is not None
        self._process.join(1.0)
        code = self._process.exitcode
        self.stop()
        if code is not None and code < 0:
            return WorkerDiedError(
                500, f"the process that worked on it was killed by signal {-code}, {_MEMORY}"
            )
        return WorkerDiedError(500, f"the process that worked on it has died (code {code})")

    def stop(self) -> None:
        """End the process, at once."""
        process, connection = self._process, self._connection
        self._process = self._connection = None
        if process is not None:
            process.kill()
            process.join()
            process.close()
        if connection is not None:
            connection.close()
