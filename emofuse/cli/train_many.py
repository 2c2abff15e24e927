"""``emofuse train`` where it makes many runs: several seeds, all folds, or both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emofuse.cli.outcome_lines import print_outcome
from emofuse.errors import EmofuseError

if TYPE_CHECKING:
    from emofuse.data.manifest import Manifest
    from emofuse.runs.corpus import Progress
    from emofuse.runs.executor import Executor
    from emofuse.runs.settings import RunSettings


@dataclass(frozen=True)
class ManyRuns:
    """How many runs are made and told of.

    Attributes:
        resume: an earlier call may have begun them.
        baseline: linear models stand beside each.
        as_json: print the figures as JSON.
        quiet: without a progress bar.
        jobs: runs at once.
        ray: a Ray cluster that makes them, where there is one.
    """

    resume: bool
    baseline: bool
    as_json: bool
    quiet: bool
    jobs: int = 1
    ray: str | None = None

    @contextmanager
    def executor_and_progress(self) -> Iterator[tuple[Executor | None, Progress]]:
        """What makes several runs at once, None for this process, and the bar that shows how far they are."""
        from emofuse.cli.executors import chosen_executor
        from emofuse.cli.progress import progress_bar

        with chosen_executor(self.jobs, self.ray) as executor, progress_bar(quiet=self.quiet) as progress:
            yield executor, progress


def run_seeds(settings: RunSettings, corpus: Manifest, out: Path, seeds: int, how: ManyRuns) -> None:
    """Several seeds on one split, and how their mean scores."""
    from emofuse.cli.progress import progress_bar
    from emofuse.experiments.seeds import train_seeds

    with progress_bar(quiet=how.quiet) as progress:
        outcome = train_seeds(
            settings, corpus, out, seeds, resume=how.resume, baseline=how.baseline, progress=progress
        )
    lines = [*outcome.lines(), f"use it: emofuse predict {out} CLIP"]
    print_outcome(outcome.to_dict(), lines, as_json=how.as_json)


def run_all_folds(settings: RunSettings, corpus: Manifest, out: Path, how: ManyRuns) -> None:
    """Every fold of the protocol, and one report over all of them."""
    from emofuse.experiments.cross_validation.report import write_cross_report
    from emofuse.experiments.cross_validation.run import cross_validate

    with how.executor_and_progress() as (executor, progress):
        outcome = cross_validate(
            settings,
            corpus,
            out,
            resume=how.resume,
            executor=executor,
            baseline=how.baseline,
            progress=progress,
        )
    report = write_cross_report(outcome, corpus)
    print_outcome(outcome.to_dict(), [*outcome.lines(), f"report: {report.html}"], as_json=how.as_json)
    if outcome.failed:
        failures = "; ".join(fold.line() for fold in outcome.failed)
        raise EmofuseError(f"{failures} (the others are finished; --resume tries again)")


def run_seeds_of_all_folds(
    settings: RunSettings, corpus: Manifest, out: Path, seeds: int, how: ManyRuns
) -> None:
    """All folds with several seeds, and how the mean of the seeds scores."""
    from emofuse.experiments.cross_validation.seeds import cross_validate_seeds

    with how.executor_and_progress() as (executor, progress):
        outcome = cross_validate_seeds(
            settings,
            corpus,
            out,
            seeds,
            resume=how.resume,
            executor=executor,
            baseline=how.baseline,
            progress=progress,
        )
    lines = [*outcome.lines(), f"written: {out / 'metrics.json'}"]
    print_outcome(outcome.to_dict(), lines, as_json=how.as_json)
