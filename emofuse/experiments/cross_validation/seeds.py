"""All folds with several seeds: a cross-validation each, and the mean of what they say of every utterance."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emofuse.data.atomic import write_text_aside
from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.evaluation import Aggregate, aggregate
from emofuse.experiments.cross_validation.folds import Report, read_fold
from emofuse.experiments.cross_validation.report import write_cross_report
from emofuse.experiments.cross_validation.run import CrossValidation, cross_validate, pooled_baselines
from emofuse.experiments.seeds import folder_of_seeds
from emofuse.inference.baselines.scores import BaselineScore, verdict
from emofuse.inference.ensemble import mean_table, spread_line
from emofuse.inference.few_rows import few_rows_line
from emofuse.inference.prediction_table import report_on
from emofuse.inference.protocol_text import protocol_text
from emofuse.runs.claimed_folder import Kind
from emofuse.runs.corpus import Progress
from emofuse.runs.executor import Executor
from emofuse.runs.settings import RunSettings
from emofuse.runs.tasks import Task, task_of


@dataclass(frozen=True)
class CrossValidatedEnsemble:
    """All folds of a protocol, each judged by the mean of several seeds.

    Attributes:
        folder: holds a cross-validation for each seed, and metrics.json.
        rounds: the cross-validations, in the order of their seeds.
        task: what they had learnt to say.
        pooled: metrics of the mean, on the test parts of all folds put together, with intervals over dialogues.
        members: mean ± sd over the seeds, each by itself on all folds together.
        baselines: linear models over the same folds, and the mean against each; empty where none was fitted.
    """

    folder: Path
    rounds: Sequence[CrossValidation]
    task: Task
    pooled: Report
    members: Aggregate
    baselines: Sequence[BaselineScore] = ()

    @property
    def title(self) -> str:
        """What made the predictions, in print."""
        return f"the ensemble of {len(self.rounds)} seeds of {self.rounds[0].title}"

    @property
    def synthetic(self) -> bool:
        """Whether a fold was judged on synthetic clips."""
        return any(one.synthetic for one in self.rounds)

    def to_dict(self) -> dict[str, Any]:
        """What metrics.json holds."""
        return {
            "protocol": self.rounds[0].settings.data.protocol,
            "seeds": [one.settings.seed for one in self.rounds],
            "optimistic": self.rounds[0].optimistic,
            "synthetic": self.synthetic,
            "pooled": self.pooled.to_dict(),
            "members": self.members.to_dict(),
            "baselines": [score.to_dict() for score in self.baselines],
            "transductive": self.rounds[0].transductive,
        }

    def lines(self) -> list[str]:
        """The same in a few lines for a person."""
        says = verdict(self.baselines)
        first = self.rounds[0]
        protocol = protocol_text(
            first.settings.data.protocol, optimistic=first.optimistic, synthetic=self.synthetic
        )
        count, folds = len(self.rounds), len(first.folds)
        return [
            *([f"{self.title} {says}"] if says else []),
            f"{self.title}, {folds} folds together, {protocol}: {self.pooled.n} utterances",
            *[f"  {line}" for line in self.task.lines(self.pooled)],
            f"  its members alone, mean ± sd: {spread_line(self.members)}",
            f"  {count} runs for each fold; a prediction takes {count} times as long as with one",
            *(line for line in (few_rows_line(self.pooled.n), first.transductive) if line),
        ]


def cross_validate_seeds(
    settings: RunSettings,
    manifest: Manifest,
    folder: Path | str,
    count: int,
    *,
    resume: bool = False,
    executor: Executor | None = None,
    baseline: bool = False,
    progress: Progress | None = None,
) -> CrossValidatedEnsemble:
    """Cross-validate ``count`` seeds, from that of the settings on, and score the mean of their answers.

    The folds are the same for all. Each cross-validation is complete in itself, with its report.

    Args:
        settings: of every run but for the seed and the fold.
        manifest: a validated corpus.
        folder: holds the cross-validations, ``seed-0`` and so on; must be new unless ``resume``.
        count: of the seeds, at least 2.
        resume: take up an earlier call with the same settings and corpus; what is finished stays.
        executor: as of :func:`cross_validate`.
        baseline: fit the linear models on each fold's features and split.
        progress: as of :func:`cross_validate`.

    Raises:
        EmofuseError: the folder is taken, the protocol cannot split this manifest, or a fold has failed.
    """
    folder = Path(folder)
    with folder_of_seeds(folder, Kind.SEEDS_OF_FOLDS, settings, manifest, count, resume=resume) as places:
        rounds = []
        for place, own in places.items():
            outcome = cross_validate(
                own,
                manifest,
                place,
                resume=place.exists(),
                executor=executor,
                baseline=baseline,
                progress=progress,
            )
            write_cross_report(outcome, manifest)
            rounds.append(outcome)
        together = ensemble_of_folds(rounds, folder, task_of(settings, manifest))
        text = json.dumps(together.to_dict(), indent=1, ensure_ascii=False)
        write_text_aside(folder / "metrics.json", text + "\n")
        return together


def ensemble_of_folds(rounds: Sequence[CrossValidation], folder: Path, task: Task) -> CrossValidatedEnsemble:
    """Cross-validations of one corpus and one way to cut it, as one that says their mean.

    Raises:
        EmofuseError: a fold of one of them has failed, or they judged different utterances.
    """
    failures = [f"{one.folder.name}, {fold.line()}" for one in rounds for fold in one.failed]
    if failures:
        raise EmofuseError(f"{'; '.join(failures)} (the others are finished; --resume tries again)")
    tables = [_judged(one, task) for one in rounds]
    mean = mean_table(tables, task, [one.folder for one in rounds])
    first = [fold.folder for fold in rounds[0].folds]
    return CrossValidatedEnsemble(
        folder=folder,
        rounds=rounds,
        task=task,
        pooled=report_on(mean, task, bootstrap=1000),
        members=aggregate([report_on(table, task, bootstrap=0) for table in tables]),
        baselines=pooled_baselines(first, [mean], task),
    )


def _judged(outcome: CrossValidation, task: Task) -> pd.DataFrame:
    """What the folds say of their test parts."""
    found = [read_fold(outcome.folder, fold.number, task)[1] for fold in outcome.folds]
    return pd.concat([table for table in found if table is not None], ignore_index=True)
