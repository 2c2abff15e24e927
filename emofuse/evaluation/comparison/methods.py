"""Predictions of several methods brought to the same utterances, so that their scores can be compared.

A method is one run, or several: runs of one seed that judged different utterances are its folds and are
pooled; runs that judged the same utterances are repetitions with other seeds, here called rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from emofuse.data.wording import counted
from emofuse.errors import EmofuseError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class JudgedRun:
    """One run and what it said of its test part.

    Attributes:
        name: for messages, such as its folder.
        seed: of the run.
        table: one row per utterance with ``id``, ``dialogue``, ``speaker``, ``truth`` and ``predicted``; for
            classes these are label names, and ``p_<label>`` are their probabilities; for sentiment they are
            scores.
        labels: the classes in their order; empty for sentiment.
    """

    name: str
    seed: int
    table: pd.DataFrame
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """What is known of a method besides its predictions; None where it is not.

    Attributes:
        model: the system.
        modalities: that it uses.
        protocol: that its utterances were split by.
        optimistic: the protocol flatters.
        synthetic: the data were generated.
        calibrated: its probabilities were.
        parameters: of the model, without pretrained encoders that stay as they are.
        flops: for one utterance, likewise.
        fit_seconds: mean over its runs.
    """

    model: str
    modalities: tuple[str, ...] = ()
    protocol: str = ""
    optimistic: bool = False
    synthetic: bool = False
    calibrated: bool = False
    parameters: int | None = None
    flops: float | None = None
    fit_seconds: float | None = None


@dataclass(frozen=True)
class Method:
    """A method to compare.

    Attributes:
        name: in tables and figures.
        runs: names of its runs.
        rounds: one table per seed, its folds pooled, rows in the order of the ids.
        labels: the classes; empty for sentiment.
        facts: what else is known.
    """

    name: str
    runs: tuple[str, ...]
    rounds: tuple[pd.DataFrame, ...]
    labels: tuple[str, ...]
    facts: Facts

    @property
    def folds(self) -> int:
        """Runs that were pooled into the first round."""
        return len(self.runs) // len(self.rounds)


def make_method(name: str, runs: Sequence[JudgedRun], facts: Facts) -> Method:
    """Pool folds and set rounds beside each other.

    Raises:
        EmofuseError: the runs have different labels, or one of them judged an utterance twice.
    """
    import pandas as pd

    rounds: list[tuple[int, list[pd.DataFrame], set[str]]] = []
    for run in runs:
        ids = set(run.table["id"])
        if len(ids) < len(run.table):
            raise EmofuseError(f"{run.name}: an utterance stands twice in its predictions; evaluate it again")
        if set(run.labels) != set(runs[0].labels):
            raise EmofuseError(
                f"{name}: its runs know different labels ({', '.join(runs[0].labels)}; {', '.join(run.labels)})"
            )
        for seed, tables, seen in rounds:
            if seed == run.seed and not ids & seen:
                tables.append(run.table)
                seen |= ids
                break
        else:
            rounds.append((run.seed, [run.table], ids))
    pooled = tuple(
        pd.concat(tables, ignore_index=True).sort_values("id", ignore_index=True) for _, tables, _ in rounds
    )
    return Method(name, tuple(run.name for run in runs), pooled, runs[0].labels, facts)


def on_same_utterances(methods: Sequence[Method], *, common: bool = False) -> tuple[list[Method], int]:
    """The methods on utterances that all of them judged.

    Args:
        methods: to compare.
        common: where they judged different utterances, keep those that all have; otherwise that is an error.

    Returns:
        The methods, and how many utterances were left out for not being common to all.

    Raises:
        EmofuseError: they judged different utterances (without ``common``), have none in common, do not have
            the same labels, or do not agree on what is true.
    """
    _check_labels(methods)
    sets = [(method, table, set(table["id"])) for method in methods for table in method.rounds]
    first, _, expected = sets[0]
    shared = set.intersection(*(ids for _, _, ids in sets))
    every = set.union(*(ids for _, _, ids in sets))
    for method, _, ids in sets:
        if ids != expected and not common:
            two = f"{first.name} and {method.name}" if method is not first else f"two runs of {first.name}"
            raise EmofuseError(
                f"{two} were judged on different utterances ({len(expected)} and {len(ids)}, "
                f"{len(ids & expected)} in common): compare runs of one split, or only what is common with --common"
            )
    if not shared:
        raise EmofuseError("the runs have judged no utterance in common: there is nothing to compare")
    kept = [
        replace(method, rounds=tuple(_only(table, shared) for table in method.rounds)) for method in methods
    ]
    _check_truth(kept)
    return kept, len(every) - len(shared)


def _only(table: pd.DataFrame, ids: set[str]) -> pd.DataFrame:
    return table[table["id"].isin(ids)].reset_index(drop=True)


def _check_labels(methods: Sequence[Method]) -> None:
    first = methods[0]
    for method in methods[1:]:
        if set(method.labels) != set(first.labels):
            raise EmofuseError(
                f"{first.name} and {method.name} answer different questions: they know "
                f"{', '.join(first.labels) or 'scores'} and {', '.join(method.labels) or 'scores'}"
            )


def _check_truth(methods: Sequence[Method]) -> None:
    first = methods[0].rounds[0]
    for method in methods:
        for table in method.rounds:
            differ = table["truth"].to_numpy() != first["truth"].to_numpy()
            if differ.any():
                i = int(differ.argmax())
                raise EmofuseError(
                    f"{methods[0].name} and {method.name} do not agree on what is true of "
                    f"{counted(int(differ.sum()), 'utterance')} (the first is {table['id'][i]}: "
                    f"{first['truth'][i]}, {table['truth'][i]}): "
                    "they were trained on different versions of the corpus; train one of them again"
                )
