"""What a published feature file holds, whatever its style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emofuse.data.modality import Modality
from emofuse.data.wording import counted
from emofuse.errors import EmofuseError


@dataclass(frozen=True)
class ModalityFeatures:
    """Features of one modality.

    Attributes:
        file: the file that holds them.
        field: what they are called in it.
        arrays: utterance → (dim,) or (T, dim) numbers without padding, with no steps for nothing.
    """

    file: Path
    field: str
    arrays: Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class FeatureContent:
    """Utterances and their features.

    Attributes:
        rows: one per utterance, with columns of a manifest.
        features: by modality.
        notes: what had to be chosen or guessed.
    """

    rows: list[dict[str, Any]]
    features: Mapping[Modality, ModalityFeatures]
    notes: list[str] = field(default_factory=list)


def texts_of(values: Any) -> list[str]:
    """A list or array of texts, bytes or numbers as texts.

    Raises:
        TypeError: a container is among them.
    """
    return [_text_of(value) for value in values]


def _text_of(value: Any) -> str:
    if isinstance(value, (list, tuple, dict, set, frozenset)) or getattr(value, "ndim", False):
        raise TypeError(f"a {type(value).__name__} stands where a text should")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def as_numbers(value: Any, place: str) -> NDArray[Any]:
    """A (nested) list or array of numbers as an array.

    Raises:
        EmofuseError: it holds something else, or rows of unlike lengths; ``place`` says where.
    """
    # Of texts NumPy would make an array in which each takes as much as the longest.
    if _lists_texts(value):
        raise EmofuseError(f"{place}: holds texts and no numbers")
    try:
        array = np.asarray(value)
    except ValueError:
        raise EmofuseError(f"{place}: holds rows of unlike lengths") from None
    if array.dtype == object:
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError):
            raise EmofuseError(f"{place}: holds something else than numbers") from None
    if array.dtype.kind not in "biuf":
        raise EmofuseError(f"{place}: holds {array.dtype} and no numbers")
    return array


def _lists_texts(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_lists_texts, value))
    return isinstance(value, (str, bytes)) or (isinstance(value, np.ndarray) and value.dtype.kind in "US")


def class_name(value: Any, labels: Sequence[str] | None, place: str) -> str | None:
    """A class as its name: texts as they are, numbers as the labels say, or as numbers.

    Raises:
        EmofuseError: there is no label of that number.
    """
    if isinstance(value, (str, bytes)):
        return texts_of([value])[0].strip() or None
    number = float(value)
    if not number.is_integer():
        raise EmofuseError(f"{place}: {number:g} is no number of a class")
    if labels is None:
        return str(int(number))
    if not 0 <= number < len(labels):
        raise EmofuseError(
            f"{place}: class {number:g} has no name among the {counted(len(labels), 'label')} given; "
            "name one for each number"
        )
    return labels[int(number)]


def number_turns(rows: Sequence[dict[str, Any]]) -> None:
    """Make ``turn`` a number where all of a dialogue are different numbers; else leave it to their order."""
    turns: dict[str, list[str | None]] = {}
    for row in rows:
        turns.setdefault(str(row.get("dialogue")), []).append(row.get("turn"))
    numbered = {
        dialogue
        for dialogue, names in turns.items()
        if all(name is not None and name.isdecimal() for name in names)
        and len(set(map(int, names))) == len(names)  # type: ignore[arg-type]
    }
    for row in rows:
        row["turn"] = int(row["turn"]) if str(row.get("dialogue")) in numbered else None
