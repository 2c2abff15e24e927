"""What a run folder keeps of its results: metrics.json, predictions.parquet and history.csv, read and checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emofuse.data.stored_files import DamagedFileError, check_numbers, stored_csv, stored_json, stored_table

if TYPE_CHECKING:
    import pandas as pd

_PARTS = ("train", "val", "test")


def read_metrics(file: Path, advice: str) -> dict[str, Any]:
    """A metrics.json of a run, or of its score on another corpus.

    Args:
        file: to be read.
        advice: what the user can do where it is damaged.

    Raises:
        EmofuseError: it is damaged.
    """
    content = stored_json(file, advice)
    test = content.get("test")
    if not isinstance(test, Mapping):
        raise DamagedFileError(file, "it has no scores under 'test'", advice)
    if not isinstance(test.get("n"), int) or isinstance(test["n"], bool) or test["n"] < 0:
        raise DamagedFileError(file, "test.n is no count", advice)
    for wrong in _wrong_scores(test):
        raise DamagedFileError(file, wrong, advice)
    if not isinstance(content.get("audit") or {}, Mapping):
        raise DamagedFileError(file, "audit is no object", advice)
    for name, value in (
        ("audit.flags", (content.get("audit") or {}).get("flags")),
        ("warnings", content.get("warnings")),
    ):
        if value is not None and not isinstance(value, list):
            raise DamagedFileError(file, f"{name} is no list", advice)
    for name in ("data", "part"):
        if not isinstance(content.get(name, ""), str):
            raise DamagedFileError(file, f"{name} is no text", advice)
    return content


def _wrong_scores(test: Mapping[str, Any]) -> Iterator[str]:
    intervals = test.get("intervals") or {}
    if not isinstance(intervals, Mapping):
        yield "test.intervals is no object"
        return
    for name in ("weighted_f1", "accuracy", "mae", "corr", "acc7"):
        if name in test and not _is_score(test[name]):
            yield f"test.{name} is no number"
    if not any(name in test for name in ("weighted_f1", "mae")):
        yield "it has neither test.weighted_f1 nor test.mae"
    for name, ends in intervals.items():
        pair = isinstance(ends, list) and len(ends) == 2 and all(map(_is_score, ends))
        if ends is not None and not pair:
            yield f"test.intervals.{name} is no pair of numbers"


def _is_score(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def read_scores(file: Path, advice: str) -> dict[str, float]:
    """Name → number, NaN where there is none, of a JSON file that holds nothing else.

    Raises:
        EmofuseError: it is damaged.
    """
    content = stored_json(file, advice)
    if odd := [name for name, value in content.items() if not _is_score(value)]:
        raise DamagedFileError(file, f"{odd[0]} is no number", advice)
    return {name: np.nan if value is None else float(value) for name, value in content.items()}


def read_predictions(file: Path, task: str, labels: Sequence[str], advice: str) -> pd.DataFrame:
    """A predictions.parquet: of classes with ``label``, ``predicted`` and ``p_<label>``, of values with ``valence`` and
    ``predicted_valence``.

    Args:
        file: to be read.
        task: of the run.
        labels: its classes.
        advice: what the user can do where it is damaged.

    Raises:
        EmofuseError: it lacks a column, names a class that the run does not know, or holds a number that is not finite.
    """
    classes = task == "classification"
    names = ("label", "predicted") if classes else ("valence", "predicted_valence")
    numbers = [f"p_{label}" for label in labels] if classes else list(names)
    table = stored_table(file, advice, ("id", "part", "dialogue", *names, *numbers))
    if table.empty:
        raise DamagedFileError(file, "it holds no utterance", advice)
    check_numbers(table, numbers, file, advice)
    for column in ("id", "part", "dialogue"):
        if not table[column].map(lambda value: isinstance(value, str)).all():
            raise DamagedFileError(file, f"its column {column} does not hold text alone", advice)
    if odd := sorted(set(table["part"]) - set(_PARTS)):
        raise DamagedFileError(file, f"it has a part {odd[0]!r}", advice)
    for column in names if classes else ():
        known = table[column].isin(labels)
        if not known.all():
            row = int((~known).to_numpy().argmax())
            raise DamagedFileError(
                file, f"row {row + 1}, {column}: {table[column].iloc[row]!r} is no label of this run", advice
            )
    return table


def read_history(file: Path, advice: str) -> pd.DataFrame:
    """A history.csv, one row per epoch; losses and scores in it are finite numbers.

    Raises:
        EmofuseError: it is damaged, or holds no epoch.
    """
    table = stored_csv(file, advice, ("epoch",))
    if table.empty:
        raise DamagedFileError(file, "it holds no epoch", advice)
    check_numbers(table, ["epoch"], file, advice)
    scores = [name for name in map(str, table) if name.startswith(("train_", "val_"))]
    check_numbers(table, scores, file, advice, gaps=True)
    return table
