"""How a run scored, for files, pages and people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from emofuse.data import Modality
from emofuse.data.wording import counted
from emofuse.evaluation import ClassificationReport, LeakReport, SentimentReport
from emofuse.evaluation.protocols.fitted_features import FittedFeatures
from emofuse.inference.baselines.pool_scores import PoolScores
from emofuse.inference.baselines.scores import BaselineScore, verdict
from emofuse.inference.best_test_epoch import BestTestEpoch
from emofuse.inference.calibration import read_calibration
from emofuse.inference.few_rows import few_rows_line, label_sets_line
from emofuse.inference.protocol_text import protocol_text
from emofuse.runs.normalisation import transductive_note
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.run_record import RunRecord
from emofuse.runs.tasks import Task, recorded_task

Report = TypeVar("Report", ClassificationReport, SentimentReport)


@dataclass(frozen=True)
class SubsetScore(Generic[Report]):
    """How a run scored on the test part when it was given these modalities alone."""

    modalities: tuple[Modality, ...]
    report: Report

    @property
    def name(self) -> str:
        """Such as ``text + audio``."""
        return " + ".join(self.modalities)


@dataclass(frozen=True)
class Outcome(Generic[Report]):
    """How a run scored.

    Attributes:
        folder: the run.
        record: its run.json.
        test: metrics on the test part.
        val: metrics on the validation part, which chose the epoch: optimistic.
        leaks: what the parts share.
        floor: what needs no model: always saying the same.
        subsets: the test part once more, for every set of modalities; empty when not asked for.
        corpus_change: what has changed in the corpus since the training, in counts; empty when nothing has.
        baselines: linear models on the run's features and split, and the run against each; empty where none was fitted.
        pool: of a system that is pooled with a linear model, how each scores alone.
        label_sets: what sets of labels that promise 90 % cover on the test part, see `coverage_on`.
        fitted_features: of imported features, whether they know their training part.
        best_test_epoch: what choosing the epoch on the test part would have given, where the settings ask for it.
    """

    folder: RunFolder
    record: RunRecord
    test: Report
    val: Report
    leaks: LeakReport
    floor: str = ""
    subsets: Sequence[SubsetScore[Report]] = field(default_factory=tuple)
    corpus_change: str = ""
    baselines: Sequence[BaselineScore] = ()
    pool: PoolScores | None = None
    label_sets: Mapping[str, float] = field(default_factory=dict)
    best_test_epoch: BestTestEpoch | None = None
    fitted_features: Sequence[FittedFeatures] = ()

    @property
    def task(self) -> Task:
        """What the run had learnt to say."""
        return recorded_task(self.record.task, self.record.labels)

    @property
    def change_note(self) -> str:
        """What has changed in the corpus, for a person."""
        return f"the corpus has changed since the training: {self.corpus_change}"

    @property
    def transductive(self) -> str:
        """What of the judged part the features rest on beyond each utterance; empty where nothing does."""
        return transductive_note(self.folder.read_settings().data, self.record.encoders)

    @property
    def verdict(self) -> str:
        """Whether the run beats the best linear model on its own features; empty where none was fitted.

        Of a pool it also says what its parts score alone.
        """
        says = verdict(self.baselines)
        if self.pool is not None:
            says = self.pool.verdict(says)
        return f"{self.folder.title(self.record)} {says}" if says else ""

    def to_dict(self) -> dict[str, Any]:
        """What metrics.json holds."""
        calibration = read_calibration(self.folder)
        return {
            "run": str(self.folder.path),
            "model": self.folder.model_name(self.record),
            "task": self.record.task,
            "modalities": self.record.model_config_["modalities"],
            "protocol": self.record.protocol,
            "optimistic": self.record.optimistic,
            "synthetic": self.record.synthetic,
            "seed": self.record.seed,
            "best_epoch": self.record.best_epoch,
            "fit_seconds": self.record.fit_seconds,
            "calibration": calibration.model_dump() if calibration else None,
            "test": self.test.to_dict(),
            "floor": self.floor,
            "val": self.val.to_dict() | {"note": "this part chose the epoch, so its figures are optimistic"},
            "subsets": [{"modalities": s.modalities, "test": s.report.to_dict()} for s in self.subsets],
            "baselines": [score.to_dict() for score in self.baselines],
            "pool": self.pool.to_dict() if self.pool is not None else None,
            "label_sets": dict(self.label_sets),
            "audit": self.leaks.to_dict(),
            "fitted_features": [finding.to_dict() for finding in self.fitted_features],
            "corpus_change": self.corpus_change,
            "transductive": self.transductive,
            "best_test_epoch": self.best_test_epoch.to_dict() if self.best_test_epoch else None,
        } | ({"how": dict(definitions)} if (definitions := self.task.definitions) else {})

    @property
    def _sets_and_rows(self) -> tuple[str, str]:
        sets = label_sets_line(self.label_sets, self.val.n, len(self.record.labels))
        return sets, few_rows_line(self.test.n)

    def lines(self) -> list[str]:
        """The same in a few lines for a person."""
        record = self.record
        protocol = protocol_text(record.protocol, optimistic=record.optimistic, synthetic=record.synthetic)
        return [
            *([self.verdict] if self.verdict else []),
            f"test part, {protocol}: {counted(self.test.n, 'utterance')}",
            *[f"  {line}" for line in self.task.lines(self.test)],
            *([f"  {line}" for line in self.pool.lines()] if self.pool is not None else []),
            f"  {self.floor}",
            *[f"  {line}" for line in self._sets_and_rows if line],
            *[f"  given {s.name}: {self.task.lines(s.report)[0]}" for s in self.subsets],
            *[f"  leak: {flag}" for flag in self.leaks.flags],
            *([f"  {note}"] if (note := self.leaks.script_note) else []),
            *[f"  leak: {finding.line()}" for finding in self.fitted_features if finding.is_fitted],
            *([f"  {self.change_note}"] if self.corpus_change else []),
            *([f"  {self.transductive}"] if self.transductive else []),
            *([f"  {self.best_test_epoch.line()}"] if self.best_test_epoch else []),
        ]
