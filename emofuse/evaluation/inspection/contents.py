"""What a feature file holds: parts, labels, speakers, and numbers of each modality."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emofuse.data.manifest_columns import SPLITS
from emofuse.features.importers.content import FeatureContent, ModalityFeatures

_STEPS_LOOKED_AT = 20_000
NO_PART = "(none)"


@dataclass(frozen=True)
class ModalityContents:
    """Numbers of one modality.

    Attributes:
        field: what they are called in the file.
        dim: numbers of a vector, 0 where all are missing; several sizes are listed in ``sizes``.
        sizes: size of a vector → utterances that have it.
        present: utterances with anything but zeros.
        missing: utterances without steps, or with zeros alone.
        shortest: steps of the shortest sequence; 1 for vectors.
        median: of the lengths.
        longest: of the lengths.
        nan: numbers that are NaN.
        infinite: numbers that are infinite.
        mended: utterances with either.
        norm: mean length of a step's vector.
        norm_spread: its standard deviation, as a part of the mean.
        least: smallest finite number.
        most: largest.
        zeros: share of numbers that are 0, of utterances that are present.
        repeated: share of steps whose vector has come before, as word vectors do.
    """

    field: str
    dim: int
    sizes: dict[int, int]
    present: int
    missing: int
    shortest: int
    median: float
    longest: int
    nan: int
    infinite: int
    mended: int
    norm: float
    norm_spread: float
    least: float
    most: float
    zeros: float
    repeated: float

    @property
    def is_sequence(self) -> bool:
        """Whether utterances have several steps."""
        return self.longest > 1


@dataclass(frozen=True)
class FileContents:
    """What stands in a file beside the numbers.

    Attributes:
        utterances: part → how many.
        labels: part → label → utterances.
        valence: smallest and largest value; None where there is none.
        dialogues: distinct ones.
        speakers: distinct ones, 0 where nobody is named.
        with_text: utterances whose words are there.
        modalities: name → numbers.
        notes: what the reader had to choose or guess.
    """

    utterances: dict[str, int]
    labels: dict[str, dict[str, int]]
    valence: tuple[float, float] | None
    dialogues: int
    speakers: int
    with_text: int
    modalities: dict[str, ModalityContents]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        return asdict(self)


def file_contents(content: FeatureContent) -> FileContents:
    """Count what a reader found.

    Args:
        content: of a reader in :mod:`emofuse.features.importers`.
    """
    rows = content.rows
    parts = [str(row.get("split") or NO_PART) for row in rows]
    order = [part for part in (*SPLITS, NO_PART) if part in parts]
    order += sorted(set(parts) - set(order))
    labels: dict[str, Counter[str]] = {part: Counter() for part in order}
    for row, part in zip(rows, parts, strict=True):
        if row.get("label") is not None:
            labels[part][str(row["label"])] += 1
    values = [float(row["valence"]) for row in rows if _is_number(row.get("valence"))]
    return FileContents(
        utterances={part: parts.count(part) for part in order},
        labels={part: dict(sorted(counts.items())) for part, counts in labels.items() if counts},
        valence=(min(values), max(values)) if values else None,
        dialogues=len({row.get("dialogue") or row["id"] for row in rows}),
        speakers=len({row["speaker"] for row in rows if row.get("speaker") is not None}),
        with_text=sum(bool(row.get("text")) for row in rows),
        modalities={m: modality_contents(held, len(rows)) for m, held in content.features.items()},
        notes=tuple(content.notes),
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and bool(np.isfinite(value))


def modality_contents(features: ModalityFeatures, utterances: int) -> ModalityContents:
    """Count the numbers of one modality.

    Args:
        features: utterance → array.
        utterances: in the file, those without an array included.
    """
    arrays = list(features.arrays.values())
    present = [array for array in arrays if _finite(array).any()]
    sizes = Counter(int(array.shape[-1]) for array in present)
    lengths = [1 if array.ndim == 1 else len(array) for array in present] or [0]
    dim = sizes.most_common(1)[0][0] if sizes else 0
    steps = _some_steps([array for array in present if array.shape[-1] == dim], dim)
    norms = np.linalg.norm(steps, axis=1) if len(steps) else np.zeros(1)
    mean = float(norms.mean())
    flaws = [
        (int(np.isnan(a).sum()), int(np.isinf(a).sum()))
        for a in (array.astype(np.float64) for array in arrays)
    ]
    return ModalityContents(
        field=features.field,
        dim=dim,
        sizes=dict(sizes),
        present=len(present),
        missing=utterances - len(present),
        shortest=min(lengths),
        median=float(np.median(lengths)),
        longest=max(lengths),
        nan=sum(nan for nan, _ in flaws),
        infinite=sum(infinite for _, infinite in flaws),
        mended=sum(bool(nan or infinite) for nan, infinite in flaws),
        norm=mean,
        norm_spread=float(norms.std() / mean) if mean > 0 else 0.0,
        least=float(steps.min()) if steps.size else 0.0,
        most=float(steps.max()) if steps.size else 0.0,
        zeros=float((steps == 0).mean()) if steps.size else 0.0,
        repeated=1 - len(np.unique(steps, axis=0)) / len(steps) if len(steps) else 0.0,
    )


def _finite(array: NDArray[Any]) -> NDArray[np.float64]:
    numbers = array.astype(np.float64)
    return np.where(np.isfinite(numbers), numbers, 0.0)


def _some_steps(arrays: Sequence[NDArray[Any]], dim: int) -> NDArray[np.float64]:
    """(steps, dim) from utterances chosen evenly, no more than statistics need."""
    if not arrays:
        return np.zeros((0, dim))
    most = max(1, min(_STEPS_LOOKED_AT, (1 << 24) // max(dim, 1)))
    total = sum(1 if array.ndim == 1 else len(array) for array in arrays)
    chosen = arrays[:: 1 + total // most]
    return np.concatenate([np.atleast_2d(_finite(array)) for array in chosen])


def label_lines(labels: Mapping[str, Mapping[str, int]]) -> list[str]:
    """A line per part, the most frequent label first."""
    return [
        f"{part}: "
        + ", ".join(f"{name} {n}" for name, n in sorted(counts.items(), key=lambda item: -item[1]))
        for part, counts in labels.items()
    ]
