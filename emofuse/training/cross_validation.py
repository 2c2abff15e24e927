"""Every fold of a protocol: a run folder each, and one report over all of them."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from emofuse.data.atomic import write_text_aside
from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.evaluation import (
    Aggregate,
    ClassificationReport,
    MeanSd,
    SentimentReport,
    Split,
    aggregate,
    classification_report,
    sentiment_report,
    splits,
)
from emofuse.evaluation.aggregation import mean_sd
from emofuse.evaluation.report_rows import headline, metric_name
from emofuse.training.config import RunSettings
from emofuse.training.evaluate import evaluate_fit
from emofuse.training.fit import fit_run
from emofuse.training.parallel_folds import run_in_processes
from emofuse.training.preparation import Progress, corpus_of
from emofuse.training.report import write_run_report
from emofuse.training.run_folder import RunFolder
from emofuse.training.tasks import Task, task_of

_FAILURE_FILE = "failure.txt"
_CLASS_FIGURES = ("recall", "f1", "f1_within_class")

Report = ClassificationReport | SentimentReport


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


@dataclass(frozen=True)
class CrossValidation:
    """All folds of a protocol.

    Attributes:
        folder: holds the run folders of the folds, config.yaml, metrics.json and the report.
        settings: of the runs.
        folds: in the order of their numbers.
        means: mean ± sd over the folds that did not fail; None where all failed.
        pooled: metrics of the test parts of those folds put together, one prediction per utterance, with
            intervals over dialogues.
    """

    folder: Path
    settings: RunSettings
    folds: list[Fold]
    means: Aggregate | None
    pooled: Report | None

    @property
    def failed(self) -> list[Fold]:
        """The folds that failed."""
        return [fold for fold in self.folds if fold.failure is not None]

    def class_means(self) -> dict[str, dict[str, MeanSd]]:
        """Label → recall, F1 and F1 within the class, mean ± sd over the folds that did not fail.

        Empty where a value is learnt.
        """
        reports = [fold.report for fold in self.folds if isinstance(fold.report, ClassificationReport)]
        return {
            label: {
                name: mean_sd([getattr(report.per_class[label], name) for report in reports])
                for name in _CLASS_FIGURES
            }
            for label in (reports[0].labels if reports else ())
        }

    def to_dict(self) -> dict[str, Any]:
        """What metrics.json holds."""
        return {
            "protocol": self.settings.data.protocol,
            "folds": [
                {
                    "fold": fold.number,
                    "run": fold.folder.path.name,
                    "failure": fold.failure,
                    "test": fold.report.to_dict() if fold.report is not None else None,
                }
                for fold in self.folds
            ],
            "mean_sd": self.means.to_dict() if self.means is not None else None,
            "class_mean_sd": {
                label: {name: value._asdict() for name, value in figures.items()}
                for label, figures in self.class_means().items()
            },
            "pooled": self.pooled.to_dict() if self.pooled is not None else None,
        }

    def lines(self) -> list[str]:
        """The same in a few lines for a person."""
        lines = [_line(fold) for fold in self.folds]
        if self.means is not None:
            told = ", ".join(
                f"{metric_name(name)} {score.value_text()} {score.spread_text()}"
                for name, score in headline(self.means).items()
            )
            lines.append(f"mean ± sd over {self.means.runs} folds: {told}")
        return lines


def _line(fold: Fold) -> str:
    if fold.report is None:
        return f"fold {fold.number}: failed: {fold.failure}"
    scores = list(headline(fold.report).items())[:3]
    told = ", ".join(f"{metric_name(name)} {score.value_text()}" for name, score in scores)
    return f"fold {fold.number}: {told} ({fold.report.n} utterances)"


def cross_validate(
    settings: RunSettings,
    manifest: Manifest,
    folder: Path | str,
    *,
    resume: bool = False,
    jobs: int = 1,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> CrossValidation:
    """Train and judge every fold of the settings' protocol.

    A fold is a run folder of its own, ``fold-00`` and so on, with its report. One that fails keeps its reason in
    ``failure.txt`` and takes no other with it; ``resume`` tries it again, takes up one that was interrupted, and
    leaves alone those that are finished. metrics.json is written here; the report is made from what is returned.

    Args:
        settings: of every fold; ``data.fold`` is set for each.
        manifest: a validated corpus.
        folder: holds the folds; must be new unless ``resume``.
        resume: take up an earlier cross-validation with the same settings.
        jobs: folds at once, each in a process of its own, as far as memory allows; then the corpus is read again
            in each, from where the settings say.
        progress: told (done, total, what) of the one fold in hand, or of all where there are several jobs.
        say: told a line as each fold ends.

    Raises:
        EmofuseError: the folder is taken, or the protocol cannot split this manifest.
    """
    folder = Path(folder)
    parts = _splits(settings, manifest)
    _claim(folder, settings, resume)
    waiting = [n for n in range(len(parts)) if not _is_finished(fold_folder(folder, n))]
    if jobs > 1 and len(waiting) > 1:
        _run_at_once(settings, folder, waiting, jobs, progress, say)
    else:
        for number in waiting:
            run_fold(settings, manifest, parts[number], number, fold_folder(folder, number), progress)
            say(_told(folder, number))
    outcome = collect(settings, manifest, folder, len(parts))
    write_text_aside(
        folder / "metrics.json", json.dumps(outcome.to_dict(), indent=1, ensure_ascii=False) + "\n"
    )
    return outcome


def fold_folder(folder: Path, number: int) -> Path:
    """Where a fold's run is."""
    return folder / f"fold-{number:02d}"


