"""Runs at the points of a grid; the best on the validation part is judged on the test part, once."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emofuse.data.atomic import write_text_aside
from emofuse.data.manifest import Manifest
from emofuse.data.stored_files import stored_json
from emofuse.errors import EmofuseError, is_interruption, reason_of
from emofuse.experiments.benchmark.jobs import is_done, run_jobs_at_once
from emofuse.experiments.benchmark.plan import Job
from emofuse.experiments.failures import failure_of
from emofuse.experiments.sweep.grid import Axis, GridPoint, grid_points
from emofuse.experiments.validation_scores import validation_scores
from emofuse.inference.evaluate import evaluate_fit
from emofuse.inference.outcome import Outcome
from emofuse.inference.reporting.run_report import write_run_report
from emofuse.models.registry import model_config
from emofuse.runs.corpus import Progress
from emofuse.runs.corpus_identity import CorpusIdentity, claim_corpus
from emofuse.runs.executor import Executor
from emofuse.runs.folder_lock import locked_folder
from emofuse.runs.run_folder import RunFolder, fingerprints_below
from emofuse.runs.same_settings import check_same_settings
from emofuse.runs.settings import RunSettings
from emofuse.runs.tasks import task_of
from emofuse.training.fit import fit_run

LESS_IS_BETTER = ("mae",)


@dataclass(frozen=True)
class SweptPoint:
    """A point and what came of it.

    Attributes:
        point: of the grid.
        folder: its run.
        validation: metric → score on the validation part; None where it failed.
        failure: why it failed, in one line.
    """

    point: GridPoint
    folder: RunFolder
    validation: dict[str, float] | None
    failure: str | None = None


@dataclass(frozen=True)
class Sweep:
    """A grid that has been run.

    Attributes:
        folder: holds the runs.
        axes: of the grid.
        metric: that the point was chosen by, on the validation part.
        points: in the order of the grid.
        chosen: the best; of equal ones the first.
        test: how it scored, on the test part among others; no other point has seen it.
    """

    folder: Path
    axes: tuple[Axis, ...]
    metric: str
    points: list[SweptPoint]
    chosen: SweptPoint
    test: Outcome[Any]

    @property
    def failures(self) -> list[str]:
        """The points that failed, a line each."""
        return [f"{p.point.key}: {p.failure}" for p in self.points if p.failure is not None]


def sweep(
    settings: RunSettings,
    manifest: Manifest,
    axes: Sequence[Axis],
    folder: Path,
    *,
    executor: Executor | None = None,
    open_progress: Callable[[], AbstractContextManager[Progress]],
    say: Callable[[str], None] = lambda line: None,
) -> Sweep:
    """Train a run at every point; what an earlier call has finished is kept, so it may be interrupted at will.

    All points share one split. Each is scored on its validation part, by weighted F1, or the mean absolute error
    of a regression; the best alone is evaluated on the test part. One that fails takes no other with it.

    Args:
        settings: of every point but for its own values.
        manifest: the corpus.
        axes: of the grid.
        folder: holds a run folder per point, in ``points/``.
        executor: trains points at once; by default one follows the other in this process.
        open_progress: gives a progress hook for one run, or for all where an executor makes them.
        say: called with a line per point.

    Raises:
        EmofuseError: settings that do not exist, a folder with another sweep, or every point failed.
    """
    points = grid_points(axes)
    changed = [settings.with_changes(point.changes) for point in points]
    metric = "mae" if task_of(settings, manifest).name == "regression" else "weighted_f1"
    _check_any(changed, manifest)
    with locked_folder(folder):
        _claim(folder, settings, manifest, axes)
        jobs = [
            Job(folder / "points" / point.key, each, judged=False)
            for point, each in zip(points, changed, strict=True)
        ]
        if executor is not None:
            run_jobs_at_once(jobs, manifest, folder, executor, what="points", open_progress=open_progress)
        swept = []
        for number, (point, job) in enumerate(zip(points, jobs, strict=True), start=1):
            run = RunFolder(job.path)
            try:
                with open_progress() as progress:
                    if executor is None:
                        fit_run(job.settings, manifest, run.path, resume=True, progress=progress)
                    elif not is_done(job):
                        raise EmofuseError(failure_of(run.path))
                    found = SweptPoint(point, run, validation_scores(run, manifest, progress))
            except Exception as error:  # whatever it is, the other points go on; the reason is reported
                if is_interruption(error):
                    raise
                found = SweptPoint(point, run, None, reason_of(error))
            line = (
                f"failed: {found.failure}"
                if found.validation is None
                else _format_validation(metric, found.validation)
            )
            say(f"{number}/{len(points)}  {point.key}  {line}")
            swept.append(found)
        chosen = _best(swept, metric)
        with open_progress() as progress:
            test = evaluate_fit(chosen.folder, manifest, progress=progress)
        write_run_report(test, manifest)
        return Sweep(folder, tuple(axes), metric, swept, chosen, test)


def _check_any(points: Sequence[RunSettings], manifest: Manifest) -> None:
    """A misspelt setting is reported before a folder is made; a point that cannot be, such as μ1 + μ2 > 1, is not one."""
    reasons = []
    for each in points:
        options = task_of(each, manifest).model_options() | each.model.options
        try:
            model_config(each.model.name, each.model.preset, **options)
        except EmofuseError as error:
            reasons.append(str(error))
    if len(reasons) == len(points):
        raise EmofuseError(f"no point of the sweep can be built: {reasons[0]}")


def _best(points: Sequence[SweptPoint], metric: str) -> SweptPoint:
    scores = {
        i: p.validation[metric]
        for i, p in enumerate(points)
        if p.validation is not None and not math.isnan(p.validation[metric])
    }
    if not scores:
        reason = next((p.failure for p in points if p.failure), "no score is defined")
        raise EmofuseError(f"every point of the sweep failed ({reason}); the same command tries again")
    sign = 1 if metric in LESS_IS_BETTER else -1
    return points[min(scores, key=lambda i: (sign * scores[i], i))]


def _format_validation(metric: str, validation: dict[str, float]) -> str:
    return f"validation {metric} {validation[metric]:.4f}"


def _claim(folder: Path, settings: RunSettings, manifest: Manifest, axes: Sequence[Axis]) -> None:
    """A folder belongs to one grid over one set of settings on one corpus."""
    file = folder / "sweep.json"
    content = {
        "grid": {axis.name: list(axis.values) for axis in axes},
        "settings": settings.model_dump(mode="json"),
    }
    if not file.exists():
        CorpusIdentity.of(manifest).write(folder)
        write_text_aside(file, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    else:
        held = stored_json(file, "choose a new folder")
        stored = RunSettings.checked(held.get("settings") or {}, source=str(file))
        check_same_settings(file, "sweep", stored, settings)
        if held.get("grid") != content["grid"]:
            raise EmofuseError(
                f"{file}: the sweep in this folder has another grid; repeat it or choose a new folder"
            )
        claim_corpus(folder, manifest, fingerprints_below(folder))
