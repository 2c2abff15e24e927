"""Jobs and their queue: recordings wait their turn for a few workers, and no failure touches another job."""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from emofuse.app.job import Job
from emofuse.app.limits import ServeLimits
from emofuse.app.metrics import ServerMetrics
from emofuse.app.refusals import JobCancelledError, RefusedError
from emofuse.app.schemas import JobState, JobStatus, PredictOptions, RunDescription
from emofuse.app.storage import Storage
from emofuse.app.tasks import PredictTask, Progress
from emofuse.app.worker_process import WorkerDiedError, WorkerProcess
from emofuse.errors import EmofuseError, reason_of

_LOOK_EVERY = 0.1  # seconds
_LONGEST_PAUSE = 30.0  # seconds between attempts to start a worker
_MOST_KEPT = 1_000  # finished jobs
_STOPPING = "the server is stopping"
_LOG = logging.getLogger(__name__)


class JobQueue:
    """The queue, its workers, and the jobs that are finished but not yet forgotten.

    Args:
        workers: that share the work; begun by `start`.
        storage: where uploads lie.
        limits: bounds.
        metrics: counted into.
    """

    def __init__(
        self,
        workers: Sequence[WorkerProcess],
        storage: Storage,
        limits: ServeLimits,
        metrics: ServerMetrics,
    ) -> None:
        self._storage, self._limits, self._metrics = storage, limits, metrics
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._waiting: list[Job] = []
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._loaded = threading.Event()
        self._run: RunDescription | None = None
        self._refusal: str | None = None
        self.workers = list(workers)
        self._threads = [threading.Thread(target=self._serve, args=(w,), daemon=True) for w in self.workers]
        storage.make_room = self._give_up_pages
        metrics.watch_queue(lambda: len(self._waiting), self.ready_workers)

    def start(self) -> RunDescription:
        """Begin the workers, and wait for the first that has loaded the run.

        Raises:
            EmofuseError: the run cannot be loaded.
        """
        for thread in self._threads:
            thread.start()
        while not self._loaded.wait(_LOOK_EVERY):
            if not any(thread.is_alive() for thread in self._threads):
                raise EmofuseError(self._refusal or _STOPPING)
        return self.run

    @property
    def run(self) -> RunDescription:
        """The run that answers."""
        assert self._run is not None
        return self._run

    def ready_workers(self) -> int:
        """Workers that can take a task."""
        return sum(worker.is_alive for worker in self.workers) if self._loaded.is_set() else 0

    def submit(
        self, folder: Path, file: Path | None, name: str, options: PredictOptions, *, size: int, page: bool
    ) -> Job:
        """Put a recording at the end of the queue.

        Args:
            folder: made by the storage; it belongs to the job from here on, unless it is refused.
            file: the upload in it; None for words alone.
            name: of the recording, as it is shown.
            options: what is asked.
            size: bytes that the storage has counted for it.
            page: write the page of its timeline.

        Raises:
            RefusedError: too many wait, or the server is stopping.
        """
        task = PredictTask(
            file, name, options, folder / "page.html" if page else None, self._limits.recording_seconds
        )
        with self._changed:
            job = Job(secrets.token_urlsafe(18), task, folder, size)  # within, so that its time is its place
            if self._closing.is_set():
                raise RefusedError(503, _STOPPING)
            if len(self._waiting) >= self._limits.waiting:
                raise RefusedError(503, f"{len(self._waiting)} recordings wait already: try again later")
            self._waiting.append(job)
            self._jobs[job.id] = job
            self._changed.notify()
        return job

    def get(self, job_id: str) -> Job:
        """A job by its id.

        Raises:
            RefusedError: there is none.
        """
        with self._changed:
            job = self._jobs.get(job_id)
        if job is None:
            raise RefusedError(404, "there is no such job; a finished one is forgotten after a while")
        return job

    def status(self, job: Job) -> JobStatus:
        """How far a job is."""
        with self._changed:
            return JobStatus(
                id=job.id,
                state=job.state,
                position=self._waiting.index(job) if job in self._waiting else None,
                done=job.progress.done,
                total=job.progress.total,
                doing=job.progress.what,
                error=None if job.error is None else job.error.line,
                result=job.result,
                has_page=job.page is not None,
            )

    def cancel(self, job: Job) -> None:
        """Stop a job that waits or is worked on; forget one that is finished."""
        job.cancelled.set()
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)
                self._finish(job, "cancelled")
            elif job.finished is not None:
                self._forget(job)

    def sweep(self) -> None:
        """Forget jobs that have been finished for long enough."""
        oldest = time.monotonic() - self._limits.kept_seconds
        with self._changed:
            finished = [job for job in self._jobs.values() if job.finished is not None]
            surplus = set(finished[: max(0, len(finished) - _MOST_KEPT)])
            for job in finished:
                if job in surplus or (job.finished or 0) < oldest:
                    self._forget(job)

    def _give_up_pages(self, lacking: int) -> None:
        """Remove pages until so many bytes are free: the oldest that were fetched, then the oldest; answers are kept.

        Where all of them would not be enough, none is removed.
        """
        with self._changed:
            finished = [job for job in self._jobs.values() if job.finished is not None and job.size]
            if sum(job.size for job in finished) < lacking:
                return
            for job in sorted(finished, key=lambda job: (not job.is_fetched, job.finished)):
                lacking -= job.size
                self._remove_files(job)
                if lacking <= 0:
                    return

    def stop(self) -> None:
        """Begin to end; may be called from a handler of signals, since it takes no lock."""
        self._closing.set()

    def close(self) -> None:
        """End all jobs and workers."""
        self.stop()
        self._refuse_waiting()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _serve(self, worker: WorkerProcess) -> None:
        """Body of a worker's thread."""
        pause = _LOOK_EVERY
        try:
            while not self._closing.is_set():
                if not worker.is_alive:
                    if self._start(worker):
                        pause = _LOOK_EVERY
                        continue
                    if not self._loaded.is_set():
                        return  # the run was never there
                    self._closing.wait(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)
                elif (job := self._next()) is not None:
                    self._work(worker, job)
        finally:
            worker.stop()
            if self._closing.is_set():
                self._refuse_waiting()

    def _refuse_waiting(self) -> None:
        with self._changed:
            for job in self._waiting:
                job.error = RefusedError(503, _STOPPING)
                self._finish(job, "failed")
            self._waiting.clear()

    def _start(self, worker: WorkerProcess) -> bool:
        try:
            run = worker.start(self._limits.load_seconds, self._closing.is_set)
        except JobCancelledError:
            return False
        except EmofuseError as error:
            self._refusal = str(error)
            _LOG.error("a worker could not be started: %s", error)
            return False
        self._run = run
        self._loaded.set()
        return True

    def _next(self) -> Job | None:
        with self._changed:
            if not self._waiting:
                self._changed.wait(_LOOK_EVERY)
            if not self._waiting or self._closing.is_set():
                return None
            job = self._waiting.pop(0)
            job.state = "running"
        self._metrics.waited(time.monotonic() - job.created)
        return job

    def _work(self, worker: WorkerProcess, job: Job) -> None:
        def note_progress(progress: Progress) -> None:
            job.progress = progress

        state: JobState = "failed"
        with self._metrics.working():
            try:
                job.result = worker.run(
                    job.task,
                    seconds=self._limits.job_seconds,
                    progress=note_progress,
                    cancelled=lambda: job.cancelled.is_set() or self._closing.is_set(),
                )
                state = "done"
            except JobCancelledError:
                state = "cancelled" if job.cancelled.is_set() else "failed"
                job.error = None if job.cancelled.is_set() else RefusedError(503, _STOPPING)
            except RefusedError as error:
                job.error = error
                if isinstance(error, WorkerDiedError):
                    self._metrics.worker_died()
            except Exception as error:  # a worker's thread must not end: others wait
                _LOG.exception("a job failed")
                job.error = RefusedError(500, f"the server failed ({reason_of(error)[:200]})")
        with self._changed:
            self._finish(job, state)

    def _finish(self, job: Job, state: JobState) -> None:
        if job.task.file is not None:
            job.task.file.unlink(missing_ok=True)
        self._storage.release(job.size)
        job.size = _size_of(job.task.page)  # it stays until the job is forgotten
        self._storage.keep(job.size)
        job.state, job.finished = state, time.monotonic()
        self._metrics.finished(state)

    def _forget(self, job: Job) -> None:
        self._jobs.pop(job.id, None)
        self._remove_files(job)

    def _remove_files(self, job: Job) -> None:
        shutil.rmtree(job.folder, ignore_errors=True)
        self._storage.release(job.size)
        job.size = 0


def _size_of(page: Path | None) -> int:
    try:
        return 0 if page is None else page.stat().st_size
    except OSError:  # none was written
        return 0