def run_fold(
    settings: RunSettings,
    manifest: Manifest,
    split: Split,
    number: int,
    path: Path,
    progress: Progress | None = None,
) -> None:
    """Fit, evaluate and report one fold; where that fails, the reason is left in its folder."""
    try:
        run = fit_run(_of_fold(settings, number), manifest, path, split=split, resume=True, progress=progress)
        outcome = evaluate_fit(run, manifest, progress=progress)
        write_run_report(outcome, manifest)
    except Exception as error:  # whatever it is, the other folds go on; the reason is told
        reason = str(error) if isinstance(error, EmofuseError) else f"{type(error).__name__}: {error}"
        reason = " ".join(reason.split()) or type(error).__name__
        write_text_aside(path / _FAILURE_FILE, f"{reason}\n\n{traceback.format_exc()}")
    else:
        (path / _FAILURE_FILE).unlink(missing_ok=True)


def collect(settings: RunSettings, manifest: Manifest, folder: Path, count: int) -> CrossValidation:
    """What the folds in a folder have come to."""
    task = task_of(settings, manifest)
    folds, tables = [], []
    for number in range(count):
        run = RunFolder(fold_folder(folder, number))
        if _is_finished(run.path):
            table = pd.read_parquet(run.predictions_file)
            tables.append(table[table["part"] == "test"])
            folds.append(Fold(number, run, _report(tables[-1], task, bootstrap=0)))
        else:
            folds.append(Fold(number, run, None, _reason(run.path)))
    reports = [fold.report for fold in folds if fold.report is not None]
    return CrossValidation(
        folder=folder,
        settings=settings,
        folds=folds,
        means=aggregate(reports) if reports else None,  # type: ignore[arg-type]
        pooled=_report(pd.concat(tables), task, bootstrap=1000) if tables else None,
    )


def _splits(settings: RunSettings, manifest: Manifest) -> list[Split]:
    data, labelled = settings.data, task_of(settings, manifest).labelled(manifest)
    return splits(labelled, data.protocol, k=data.folds, seed=data.split_seed, val_fraction=data.val_fraction)


def _of_fold(settings: RunSettings, number: int) -> RunSettings:
    return settings.with_changes({"data.fold": number})


def _claim(folder: Path, settings: RunSettings, resume: bool) -> None:
    config = folder / "config.yaml"
    settings = _of_fold(settings, 0)
    if not config.exists():
        RunFolder(folder).write_settings(settings)
    elif not resume:
        raise EmofuseError(
            f"{folder}: holds a cross-validation or a run already; choose another folder, or add --resume"
        )
    elif RunFolder(folder).read_settings() != settings:
        raise EmofuseError(
            f"{config}: the cross-validation to resume was started with other settings; repeat them or choose a "
            "new folder"
        )


def _is_finished(path: Path) -> bool:
    folder = RunFolder(path)
    scored = (path / "metrics.json").exists() and not (path / _FAILURE_FILE).exists()
    return scored and folder.read_record().status == "evaluated"


def _reason(path: Path) -> str:
    try:
        return (path / _FAILURE_FILE).read_text(encoding="utf-8").splitlines()[0]
    except (OSError, IndexError):
        return "it was interrupted"


def _report(table: pd.DataFrame, task: Task, bootstrap: int) -> Report:
    groups = table["dialogue"].tolist()
    if task.name == "regression":
        values = (table["valence"].to_numpy(), table["predicted_valence"].to_numpy())
        return sentiment_report(*values, groups=groups, bootstrap=bootstrap)
    return classification_report(
        table["label"].tolist(),
        table["predicted"].tolist(),
        task.labels,
        probabilities=table[[f"p_{label}" for label in task.labels]].to_numpy(),
        groups=groups,
        bootstrap=bootstrap,
    )


def _told(folder: Path, number: int) -> str:
    path = fold_folder(folder, number)
    if not _is_finished(path):
        return f"fold {number} failed: {_reason(path)}"
    return f"fold {number} is finished"


def _run_at_once(
    settings: RunSettings,
    folder: Path,
    waiting: Sequence[int],
    jobs: int,
    progress: Progress | None,
    say: Callable[[str], None],
) -> None:
    corpus_of(settings)  # each process reads it again: what is wrong with it is better said now
    paths = {fold_folder(folder, number): number for number in waiting}
    content = settings.model_dump(mode="json")
    done = 0

    def finished(path: Path, exit_code: int) -> None:
        nonlocal done
        done += 1
        if exit_code != 0:
            write_text_aside(path / _FAILURE_FILE, f"{_death(exit_code)}\n")
        if progress is not None:
            progress(done, len(paths), "folds")
        say(_told(folder, paths[path]))

    if progress is not None:
        progress(0, len(paths), "folds")
    tasks = {path: partial(_fold_process, content, number) for path, number in paths.items()}
    run_in_processes(tasks, jobs, finished=finished)


def _fold_process(content: dict[str, Any], number: int, path: Path) -> None:
    settings = RunSettings.checked(content, source=str(path))
    manifest = corpus_of(settings)
    run_fold(settings, manifest, _splits(settings, manifest)[number], number, path)


def _death(exit_code: int) -> str:
    if exit_code < 0:
        return f"its process was killed by signal {-exit_code}, for want of memory perhaps; use fewer --jobs"
    return f"its process ended with code {exit_code}"
