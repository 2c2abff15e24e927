"""All systems on the same features, the same split and the same budget of tuning."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from emofuse.data.atomic import write_text_aside
from emofuse.data.batch import FeatureSource
from emofuse.data.manifest import Manifest
from emofuse.data.modality import MODALITIES, Modality
from emofuse.data.nearest_names import none_of
from emofuse.data.output_paths import check_new_folder
from emofuse.data.quarantine import Quarantine
from emofuse.data.stored_files import stored_json
from emofuse.errors import EmofuseError
from emofuse.evaluation import Split, audit
from emofuse.evaluation.protocols.fitted_features import FittedFeatures
from emofuse.experiments.benchmark.costs import read_costs
from emofuse.experiments.benchmark.jobs import is_done, run_jobs
from emofuse.experiments.benchmark.linear_sources import LinearSources
from emofuse.experiments.benchmark.plan import BenchmarkPlan, Job, PlannedSystem, plan_systems, run_path
from emofuse.experiments.benchmark.records import Benchmark, BenchmarkedSystem, SeedRun, TunedPoint
from emofuse.experiments.benchmark.results import compare_runs, is_linear
from emofuse.experiments.failures import failure_of
from emofuse.experiments.validation_scores import validation_scores
from emofuse.inference.best_test_epoch import best_test_epoch
from emofuse.runs.corpus import Progress, choose_device, choose_split
from emofuse.runs.corpus_identity import CorpusIdentity, claim_corpus
from emofuse.runs.executor import Executor
from emofuse.runs.features import encode_modalities, feature_store_of
from emofuse.runs.fitted_features import fitted_features, imported_readers
from emofuse.runs.folder_lock import locked_folder
from emofuse.runs.modalities import IMPORTED, shared_encoders
from emofuse.runs.run_folder import RunFolder, fingerprints_below
from emofuse.runs.same_settings import check_same_settings
from emofuse.runs.settings import RunSettings
from emofuse.runs.tasks import Task, task_of

_CLAIM_FILE = "benchmark.json"


def benchmark(
    plan: BenchmarkPlan,
    manifest: Manifest,
    folder: Path,
    *,
    against: str | None = None,
    resume: bool = False,
    executor: Executor | None = None,
    open_progress: Callable[[], AbstractContextManager[Progress]],
    say: Callable[[str], None] = lambda line: None,
) -> Benchmark:
    """Run every system, and the linear models, and compare them.

    With a budget above 1, each system is trained at so many points of its search space with seed 0, and its validation
    part chooses one, by the task's own metric. The chosen point is trained with every seed and scored on the test
    part. Nothing else sees the test part, but for the scores that ``plan.test_scores`` notes, which choose nothing.

    Args:
        plan: what to run.
        manifest: the corpus that the plan's settings name.
        folder: holds everything; must be new unless ``resume``.
        against: the method that the others are tested against: a system, or a linear model by its name in the table; by
            default the linear model that the validation part likes best.
        resume: keep what an earlier call has finished; systems, seeds and budget may be more than then,
            and linear models keep the settings that they had.
        executor: makes each run in a process of its own; by default all are made in this one, and their memory is not
            measured, since it would be what all of them took.
        open_progress: gives a progress hook.
        say: called with a line per run.

    Raises:
        EmofuseError: the folder is taken, no system can do this, or ``against`` is unknown.
    """
    check_new_folder(folder)
    systems, left_out = plan_systems(plan, manifest)
    split = choose_split(systems[0].settings, manifest)
    task = task_of(systems[0].settings, manifest)
    if against is not None:
        _check_against(against, plan)
    with locked_folder(folder):
        _claim(folder, plan, manifest, resume)
        if executor is not None:
            with open_progress() as progress:
                executor.prepare([system.settings for system in systems], manifest, folder, progress)
        _fill_store(systems, manifest, folder, open_progress)
        run_jobs(_tuning(systems, folder), manifest, folder, executor, open_progress=open_progress, say=say)
        chosen = {system.name: _tuned(system, folder, manifest, task) for system in systems}
        judged = _judging(systems, folder, plan, {name: place for name, (_, place) in chosen.items()})
        run_jobs(judged, manifest, folder, executor, open_progress=open_progress, say=say)
        done = tuple(
            BenchmarkedSystem(
                system, *chosen[system.name], _runs(system, folder, plan.seeds, chosen[system.name][1])
            )
            for system in systems
        )
        with open_progress() as progress:
            runs = {system.name: [run.folder for run in system.finished] for system in done}
            comparison = (
                compare_runs(runs, manifest, task, against, LinearSources(folder), progress)
                if any(runs.values())
                else None
            )
        leaks, fitted = (
            audit(manifest, split, modalities=plan.shared.model.modalities),
            _fitted(plan, manifest, split, task),
        )
        at_once = executor.at_once if executor is not None else 0
        return Benchmark(folder, plan, task, split, leaks, fitted, done, left_out, comparison, at_once)


def _fitted(plan: BenchmarkPlan, manifest: Manifest, split: Split, task: Task) -> tuple[FittedFeatures, ...]:
    """Of features that came with the manifest and are used."""
    shared = plan.shared
    readers: dict[Modality, FeatureSource] = {
        modality: reader
        for modality, reader in imported_readers(manifest, feature_store_of(shared, manifest)).items()
        if modality in (shared.model.modalities or MODALITIES)
        and (modality not in shared.encoders or shared.encoders[modality].name == IMPORTED)
    }
    return tuple(fitted_features(manifest, split, readers, task.name))


def _check_against(against: str, plan: BenchmarkPlan) -> None:
    if against not in plan.names and not is_linear(against):
        raise EmofuseError(
            none_of("--against", against, (*plan.names, "linear", "linear+turns"))
            + "; where systems take features in several ways, linear (vectors) and the like"
        )


def _claim(folder: Path, plan: BenchmarkPlan, manifest: Manifest, resume: bool) -> None:
    """A folder belongs to one way of comparing, on one corpus."""
    file, content = folder / _CLAIM_FILE, plan.claim()
    if not file.exists():
        CorpusIdentity.of(manifest).write(folder)
        write_text_aside(file, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    elif not resume:
        raise EmofuseError(f"{folder}: holds a benchmark already; choose another folder, or add --resume")
    else:
        held = stored_json(file, "choose a new folder")
        stored = RunSettings.checked(held.get("shared") or {}, source=str(file))
        hint = " (systems, seeds and budget may differ)"
        check_same_settings(file, "benchmark", stored, plan.shared, hint)
        if {**held, "shared": None} != {**content, "shared": None}:
            raise EmofuseError(
                f"{file}: the benchmark to resume was started with other settings (--recipes, --set or --no-test-scores); "
                f"repeat them or choose a new folder{hint}"
            )
        claim_corpus(folder, manifest, fingerprints_below(folder))


def _fill_store(
    systems: Sequence[PlannedSystem],
    manifest: Manifest,
    folder: Path,
    open_progress: Callable[[], AbstractContextManager[Progress]],
) -> None:
    """Features of every system, once and before any run, so that runs at once do not make them twice."""
    seen: set[str] = set()
    for system in systems:
        settings = system.settings
        specs = shared_encoders(settings, manifest)
        wanted = {m: spec for m, spec in specs.items() if spec.model_dump_json() not in seen}
        seen |= {spec.model_dump_json() for spec in wanted.values()}
        with open_progress() as progress:
            for modality, spec in wanted.items():
                with suppress(EmofuseError):  # its run says the same, and is named with it
                    encode_modalities(
                        settings,
                        manifest,
                        {modality: spec},
                        choose_device(settings.device),
                        Quarantine(folder / "quarantine.csv"),
                        progress,
                    )


def _tuning(systems: Sequence[PlannedSystem], folder: Path) -> list[Job]:
    """Where there is one point, there is nothing to choose."""
    return [
        Job(run_path(folder, system.name, point, 0), system.at(point, 0), judged=False)
        for system in systems
        for point in range(len(system.points))
        if len(system.points) > 1
    ]


def _tuned(
    system: PlannedSystem, folder: Path, manifest: Manifest, task: Task
) -> tuple[tuple[TunedPoint, ...], int]:
    """The points with their scores, and the number of the best; of equal ones the first."""
    if len(system.points) == 1:
        return (), 0
    metric = task.own_metric.removeprefix("val_")
    found = []
    for number, changes in enumerate(system.points):
        path = run_path(folder, system.name, number, 0)
        if is_done(Job(path, system.at(number, 0), judged=False)):
            found.append(TunedPoint(changes, validation_scores(RunFolder(path), manifest)[metric]))
        else:
            found.append(TunedPoint(changes, math.nan, failure_of(path)))
    sign = 1 if metric == "mae" else -1
    known = {number: sign * point.score for number, point in enumerate(found) if not math.isnan(point.score)}
    return tuple(found), min(known, key=lambda number: (known[number], number)) if known else 0


def _judging(
    systems: Sequence[PlannedSystem], folder: Path, plan: BenchmarkPlan, chosen: dict[str, int]
) -> list[Job]:
    """Seed by seed, so that a benchmark that is stopped early is a comparison already."""
    return [
        Job(
            run_path(folder, system.name, chosen[system.name], seed),
            system.at(chosen[system.name], seed),
            judged=True,
            reported=plan.run_reports,
        )
        for seed in range(plan.seeds)
        for system in systems
    ]


def _runs(system: PlannedSystem, folder: Path, seeds: int, point: int) -> tuple[SeedRun, ...]:
    found = []
    for seed in range(seeds):
        run = RunFolder(run_path(folder, system.name, point, seed))
        if is_done(Job(run.path, system.at(point, seed), judged=True, reported=False)):
            found.append(SeedRun(seed, run, None, read_costs(run), best_test_epoch(run)))
        else:
            found.append(SeedRun(seed, run, failure_of(run.path)))
    return tuple(found)
