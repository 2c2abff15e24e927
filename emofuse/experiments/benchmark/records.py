"""What came of a benchmark, as plain records."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from emofuse.evaluation import LeakReport, Split
from emofuse.evaluation.protocols.fitted_features import FittedFeatures
from emofuse.experiments.benchmark.costs import RunCosts
from emofuse.experiments.benchmark.plan import BenchmarkPlan, PlannedSystem
from emofuse.experiments.benchmark.results import BenchmarkComparison
from emofuse.inference.best_test_epoch import BestTestEpoch
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.tasks import Task


@dataclass(frozen=True)
class TunedPoint:
    """A point of a system's search space.

    Attributes:
        changes: dotted settings that differ from the recipe; none of the first point.
        score: on the validation part, of seed 0; NaN where it failed.
        failure: why it failed.
    """

    changes: dict[str, object]
    score: float
    failure: str | None = None


@dataclass(frozen=True)
class SeedRun:
    """A run of a system at its chosen point.

    Attributes:
        seed: of the run.
        folder: of the run.
        failure: why it failed; then there is nothing else.
        costs: what it took.
        best_test_epoch: what choosing the epoch on the test part would have given, where that was noted.
    """

    seed: int
    folder: RunFolder
    failure: str | None = None
    costs: RunCosts | None = None
    best_test_epoch: BestTestEpoch | None = None


@dataclass(frozen=True)
class BenchmarkedSystem:
    """What came of one system.

    Attributes:
        planned: its settings and points.
        tuned: its points with their scores; empty where there was one, which then needs none.
        chosen: number of the point that the validation part likes best.
        runs: with every seed, at that point.
    """

    planned: PlannedSystem
    tuned: tuple[TunedPoint, ...]
    chosen: int
    runs: tuple[SeedRun, ...]

    @property
    def name(self) -> str:
        """Of the system."""
        return self.planned.name

    @property
    def finished(self) -> list[SeedRun]:
        """Its runs that did not fail."""
        return [run for run in self.runs if run.failure is None]

    @property
    def failures(self) -> list[str]:
        """Its runs that failed, a line each."""
        return [f"seed {run.seed}: {run.failure}" for run in self.runs if run.failure is not None]


@dataclass(frozen=True)
class Benchmark:
    """Everything that a benchmark's page is made of.

    Attributes:
        folder: holds the runs and the page.
        plan: what was asked.
        task: what the runs learnt.
        split: that all share.
        leaks: what its parts have in common.
        fitted: of imported features, whether they know the training part.
        systems: what came of each.
        left_out: a system that cannot do what was asked → why.
        comparison: of the systems and the linear baselines; None where every run failed.
        jobs: runs at once, which slow each other down.
    """

    folder: Path
    plan: BenchmarkPlan
    task: Task
    split: Split
    leaks: LeakReport
    fitted: tuple[FittedFeatures, ...]
    systems: tuple[BenchmarkedSystem, ...]
    left_out: dict[str, str]
    comparison: BenchmarkComparison | None
    jobs: int

    @property
    def failures(self) -> list[str]:
        """Runs that failed, a line each."""
        return [f"{system.name}, {line}" for system in self.systems for line in system.failures]
