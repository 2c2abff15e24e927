"""Feature files of the MMSA and M-SENA platforms: CMU-MOSI, CMU-MOSEI, CH-SIMS, aligned and unaligned.

A pickle of ``{"train": part, "valid": part, "test": part}``, some parts may be missing. A part holds, for N
clips:

    id                      "<video>$_$<clip>"
    raw_text                what is said
    text, audio, vision     (N, T, dim), T of its own or, where aligned, the same for all three
    text_bert               (N, 3, T): token ids, attention mask, segment ids
    audio_lengths, vision_lengths      how many of the T steps are real, in unaligned files
    regression_labels       the sentiment, (N,); and in CH-SIMS ..._T, ..._A, ..._V
    classification_labels   0, 1, 2;  annotations   "Negative", "Neutral", "Positive"

Files of the Multimodal Transformer's authors are alike, with ``labels`` (N, 1, 1) and ids of (video, begin,
end).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emofuse.data.manifest_columns import SPLIT_ALIASES, SPLITS
from emofuse.data.modality import Modality
from emofuse.data.safe_pickle import load_pickle
from emofuse.data.sentiments import sentiment_of
from emofuse.data.wording import counted
from emofuse.errors import EmofuseError
from emofuse.features.importers.content import (
    FeatureContent,
    ModalityFeatures,
    as_numbers,
    class_name,
    number_turns,
    texts_of,
)
from emofuse.features.importers.steps import filled, span, stated_span

FIELDS: Mapping[str, Modality] = {"text": "text", "audio": "audio", "vision": "video"}
_SPLITS = {**{split: split for split in SPLITS}, **SPLIT_ALIASES}
_ALONE = {"T": "valence_text", "A": "valence_audio", "V": "valence_video"}
_SEPARATOR = "$_$"
_MOST_PARTS = 8  # of an id: video, begin, end


def read_mmsa(path: Path, labels: Sequence[str] | None = None) -> FeatureContent:
    """Read a feature file of this style.

    Args:
        path: the pickle.
        labels: names of the classes 0, 1, ...; without them annotations or the sentiment's sign.

    Raises:
        EmofuseError: the file is hostile, damaged or of another style.
    """
    data = load_pickle(path)
    parts = [
        _Part(path, str(name), _SPLITS[str(name)], part)
        for name, part in (data.items() if isinstance(data, dict) else ())
        if str(name) in _SPLITS and isinstance(part, dict)
    ]
    if not parts:
        raise EmofuseError(f"{path}: has no parts train, valid or test, so it is no file of the MMSA style")
    rows: list[dict[str, Any]] = []
    arrays: dict[str, dict[str, NDArray[Any]]] = {}
    seen: set[str] = set()
    repeated = 0
    for part in parts:
        for number, row in enumerate(part.rows(labels)):
            if row["id"] in seen:
                repeated += 1
                continue
            seen.add(row["id"])
            rows.append(row)
            for name, array in part.features(number).items():
                arrays.setdefault(name, {})[row["id"]] = array
    number_turns(rows)
    notes = [f"{counted(repeated, 'clip')} found for a second time and ignored"] if repeated else []
    features = {FIELDS[name]: ModalityFeatures(path, name, held) for name, held in arrays.items()}
    return FeatureContent(rows, features, notes)


class _Part:
    """One of the parts of a file."""

    def __init__(self, path: Path, name: str, split: str, content: Mapping[str, Any]) -> None:
        self.place, self.split, self.content = f"{path}: {name}", split, content
        if "id" not in content:
            raise EmofuseError(f"{self.place} has no ids, only {', '.join(map(str, content))}")
        self.ids = [_joined(id) for id in content["id"]]
        self.sequences = {name: self._sequences(name) for name in FIELDS if name in content}
        self.mask = self._mask()
        steps = {each.shape[1] if isinstance(each, np.ndarray) else None for each in self.sequences.values()}
        self.is_aligned = len(self.sequences) > 1 and len(steps) == 1 and None not in steps
        self.is_aligned &= "audio_lengths" not in content

    def rows(self, labels: Sequence[str] | None) -> Iterator[dict[str, Any]]:
        """The utterances, in their order."""
        columns: dict[str, Sequence[Any] | None] = {
            "valence": self._scores(""),
            "label": self._labels(labels),
        }
        columns |= {ours: self._scores(f"_{theirs}") for theirs, ours in _ALONE.items()}
        texts = self._column("raw_text")
        columns["text"] = texts_of(texts) if texts is not None else None
        for number, id in enumerate(self.ids):
            video, _, clip = id.partition(_SEPARATOR)
            row = {name: values[number] for name, values in columns.items() if values is not None}
            is_clip = bool(clip)
            yield {
                "id": id,
                "split": self.split,
                "dialogue": video if is_clip else None,
                "group": video if is_clip else None,
                "turn": clip or None,
                **row,
            }

    def features(self, number: int) -> dict[str, NDArray[Any]]:
        """The real steps of an utterance by the names that the file has for modalities."""
        sequences = {name: each[number] for name, each in self.sequences.items()}
        return {name: sequence[self._span(name, number, sequences)] for name, sequence in sequences.items()}

    def _span(self, name: str, number: int, sequences: Mapping[str, NDArray[Any]]) -> slice:
        sequence = sequences[name]
        if len(sequence) == 1:
            return slice(0, 1)
        if self.mask is not None and (name == "text" or self.is_aligned):
            return span(self.mask[number])
        if self.is_aligned:
            return span(np.any([filled(each) for each in sequences.values()], axis=0))
        stated = self.content.get(f"{name}_lengths")
        if stated is not None:
            return stated_span(sequence, int(stated[number]))
        return span(filled(sequence))

    def _sequences(self, name: str) -> NDArray[Any] | list[NDArray[Any]]:
        """(N, T, dim), or N sequences (T, dim) of their own lengths."""
        place = f"{self.place}.{name}"
        value = self._column(name)
        if isinstance(value, np.ndarray) and value.dtype != object:
            array = as_numbers(value, place)
            if array.ndim not in (2, 3):
                raise EmofuseError(f"{place}: has the shape {array.shape}, not (clips, steps, numbers)")
            return array if array.ndim == 3 else array[:, None]
        sequences = [np.atleast_2d(as_numbers(each, place)) for each in value]
        if any(sequence.ndim != 2 for sequence in sequences):
            raise EmofuseError(f"{place}: has clips that are not (steps, numbers)")
        return sequences

    def _mask(self) -> NDArray[np.bool_] | None:
        """(N, T) which tokens are real, if the file says so for its text features."""
        tokens, text = self.content.get("text_bert"), self.sequences.get("text")
        if not isinstance(tokens, np.ndarray) or tokens.ndim != 3 or not isinstance(text, np.ndarray):
            return None
        return tokens[:, 1] > 0 if tokens.shape[::2] == text.shape[:2] else None

    def _column(self, name: str) -> Any:
        value = self.content.get(name)
        if value is not None and len(value) != len(self.ids):
            raise EmofuseError(
                f"{self.place}.{name}: has {counted(len(value), 'row')} for {counted(len(self.ids), 'id')}"
            )
        return value

    def _scores(self, suffix: str) -> list[float] | None:
        values = self._column(f"regression_labels{suffix}")
        if values is None and not suffix:
            values = self._column("labels")
        if values is None:
            return None
        scores = as_numbers(values, f"{self.place}.regression_labels{suffix}").astype(np.float64)
        if scores.size != len(self.ids):
            raise EmofuseError(f"{self.place}: labels of the shape {scores.shape} are no sentiment")
        return [float(score) for score in scores.reshape(-1)]

    def _labels(self, labels: Sequence[str] | None) -> list[str | None] | None:
        classes = self._column("classification_labels")
        if labels is not None and classes is not None:
            place = f"{self.place}.classification_labels"
            return [class_name(value, labels, place) for value in as_numbers(classes, place).reshape(-1)]
        annotations = self._column("annotations")
        if annotations is not None:
            return [text.strip().lower() or None for text in texts_of(annotations)]
        scores = self._scores("")
        return None if scores is None else [sentiment_of(score) for score in scores]


def _joined(id: Any) -> str:
    parts = id.reshape(-1) if isinstance(id, np.ndarray) else id
    if isinstance(parts, (list, tuple, np.ndarray)):
        if len(parts) > _MOST_PARTS:
            raise TypeError(f"an id of {len(parts)} parts")
        return "_".join(texts_of(parts))
    return texts_of([id])[0]
