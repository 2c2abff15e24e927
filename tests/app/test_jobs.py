"""The queue: turns, cancelling, limits, and workers that die."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from emofuse.app.api import add_error_lines, make_routers
from emofuse.app.job import Job
from emofuse.app.jobs import JobQueue
from emofuse.app.limits import ServeLimits
from emofuse.app.metrics import ServerMetrics
from emofuse.app.refusals import RefusedError
from emofuse.app.schemas import PredictOptions
from emofuse.app.storage import Storage
from emofuse.app.worker import WorkerSetup
from emofuse.app.worker_process import WorkerProcess
from emofuse.errors import EmofuseError
from tests.app.light_worker import light

LIMITS = ServeLimits(job_seconds=3.0, kept_seconds=60.0, waiting=12)


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    made = Storage(10_000, tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def workers() -> list[WorkerProcess]:
    return [WorkerProcess(WorkerSetup("light"), light)]


@pytest.fixture
def queue(storage: Storage, workers: list[WorkerProcess]) -> Iterator[JobQueue]:
    made = JobQueue(workers, storage, LIMITS, ServerMetrics())
    made.start()
    yield made
    made.close()


def submitted(queue: JobQueue, storage: Storage, text: str, content: bytes = b"12345") -> Job:
    folder = storage.new_folder()
    (folder / "recording").write_bytes(content)
    storage.take(len(content))
    options = PredictOptions(text=text)
    return queue.submit(folder, folder / "recording", "né.mp4", options, size=len(content), page=True)


def ended(job: Job, seconds: float = 20.0) -> Job:
    until = time.monotonic() + seconds
    while job.finished is None:
        assert time.monotonic() < until, f"still {job.state}"
        time.sleep(0.01)
    return job


def test_ten_at_once_wait_in_turn_and_a_dead_worker_or_a_refusal_is_one_job_s_alone(
    queue: JobQueue, storage: Storage
) -> None:
    said = ["ok", "ok", "die", "ok", "refuse", "ok", "ok", "ok", "ok", "ok"]
    jobs: list[Job] = []
    threads = [
        threading.Thread(target=lambda text=text: jobs.append(submitted(queue, storage, text)))
        for text in said
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcomes = {job.id: ended(job) for job in jobs}
    by_text = [(job.task.options.text, job.state) for job in outcomes.values()]
    assert sorted(by_text) == [("die", "failed"), *[("ok", "done")] * 8, ("refuse", "failed")]
    [dead] = [job for job in jobs if job.task.options.text == "die"]
    assert dead.error is not None
    assert (dead.error.status, "killed by signal 9" in dead.error.line) == (500, True)
    [refused] = [job for job in jobs if job.task.options.text == "refuse"]
    assert refused.error is not None
    assert (refused.error.status, refused.error.line) == (422, "né.mp4: it cannot be decoded")
    # Answered in the order in which they were handed in.
    finished = sorted((job for job in jobs if job.result), key=lambda job: job.finished or 0)
    assert finished == [job for job in sorted(jobs, key=lambda job: job.created) if job.result]
    assert finished[0].result is not None
    assert (finished[0].result.recording, finished[0].result.seconds) == ("né.mp4", 5.0)
    assert finished[0].page is not None
    pages = list(storage.folder.rglob("page.html"))
    assert storage.held == sum(page.stat().st_size for page in pages) > 0, "pages stay, and are counted"
    assert not list(storage.folder.rglob("recording*")), "uploads are deleted when they are predicted"
    for job in jobs:
        queue.cancel(job)
    assert storage.held == 0, "forgotten"


def test_jobs_are_cancelled_while_they_wait_work_and_hang(queue: JobQueue, storage: Storage) -> None:
    working, waiting = submitted(queue, storage, "work"), submitted(queue, storage, "ok")
    until = time.monotonic() + 10
    while queue.status(working).done < 2:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert queue.status(working).model_dump(include={"state", "total", "doing", "position"}) == {
        "state": "running",
        "total": 600,
        "doing": "encoding audio",
        "position": None,
    }
    assert queue.status(waiting).position == 0
    queue.cancel(waiting)
    assert waiting.state == "cancelled"
    pid = queue.workers[0].pid
    queue.cancel(working)
    assert ended(working).state == "cancelled"
    assert queue.workers[0].pid == pid, "a worker that listens is kept"
    hanging = submitted(queue, storage, "hang")
    while hanging.state == "waiting":
        time.sleep(0.01)
    queue.cancel(hanging)
    assert ended(hanging).state == "cancelled"
    assert ended(submitted(queue, storage, "ok")).state == "done"
    assert queue.workers[0].pid != pid, "one that does not is ended"
    queue.cancel(hanging)
    with pytest.raises(RefusedError, match="no such job"):
        queue.get(hanging.id)
    assert not hanging.folder.exists()


def test_a_job_over_its_time_is_ended_and_a_killed_idle_worker_replaced(storage: Storage) -> None:
    limits = ServeLimits(job_seconds=0.3, kept_seconds=0.2, waiting=1)
    queue = JobQueue([WorkerProcess(WorkerSetup("light"), light)], storage, limits, ServerMetrics())
    queue.start()
    try:
        slow = ended(submitted(queue, storage, "hang"))
        assert slow.error is not None
        assert (slow.error.status, "longer than this server allows" in slow.error.line) == (503, True)
        assert ended(submitted(queue, storage, "ok")).state == "done"
        pid = queue.workers[0].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        after = ended(submitted(queue, storage, "ok"))
        assert after.state == "done" or "died" in str(after.error) or "killed" in str(after.error)
        assert ended(submitted(queue, storage, "ok")).state == "done"
        time.sleep(0.25)
        queue.sweep()
        with pytest.raises(RefusedError, match="no such job"):
            queue.get(slow.id)
        assert not slow.folder.exists()
        first = submitted(queue, storage, "hang")
        while first.state == "waiting":
            time.sleep(0.01)
        submitted(queue, storage, "ok")
        with pytest.raises(RefusedError, match="wait already"):
            submitted(queue, storage, "ok")
    finally:
        queue.close()
    assert {job.state for job in queue._jobs.values()} <= {"failed", "done"}
    assert "server is stopping" in str(next(reversed(queue._jobs.values())).error)


def test_a_full_store_gives_up_pages_first_those_that_were_fetched(queue: JobQueue, storage: Storage) -> None:
    jobs = [ended(submitted(queue, storage, "ok")) for _ in range(3)]
    page, room = jobs[0].size, 10_000 - storage.held
    app = FastAPI()
    add_error_lines(app)
    for router in make_routers(queue, storage, ServerMetrics()):
        app.include_router(router)
    with TestClient(app) as client:
        assert client.get(f"/jobs/{jobs[1].id}/page").text == "<p>timeline</p>"
        working = submitted(queue, storage, "work", b"")
        with pytest.raises(RefusedError, match="try again later"):
            storage.take(room + 3 * page + 1)
        assert all(job.page for job in jobs), "it would have been in vain"
        storage.take(room + 1)
        assert [job.page is not None for job in jobs] == [True, False, True]
        storage.take(page)
        assert [job.page is not None for job in jobs] == [False, False, True]
        assert client.get(f"/jobs/{jobs[0].id}").json()["result"]["seconds"] == 5.0, "answers stay"
        assert "make room" in client.get(f"/jobs/{jobs[0].id}/page").json()["detail"]
    assert working.finished is None
    queue.cancel(working)


def test_a_run_that_cannot_be_loaded_is_one_line(storage: Storage) -> None:
    queue = JobQueue([WorkerProcess(WorkerSetup("broken"), light)], storage, LIMITS, ServerMetrics())
    with pytest.raises(EmofuseError, match="broken: is no run folder"):
        queue.start()
    queue.close()
