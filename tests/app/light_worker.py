"""A worker that loads no run, and does what the text of its task says: as fast as queues can be tested."""

import os
import signal
import time
from multiprocessing.connection import Connection

from emofuse.app.schemas import Prediction, RunDescription
from emofuse.app.tasks import Cancel, Loaded, Outcome, PredictTask, Progress
from emofuse.app.worker import WorkerSetup
from emofuse.data.worker_processes import begin_worker

RUN = RunDescription(name="light", system="none", task="classification", labels=["joy"], modalities=["text"])


def light(connection: Connection, setup: WorkerSetup) -> None:
    begin_worker()
    if setup.run == "broken":
        connection.send(Outcome("refused", status=503, line="broken: is no run folder"))
        return
    connection.send(Loaded(RUN))
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        if not isinstance(task, Cancel):
            connection.send(_outcome(connection, task))


def _outcome(connection: Connection, task: PredictTask) -> Outcome:
    said = task.options.text or ""
    if said == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if said == "refuse":
        return Outcome("refused", status=422, line=f"{task.name}: it cannot be decoded")
    if said == "hang":  # as a decoder does that never comes back
        time.sleep(60)
    if said == "work":
        for step in range(600):
            connection.send(Progress(step, 600, "encoding audio"))
            if connection.poll(0.05) and isinstance(connection.recv(), Cancel):
                return Outcome("cancelled")
    size = 0 if task.file is None else task.file.stat().st_size
    if task.page is not None:
        task.page.write_text("<p>timeline</p>", encoding="utf-8")
    return Outcome(
        "answer", Prediction(recording=task.name, seconds=float(size), labels=["joy"], segments=[])
    )
