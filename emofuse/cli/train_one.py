"""``emofuse train`` where it makes one run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from emofuse.cli.outcome_lines import print_outcome

if TYPE_CHECKING:
    from emofuse.data.manifest import Manifest
    from emofuse.runs.settings import RunSettings


def train_one(
    settings: RunSettings,
    corpus: Manifest,
    out: Path,
    *,
    resume: bool,
    calibrate: bool,
    baseline: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train, evaluate and report.

    Args:
        settings: of the run.
        corpus: its corpus.
        out: its folder.
        resume: an earlier call may have begun it.
        calibrate: fit a temperature on the validation part.
        baseline: linear models stand beside it.
        as_json: print the figures as JSON.
        quiet: without a progress bar.
    """
    from emofuse.cli.progress import progress_bar
    from emofuse.inference.baselines import fit_baselines
    from emofuse.inference.evaluate import evaluate_fit
    from emofuse.inference.reporting.run_report import write_run_report
    from emofuse.training.fit import fit_run
    from emofuse.training.processes import is_first

    with progress_bar(quiet=quiet or not is_first()) as progress:
        folder = fit_run(settings, corpus, out, resume=resume, progress=progress)
        if not is_first():
            return
        if baseline:
            fit_baselines(folder, corpus, progress)
        outcome = evaluate_fit(
            folder, corpus, calibration="fit" if calibrate else "stored", progress=progress
        )
        report = write_run_report(outcome, corpus)
    print_outcome(outcome.to_dict(), [*outcome.lines(), f"report: {report.html}"], as_json=as_json)
