"""The runs of a benchmark, one after the other or several at once; one that fails takes no other with it."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

from emofuse.data.manifest import Manifest
from emofuse.errors import is_interruption, reason_of
from emofuse.experiments.at_once import run_at_once
from emofuse.experiments.benchmark.costs import measured_costs, note_memory
from emofuse.experiments.benchmark.plan import Job
from emofuse.experiments.cross_validation.folds import is_finished
from emofuse.experiments.failures import FAILURE_FILE, failure_of, note_failure
from emofuse.experiments.peak_memory import PeakMemory
from emofuse.experiments.validation_scores import VALIDATION_FILE, validation_scores
from emofuse.inference.evaluate import evaluate_fit
from emofuse.inference.reporting.run_report import write_run_report
from emofuse.runs.corpus import Progress, choose_device, corpus_of
from emofuse.runs.corpus_identity import claim_corpus
from emofuse.runs.executor import Executor
from emofuse.runs.processes import Task
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.settings import RunSettings
from emofuse.training.fit import fit_run


def is_done(job: Job) -> bool:
    """Whether a job was finished by an earlier call; a failure is tried again."""
    if job.judged:
        return is_finished(job.path) and (not job.reported or (job.path / "report.html").exists())
    return (job.path / VALIDATION_FILE).exists() and not (job.path / FAILURE_FILE).exists()


def run_jobs(
    jobs: Sequence[Job],
    manifest: Manifest,
    folder: Path,
    executor: Executor | None,
    *,
    open_progress: Callable[[], AbstractContextManager[Progress]],
    say: Callable[[str], None],
) -> None:
    """Run what is not finished yet.

    Args:
        jobs: in their order.
        manifest: the corpus.
        folder: of the benchmark, which belongs to this corpus.
        executor: makes them in processes of their own; None makes them in this one, and then memory is not measured,
            since it would be what all of them took.
        open_progress: gives a progress hook.
        say: called with a line as each job ends.
    """
    waiting = [job for job in jobs if not is_done(job)]

    def report(job: Job) -> None:
        name = job.path.relative_to(folder / "runs").as_posix()
        say(f"{name}: {'done' if is_done(job) else f'failed: {failure_of(job.path)}'}")

    if executor is None:
        for job in waiting:
            with open_progress() as progress:
                run_job(job, manifest, progress)
            report(job)
    elif waiting:
        by_path = {job.path: job for job in waiting}
        run_jobs_at_once(
            waiting,
            manifest,
            folder,
            executor,
            what="runs",
            open_progress=open_progress,
            ended=lambda path: report(by_path[path]),
        )


def run_jobs_at_once(
    jobs: Sequence[Job],
    manifest: Manifest,
    folder: Path,
    executor: Executor,
    *,
    what: str,
    open_progress: Callable[[], AbstractContextManager[Progress]],
    ended: Callable[[Path], None] = lambda path: None,
) -> None:
    """Run what is not finished yet, in processes of its own; see `run_at_once`."""
    waiting = [job for job in jobs if not is_done(job)]
    with open_progress() as progress:
        run_at_once(
            executor,
            _tasks(waiting, folder),
            [job.settings for job in waiting],
            manifest,
            folder,
            what=what,
            progress=progress,
            ended=ended,
        )


def _tasks(jobs: Sequence[Job], folder: Path) -> dict[Path, Task]:
    """What an executor does for each job of a folder, which belongs to one corpus."""
    return {
        job.path: partial(_process, job.settings.model_dump(mode="json"), job.judged, job.reported, folder)
        for job in jobs
    }


def _process(content: dict[str, Any], judged: bool, reported: bool, folder: Path, path: Path) -> None:
    """What a process of its own does."""
    settings = RunSettings.checked(content, source=str(path))
    manifest = corpus_of(settings)
    claim_corpus(folder, manifest)  # it may have changed since the other runs began
    run_job(Job(path, settings, judged, reported), manifest, alone=True)


def run_job(job: Job, manifest: Manifest, progress: Progress | None = None, *, alone: bool = False) -> None:
    """Fit a run and score it; where that fails, the reason is left in its folder.

    Args:
        job: what to do.
        manifest: the corpus.
        progress: called with (done, total, what).
        alone: this process does nothing else, so that its memory is that of the run.
    """
    run = RunFolder(job.path)
    try:
        was_fitted = run.weights_file.exists()
        with PeakMemory(choose_device(job.settings.device)) as memory:
            fit_run(job.settings, manifest, job.path, resume=True, progress=progress)
        if alone and not was_fitted:
            note_memory(run, memory.mib)
        if job.judged:
            measured_costs(run, manifest)
            outcome = evaluate_fit(run, manifest, kept=False, progress=progress)
            if job.reported:
                write_run_report(outcome, manifest)
        else:
            validation_scores(run, manifest, progress)
    except Exception as error:  # whatever it is, the other runs go on; the reason is reported
        if is_interruption(error):
            raise
        note_failure(job.path, reason_of(error), traceback.format_exc())
    else:
        (job.path / FAILURE_FILE).unlink(missing_ok=True)
