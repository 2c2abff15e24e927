"""True and predicted labels as the metrics want them: class indices, checked; errors name the row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from emofuse.errors import EmofuseError

Labels = Sequence[str] | Sequence[int] | np.ndarray


def class_indices(values: Labels, labels: Sequence[str], what: str) -> np.ndarray:
    """Labels, or indices into ``labels``, as (N,) indices.

    Args:
        values: N label names, or N integers.
        labels: the C classes.
        what: how an error names the values.

    Raises:
        EmofuseError: a value is no label (its row is named), or the values are neither names nor integers.
    """
    array = values if isinstance(values, np.ndarray) else np.array(list(values), dtype=object)
    if array.ndim != 1:
        raise EmofuseError(f"{what}: give one label per utterance, not an array of shape {array.shape}")
    index = {label: i for i, label in enumerate(labels)}
    return np.array(
        [_class_index(value, row, index, what) for row, value in enumerate(array)], dtype=np.int64
    )


def _class_index(value: Any, row: int, index: dict[str, int], what: str) -> int:
    if isinstance(value, str) and value in index:
        return index[value]
    is_integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if is_integer and 0 <= value < len(index):
        return int(value)
    raise EmofuseError(f"{what}, row {row + 1}: {value!r} is not one of the labels {', '.join(index)}")


def check_classes(labels: Sequence[str]) -> tuple[str, ...]:
    """The classes as a tuple.

    Raises:
        EmofuseError: there are none, one is not a string, or one stands twice.
    """
    classes = tuple(labels)
    if not classes or not all(isinstance(label, str) for label in classes):
        raise EmofuseError("labels: give the names of the classes, at least one")
    if len(set(classes)) < len(classes):
        raise EmofuseError(f"labels: a class stands twice in {', '.join(classes)}")
    return classes


def check_same_length(**columns: Sequence[Any] | np.ndarray) -> int:
    """The common length of the columns.

    Raises:
        EmofuseError: they differ, or are empty.
    """
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        lengths_text = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise EmofuseError(f"the columns must have one value per utterance: {lengths_text}")
    n = next(iter(lengths.values()))
    if n == 0:
        raise EmofuseError(
            "there is nothing to evaluate: no utterance with both a true and a predicted value"
        )
    return n
