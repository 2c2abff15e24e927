"""Bounds on the plain values of a file that somebody else may have made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

DEEPEST = 60
_MOST_VALUES = 20_000_000


def check_values(content: Any) -> None:
    """See that plain values are few and flat enough, that numbers are finite, and that no text holds a NUL.

    Raises:
        ValueError: they are not.
    """
    # Containers are walked, and what stands in them looked at in place: lists of a hundred thousand texts are usual.
    count, open_ = 1, [([content], 0)]
    while open_:
        values, depth = open_.pop()
        count += len(values)
        _check_extent(count, depth)
        # What holds texts alone is looked at in one go.
        if set(map(type, values)) == {str} and "\0" not in "".join(values):
            continue
        for value in values:
            if isinstance(value, str):
                if "\0" in value:
                    raise ValueError(f"{value[:40]!r} has a NUL in it")
            elif isinstance(value, float):
                if not math.isfinite(value):
                    raise ValueError(f"it holds {value}, which is no number to work with")
            elif parts := _parts_of_value(value):
                open_.append((parts, depth + 1))


def _check_extent(count: int, depth: int) -> None:
    if count > _MOST_VALUES:
        raise ValueError(f"it unfolds to more than {_MOST_VALUES:,} values")
    if depth > DEEPEST:
        raise ValueError(f"it nests more than {DEEPEST} levels deep")


def _parts_of_value(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    return list(value) if isinstance(value, list | tuple | set) else []
