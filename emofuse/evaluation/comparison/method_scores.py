"""What a comparison of methods says, as plain records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emofuse.evaluation.comparison.methods import Facts
from emofuse.evaluation.comparison.paired import McNemar, PairedDifference
from emofuse.evaluation.metrics.classification import json_interval, json_number
from emofuse.evaluation.metrics.estimate import Estimate

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Versus:
    """A method against the first one, by one metric.

    Attributes:
        paired: the difference, its interval and its p-value, from resampled dialogues.
        corrected: the p-value after Holm's correction for the number of methods compared with the first.
    """

    paired: PairedDifference
    corrected: float


@dataclass(frozen=True, eq=False)
class MethodScores:
    """A method's scores.

    Attributes:
        name: of the method.
        rounds: seeds; where there are several, scores are means over them.
        runs: in all rounds.
        facts: what else is known.
        metrics: metric → score, with its 95 % interval over dialogues and its standard deviation over rounds.
        class_f1: label → F1, likewise; empty for sentiment.
        confusion: (C, C) parts of each true class, mean over rounds; None for sentiment.
        versus: metric → comparison with the first method; empty for the first itself.
        mcnemar: exact test on the accuracy, against the first; None with several rounds, and for sentiment.
        mcnemar_corrected: its p-value after Holm's correction.
    """

    name: str
    rounds: int
    runs: int
    facts: Facts
    metrics: dict[str, Estimate]
    class_f1: dict[str, Estimate]
    confusion: np.ndarray | None
    versus: dict[str, Versus]
    mcnemar: McNemar | None = None
    mcnemar_corrected: float = float("nan")


@dataclass(frozen=True, eq=False)
class MethodComparison:
    """Methods on the same utterances.

    Attributes:
        methods: the first is what the others are tested against.
        labels: the classes; empty for sentiment.
        n: utterances.
        groups: dialogues, which are what is resampled.
        left_out: utterances that not all had judged.
        utterances: their ``id``, ``dialogue``, ``speaker`` and ``truth``.
        answers: method → what it said of each of them (of several rounds: the most frequent answer, or the
            mean score).
        sureness: method → the probability that it gave its answer, mean over rounds; NaN where not known.
    """

    methods: tuple[MethodScores, ...]
    labels: tuple[str, ...]
    n: int
    groups: int
    left_out: int
    utterances: pd.DataFrame
    answers: dict[str, list[Any]]
    sureness: dict[str, np.ndarray]

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        return {
            "n": self.n,
            "groups": self.groups,
            "left_out": self.left_out,
            "labels": list(self.labels),
            "methods": [_method_dict(method) for method in self.methods],
        }


def _method_dict(method: MethodScores) -> dict[str, Any]:
    facts = method.facts
    return {
        "name": method.name,
        "runs": method.runs,
        "rounds": method.rounds,
        "model": facts.model,
        "modalities": list(facts.modalities),
        "protocol": facts.protocol,
        "optimistic": facts.optimistic,
        "synthetic": facts.synthetic,
        "calibrated": facts.calibrated,
        "parameters": facts.parameters,
        "flops": facts.flops,
        "fit_seconds": facts.fit_seconds,
        "metrics": {
            name: {
                "value": json_number(score.value),
                "sd": json_number(score.sd) if score.sd is not None else None,
                "interval": [score.low, score.high] if score.low is not None else None,
            }
            for name, score in method.metrics.items()
        },
        "class_f1": {label: json_number(score.value) for label, score in method.class_f1.items()},
        "versus_first": {name: _versus_dict(each) for name, each in method.versus.items()},
        "mcnemar": _mcnemar_dict(method),
    }


def _versus_dict(versus: Versus) -> dict[str, Any]:
    return {
        "difference": json_number(versus.paired.difference),
        "interval": json_interval(versus.paired.interval),
        "p_value": json_number(versus.paired.p_value),
        "p_value_holm": json_number(versus.corrected),
    }


def _mcnemar_dict(method: MethodScores) -> dict[str, Any] | None:
    test = method.mcnemar
    if test is None:
        return None
    return {
        "only_first": test.only_a,
        "only_this": test.only_b,
        "p_value": test.p_value,
        "p_value_holm": json_number(method.mcnemar_corrected),
    }
