"""A recording on its way through the server."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from emofuse.app.refusals import RefusedError
from emofuse.app.schemas import JobState, Prediction
from emofuse.app.tasks import PredictTask, Progress


@dataclass(eq=False)
class Job:
    """A recording that is waiting, worked on or finished.

    Attributes:
        id: cannot be guessed; whoever knows it may see the job.
        task: what is to be done.
        folder: of the upload and of the page; nobody else's.
        size: bytes that the storage counts for it: of the upload, and once it is finished of the page.
        is_fetched: whether its page was sent to somebody.
    """

    id: str
    task: PredictTask
    folder: Path
    size: int
    state: JobState = "waiting"
    progress: Progress = field(default_factory=lambda: Progress(0, 0, ""))
    result: Prediction | None = None
    error: RefusedError | None = None
    created: float = field(default_factory=time.monotonic)
    finished: float | None = None
    is_fetched: bool = False
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def page(self) -> Path | None:
        """The page of its timeline, once there is one."""
        page = self.task.page
        return page if page is not None and self.state == "done" and page.is_file() else None
