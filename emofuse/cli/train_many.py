"""``emofuse train`` where it makes many runs: several seeds, all folds, or both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from emofuse.cli.outcome_lines import print_outcome
from emofuse.errors import EmofuseError

if TYPE_CHECKING:
    from emofuse.data.manifest import Manifest
    from emofuse.runs.settings import RunSettings


def run_seeds(
    settings: RunSettings,
    corpus: Manifest,
    out: Path,
    seeds: int,
    resume: bool,
    baseline: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Several seeds on one split, and how their mean scores."""
    from emofuse.cli.progress import progress_bar
    from emofuse.experiments.seeds import train_seeds

    with progress_bar(quiet=quiet) as progress:
        outcome = train_seeds(
            settings, corpus, out, seeds, resume=resume, baseline=baseline, progress=progress
        )
    print_outcome(
        outcome.to_dict(), [*outcome.lines(), f"use it: emofuse predict {out} CLIP"], as_json=as_json
    )


def run_all_folds(
    settings: RunSettings,
    corpus: Manifest,
    out: Path,
    resume: bool,
    jobs: int,
    ray: str | None,
    baseline: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Every fold of the protocol, and one report over all of them."""
    from emofuse.cli.executors import chosen_executor
    from emofuse.cli.progress import progress_bar
    from emofuse.experiments.cross_validation.report import write_cross_report
    from emofuse.experiments.cross_validation.run import cross_validate

    with chosen_executor(jobs, ray) as executor, progress_bar(quiet=quiet) as progress:
        outcome = cross_validate(
            settings, corpus, out, resume=resume, executor=executor, baseline=baseline, progress=progress
        )
    report = write_cross_report(outcome, corpus)
    print_outcome(outcome.to_dict(), [*outcome.lines(), f"report: {report.html}"], as_json=as_json)
    if outcome.failed:
        failures = "; ".join(fold.line() for fold in outcome.failed)
        raise EmofuseError(f"{failures} (the others are finished; --resume tries again)")


def run_seeds_of_all_folds(
    settings: RunSettings,
    corpus: Manifest,
    out: Path,
    seeds: int,
    resume: bool,
    jobs: int,
    ray: str | None,
    baseline: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """All folds with several seeds, and how the mean of the seeds scores."""
    from emofuse.cli.executors import chosen_executor
    from emofuse.cli.progress import progress_bar
    from emofuse.experiments.cross_validation.seeds import cross_validate_seeds

    with chosen_executor(jobs, ray) as executor, progress_bar(quiet=quiet) as progress:
        outcome = cross_validate_seeds(
            settings,
            corpus,
            out,
            seeds,
            resume=resume,
            executor=executor,
            baseline=baseline,
            progress=progress,
        )
    print_outcome(outcome.to_dict(), [*outcome.lines(), f"written: {out / 'metrics.json'}"], as_json=as_json)
