"""Several runs as one: the mean of what they say, how it scores, and what it costs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emofuse.data.atomic import write_text_aside, written_aside
from emofuse.data.sentiments import sentiment_of
from emofuse.errors import EmofuseError
from emofuse.evaluation import Aggregate, aggregate
from emofuse.evaluation.reporting.report_rows import headline, metric_name
from emofuse.inference.baselines.scores import BaselineScore, baseline_scores, verdict
from emofuse.inference.few_rows import few_rows_line
from emofuse.inference.prediction_table import report_on
from emofuse.inference.protocol_text import protocol_text
from emofuse.runs.ensemble_folder import members_of
from emofuse.runs.run_record import RunRecord
from emofuse.runs.stored_results import read_predictions
from emofuse.runs.tasks import Task, recorded_task

_BOOTSTRAP = 1000


@dataclass(frozen=True)
class EnsembleOutcome:
    """How an ensemble scored on the test part of its runs.

    Attributes:
        folder: of the ensemble.
        records: run.json of each member.
        test: metrics of the mean of their answers, with intervals over dialogues.
        members: mean ± sd over the members, each by itself.
        baselines: linear models on the same features and split, and the mean against each; empty where none was fitted.
    """

    folder: Path
    records: Sequence[RunRecord]
    test: Any
    members: Aggregate
    baselines: Sequence[BaselineScore] = ()

    @property
    def task(self) -> Task:
        """What the members had learnt to say."""
        return recorded_task(self.records[0].task, self.records[0].labels)

    @property
    def optimistic(self) -> bool:
        """Whether the protocol flatters."""
        return any(record.optimistic for record in self.records)

    @property
    def synthetic(self) -> bool:
        """Whether a member was judged on synthetic clips."""
        return any(record.synthetic for record in self.records)

    @property
    def fit_seconds(self) -> float:
        """What the trainings took together."""
        return sum(record.fit_seconds or 0.0 for record in self.records)

    @property
    def parameters(self) -> int:
        """Of all systems together, encoders left out."""
        return sum(record.parameters for record in self.records)

    @property
    def cost(self) -> str:
        """What it costs to have several, for a person."""
        count = len(self.records)
        return (
            f"{count} runs: {self.fit_seconds:.0f} s of training in all, {self.parameters:,} parameters of systems, and a "
            f"prediction takes {count} times as long as with one"
        )

    def to_dict(self) -> dict[str, Any]:
        """What metrics.json holds."""
        return {
            "ensemble": str(self.folder),
            "seeds": [record.seed for record in self.records],
            "protocol": self.records[0].protocol,
            "optimistic": self.optimistic,
            "synthetic": self.synthetic,
            "test": self.test.to_dict(),
            "members": self.members.to_dict(),
            "baselines": [score.to_dict() for score in self.baselines],
            "fit_seconds": self.fit_seconds,
            "parameters": self.parameters,
            "times_as_long": len(self.records),
        }

    def lines(self) -> list[str]:
        """The same in a few lines for a person."""
        says = verdict(self.baselines)
        protocol = protocol_text(
            self.records[0].protocol, optimistic=self.optimistic, synthetic=self.synthetic
        )
        return [
            *([f"the ensemble of {len(self.records)} seeds {says}"] if says else []),
            f"ensemble of {len(self.records)} seeds, test part, {protocol}: {self.test.n} utterances",
            *[f"  {line}" for line in self.task.lines(self.test)],
            f"  its members alone, mean ± sd: {spread_line(self.members)}",
            f"  {self.cost}",
            *([f"  {few}"] if (few := few_rows_line(self.test.n)) else []),
        ]


def spread_line(members: Aggregate) -> str:
    """What the members score, each by itself: mean ± sd of each metric, for a person."""
    return ", ".join(
        f"{metric_name(name)} {score.value_text()} {score.spread_text()}"
        for name, score in headline(members).items()
    )


def evaluate_ensemble(folder: Path) -> EnsembleOutcome:
    """Average what the members said of their validation and test parts, and score the mean on the test part.

    Writes predictions.parquet and metrics.json.

    Raises:
        EmofuseError: a member is not evaluated, or was judged on other utterances or labels than the first.
    """
    members = members_of(folder)
    records = [member.read_record() for member in members]
    task = recorded_task(records[0].task, records[0].labels)
    tables = [
        read_predictions(
            member.predictions_file, task.name, task.labels, f"run `emofuse evaluate {member.path}`"
        )
        for member in members
    ]
    mean = mean_table(tables, task, [member.path for member in members])
    with written_aside(folder / "predictions.parquet") as aside:
        mean.to_parquet(aside, index=False)
    tests = [table[table["part"] == "test"] for table in (mean, *tables)]
    outcome = EnsembleOutcome(
        folder=folder,
        records=records,
        test=report_on(tests[0], task, bootstrap=_BOOTSTRAP),
        members=aggregate([report_on(table, task, bootstrap=0) for table in tests[1:]]),
        baselines=baseline_scores(members[0], tests[0], task),
    )
    write_text_aside(
        folder / "metrics.json", json.dumps(outcome.to_dict(), indent=1, ensure_ascii=False) + "\n"
    )
    return outcome


def mean_table(tables: Sequence[pd.DataFrame], task: Task, places: Sequence[Path]) -> pd.DataFrame:
    """Rows of predictions.parquet with the mean of the members' probabilities or values.

    Args:
        tables: of the members.
        task: of all of them.
        places: where each lies.

    Raises:
        EmofuseError: members were judged on different utterances, or by different labels or values.
    """
    keyed = [table.set_index(["part", "id"]) for table in tables]
    for table, place in zip(keyed[1:], places[1:], strict=True):
        if not table.index.sort_values().equals(keyed[0].index.sort_values()):
            raise EmofuseError(
                f"{place}: was judged on other utterances than {places[0]}; the runs of an ensemble share one split"
            )
        _check_same_truth(keyed[0], table, "label" if task.name == "classification" else "valence", place)
    numbers = (
        [f"p_{label}" for label in task.labels] if task.name == "classification" else ["predicted_valence"]
    )
    ordered = [table.loc[keyed[0].index, numbers] for table in keyed]
    values = reduce(lambda one, other: one + other, ordered) / len(ordered)
    mean = keyed[0].copy()
    mean[numbers] = values
    if task.name == "classification":
        mean["predicted"] = np.array(task.labels)[values.to_numpy().argmax(axis=1)]
    else:
        mean["predicted"] = [sentiment_of(float(value)) for value in values["predicted_valence"]]
    return mean.reset_index()[list(tables[0].columns)]


def _check_same_truth(first: pd.DataFrame, other: pd.DataFrame, column: str, place: Path) -> None:
    """Members learnt and were judged by one state of the corpus; another shows in what it calls true."""
    here, there = other.loc[first.index, column], first[column]
    differ = (here != there) & ~(here.isna() & there.isna())
    if differ.any():
        _, id = differ.idxmax()
        raise EmofuseError(
            f"{place}: was judged by another state of the corpus than the first run, {id} as {here[differ].iloc[0]} "
            f"instead of {there[differ].iloc[0]}; train all runs again in a new folder"
        )
