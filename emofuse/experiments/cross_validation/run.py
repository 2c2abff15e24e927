"""Every fold of a protocol: a run folder each, and one report over all of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pandas as pd

from emofuse.data.atomic import write_text_aside
from emofuse.data.manifest import Manifest
from emofuse.data.output_paths import check_new_folder
from emofuse.evaluation import PROTOCOLS, Aggregate, ClassificationReport, MeanSd, Split, aggregate
from emofuse.evaluation.metrics.aggregation import mean_sd
from emofuse.evaluation.metrics.classification import json_number
from emofuse.evaluation.reporting.report_rows import headline, metric_name
from emofuse.experiments.at_once import run_at_once
from emofuse.experiments.cross_validation.folds import (
    Fold,
    Report,
    fold_folder,
    is_complete,
    read_fold,
    run_fold,
    settings_of_fold,
)
from emofuse.inference.baselines.pool_scores import PoolScores, pool_scores_of
from emofuse.inference.baselines.scores import BaselineScore, read_baselines, score_baselines, verdict
from emofuse.inference.few_rows import few_rows_line
from emofuse.inference.prediction_table import report_on
from emofuse.inference.protocol_text import protocol_text
from emofuse.models import model_info
from emofuse.runs.claimed_folder import Kind, claim_folder
from emofuse.runs.corpus import Progress, corpus_of, splits_of
from emofuse.runs.corpus_identity import claim_corpus
from emofuse.runs.executor import Executor
from emofuse.runs.folder_lock import locked_folder
from emofuse.runs.normalisation import transductive_note
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.settings import RunSettings
from emofuse.runs.tasks import Task, task_of

_CLASS_FIGURES = ("recall", "f1", "f1_within_class")


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
        baselines: linear models over those folds, and the system against each.
        pool: of a system that is pooled with a linear model, how each scores alone over those folds.
    """

    folder: Path
    settings: RunSettings
    folds: list[Fold]
    means: Aggregate | None
    pooled: Report | None
    baselines: Sequence[BaselineScore] = ()
    pool: PoolScores | None = None

    @property
    def failed(self) -> list[Fold]:
        """The folds that failed."""
        return [fold for fold in self.folds if fold.failure is not None]

    @property
    def optimistic(self) -> bool:
        """Whether the protocol flatters."""
        return PROTOCOLS[self.settings.data.protocol].optimistic

    @cached_property
    def synthetic(self) -> bool:
        """Whether a fold that did not fail was judged on synthetic clips."""
        return any(fold.folder.read_record().synthetic for fold in self.folds if fold.report is not None)

    @property
    def modalities(self) -> tuple[str, ...] | None:
        """What the folds read; None where none came to an end."""
        records = (fold.folder.read_record() for fold in self.folds if fold.report is not None)
        first = next(records, None)
        return tuple(first.model_config_["modalities"]) if first is not None else None

    @property
    def verdict(self) -> str:
        """Whether the system beats the linear models on all folds together; empty where none was fitted."""
        says = verdict(self.baselines)
        if self.pool is not None:
            says = self.pool.verdict(says)
        return f"{self.title} {says}" if says else ""

    @property
    def title(self) -> str:
        """What made the predictions, in print."""
        return model_info(self.settings.model.name).title + (" + linear" if self.settings.linear_pool else "")

    @cached_property
    def transductive(self) -> str:
        """What of the judged parts the features rest on beyond each utterance; empty where nothing does."""
        judged = next((fold for fold in self.folds if fold.report is not None), None)
        if judged is None:
            return ""
        return transductive_note(self.settings.data, judged.folder.read_record().encoders)

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
            "optimistic": self.optimistic,
            "synthetic": self.synthetic,
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
                label: {name: _plain(value) for name, value in figures.items()}
                for label, figures in self.class_means().items()
            },
            "pooled": self.pooled.to_dict() if self.pooled is not None else None,
            "baselines": [score.to_dict() for score in self.baselines],
            "pool": self.pool.to_dict() if self.pool is not None else None,
            "transductive": self.transductive,
        }

    def lines(self) -> list[str]:
        """The same in a few lines for a person."""
        lines = [self.verdict] if self.verdict else []
        lines += self.pool.lines() if self.pool is not None else []
        lines += [fold.line() for fold in self.folds]
        if self.means is not None:
            means = ", ".join(
                f"{metric_name(name)} {score.value_text()} {score.spread_text()}"
                for name, score in headline(self.means).items()
            )
            protocol = protocol_text(
                self.settings.data.protocol, optimistic=self.optimistic, synthetic=self.synthetic
            )
            lines.append(f"mean ± sd over {self.means.runs} folds, {protocol}: {means}")
        few = few_rows_line(self.pooled.n) if self.pooled is not None else ""
        return [*lines, *(line for line in (few, self.transductive) if line)]


