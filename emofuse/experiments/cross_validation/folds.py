"""One fold of a cross-validation: its run folder, its scores, or the reason why it has none."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from emofuse.data.manifest import Manifest
from emofuse.data.wording import counted
from emofuse.errors import is_interruption, reason_of
from emofuse.evaluation import (
    ClassificationReport,
    SentimentReport,
    Split,
)
from emofuse.evaluation.reporting.report_rows import headline, metric_name
from emofuse.experiments.failures import FAILURE_FILE, failure_of, note_failure
from emofuse.inference.baselines import fit_baselines
from emofuse.inference.evaluate import evaluate_fit
from emofuse.inference.prediction_table import report_on
from emofuse.inference.reporting.run_report import write_run_report
from emofuse.runs.corpus import Progress
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.same_settings import check_same_settings
from emofuse.runs.settings import RunSettings
from emofuse.runs.stored_results import read_predictions
from emofuse.runs.tasks import Task
from emofuse.training.fit import fit_run

Report = ClassificationReport | SentimentReport

_SHOWN_METRICS = 3


@dataclass(frozen=True)
class Fold:
    """One fold.

    Attributes:
        number: from 0.
        folder: its run folder.
        report: metrics on its test part; None where it failed.
        failure: why it failed, in one line.
    """

    number: int
    folder: RunFolder
    report: Report | None
    failure: str | None = None

    def line(self) -> str:
        """How it scored, or why not."""
        if self.report is None:
            return f"fold {self.number} failed: {self.failure}"
        scores = list(headline(self.report).items())[:_SHOWN_METRICS]
        scores_text = ", ".join(f"{metric_name(name)} {score.value_text()}" for name, score in scores)
        return f"fold {self.number}: {scores_text} ({counted(self.report.n, 'utterance')})"


def fold_folder(folder: Path, number: int) -> Path:
    """Where a fold's run is."""
    return folder / f"fold-{number:02d}"


def settings_of_fold(settings: RunSettings, number: int) -> RunSettings:
    """The settings of one fold."""
    return settings.with_changes({"data.fold": number})


def run_fold(
    settings: RunSettings,
    manifest: Manifest,
    split: Split,
    number: int,
    path: Path,
    progress: Progress | None = None,
    baseline: bool = False,
) -> None:
    """Fit, evaluate and report one fold; where that fails, the reason is left in its folder."""
    fold = settings_of_fold(settings, number)
    try:
        run = fit_run(fold, manifest, path, split=split, resume=True, progress=progress)
        if baseline:
            fit_baselines(run, manifest, progress)
        outcome = evaluate_fit(run, manifest, kept=False, progress=progress)
        write_run_report(outcome, manifest)
    except Exception as error:  # whatever it is, the other folds go on; the reason is reported
        if is_interruption(error):
            raise
        note_failure(path, reason_of(error), traceback.format_exc())
    else:
        (path / FAILURE_FILE).unlink(missing_ok=True)


def is_finished(path: Path) -> bool:
    """Whether a run has been trained and judged."""
    scored = (path / "metrics.json").exists() and not (path / FAILURE_FILE).exists()
    return scored and RunFolder(path).read_record().status == "evaluated"


def is_complete(path: Path, settings: RunSettings) -> bool:
    """Whether nothing is left to do for a run of these settings: it has been trained, judged and reported.

    Raises:
        EmofuseError: it was trained with other settings.
    """
    if not (is_finished(path) and (path / "report.html").exists()):
        return False  # to fit it compares the settings
    check_same_settings(path / "config.yaml", "run", RunFolder(path).read_settings(), settings)
    return True


def read_fold(folder: Path, number: int, task: Task) -> tuple[Fold, pd.DataFrame | None]:
    """A fold as it lies in its folder, and its predictions on its test part where it is finished."""
    run = RunFolder(fold_folder(folder, number))
    if not is_finished(run.path):
        return Fold(number, run, None, failure_of(run.path)), None
    advice = f"run `emofuse evaluate {run.path}`"
    table = read_predictions(run.predictions_file, task.name, task.labels, advice)
    table = table[table["part"] == "test"]
    return Fold(number, run, report_on(table, task, bootstrap=0)), table