def _plain(value: MeanSd) -> dict[str, float | int | None]:
    return {"mean": json_number(value.mean), "sd": json_number(value.sd), "runs": value.runs}


def cross_validate(
    settings: RunSettings,
    manifest: Manifest,
    folder: Path | str,
    *,
    resume: bool = False,
    executor: Executor | None = None,
    baseline: bool = False,
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
        executor: runs folds at once, each in a process of its own, which reads the corpus again from where the settings
            say; by default one follows the other in this process.
        baseline: fit the linear models on each fold's features and split, and score them all together too.
        progress: called with (done, total, what) of the one fold in hand, or of all where an executor runs them.
        say: called with a line as each fold ends.

    Raises:
        EmofuseError: the folder is taken, or the protocol cannot split this manifest.
    """
    folder = Path(folder)
    check_new_folder(folder)
    parts, task = splits_of(settings, manifest), task_of(settings, manifest)
    with locked_folder(folder):
        claim_folder(folder, Kind.FOLDS, settings_of_fold(settings, 0), manifest, resume=resume)
        return _run_folds(settings, manifest, folder, parts, task, executor, baseline, progress, say)


def _run_folds(
    settings: RunSettings,
    manifest: Manifest,
    folder: Path,
    parts: Sequence[Split],
    task: Task,
    executor: Executor | None,
    baseline: bool,
    progress: Progress | None,
    say: Callable[[str], None],
) -> CrossValidation:
    """What is not finished, then all of it as one."""
    waiting = [
        n for n in range(len(parts)) if not is_complete(fold_folder(folder, n), settings_of_fold(settings, n))
    ]

    def report_fold(number: int) -> None:
        say(read_fold(folder, number, task)[0].line())

    if executor is not None:
        content, places = settings.model_dump(mode="json"), {fold_folder(folder, n): n for n in waiting}
        run_at_once(
            executor,
            {path: partial(_fold_process, content, number, baseline) for path, number in places.items()},
            [settings],
            manifest,
            folder,
            what="folds",
            progress=progress or (lambda done, total, what: None),
            ended=lambda path: report_fold(places[path]),
        )
    else:
        for number in waiting:
            run_fold(
                settings, manifest, parts[number], number, fold_folder(folder, number), progress, baseline
            )
            report_fold(number)
    outcome = collect(settings, manifest, folder, len(parts))
    write_text_aside(
        folder / "metrics.json", json.dumps(outcome.to_dict(), indent=1, ensure_ascii=False) + "\n"
    )
    return outcome


def collect(settings: RunSettings, manifest: Manifest, folder: Path, count: int) -> CrossValidation:
    """What the folds in a folder have come to."""
    task = task_of(settings, manifest)
    found = [read_fold(folder, number, task) for number in range(count)]
    reports = [fold.report for fold, _ in found if fold.report is not None]
    tables = [table for _, table in found if table is not None]
    judged = [fold.folder for fold, table in found if table is not None]
    return CrossValidation(
        folder=folder,
        settings=settings,
        folds=[fold for fold, _ in found],
        means=aggregate(reports) if reports else None,  # type: ignore[arg-type]
        pooled=report_on(pd.concat(tables), task, bootstrap=1000) if tables else None,
        baselines=pooled_baselines(judged, tables, task),
        pool=pool_scores_of(judged, pd.concat(tables, ignore_index=True), task) if tables else None,
    )


def pooled_baselines(
    runs: Sequence[RunFolder], tables: Sequence[pd.DataFrame], task: Task
) -> list[BaselineScore]:
    """The linear models over all folds, where each fold has them."""
    if not runs or not all(run.baselines_file.exists() for run in runs):
        return []
    return score_baselines(
        pd.concat([read_baselines(run, task) for run in runs]), pd.concat(tables, ignore_index=True), task
    )


def _fold_process(content: dict[str, Any], number: int, baseline: bool, path: Path) -> None:
    settings = RunSettings.checked(content, source=str(path))
    manifest = corpus_of(settings)
    claim_corpus(path.parent, manifest)  # it may have changed since the other folds began
    run_fold(settings, manifest, splits_of(settings, manifest)[number], number, path, baseline=baseline)
