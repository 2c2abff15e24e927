"""Dialogues: a vector per utterance and modality, in the order of their turns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from emofuse.data.batch import Batch, FeatureSource, begin_epoch, feature_tensor
from emofuse.data.modality import MODALITIES, Modality
from emofuse.data.targets import ClassTarget, Target
from emofuse.data.utterance import Utterance
from emofuse.data.window_size import WindowSize


@dataclass(frozen=True)
class DialogueWindow:
    """Turns of one dialogue, one after another, and which of them are to be predicted."""

    turns: tuple[Utterance, ...]
    scored: tuple[bool, ...]


def dialogue_windows(
    utterances: Sequence[Utterance], context: Sequence[Utterance] = (), size: WindowSize | None = None
) -> list[DialogueWindow]:
    """The windows in which each of ``utterances`` is predicted exactly once.

    Args:
        utterances: to predict.
        context: others; those of the same dialogues stand in their places among them.
        size: of a window.

    Returns:
        Dialogues in the order in which ``utterances`` first names them, turns in theirs.
    """
    size = size or WindowSize()
    scored_ids = {u.id for u in utterances}
    dialogues: dict[str, list[Utterance]] = {u.dialogue: [] for u in utterances}
    for u in (*utterances, *(c for c in context if c.id not in scored_ids)):
        if u.dialogue in dialogues:
            dialogues[u.dialogue].append(u)
    return [
        window
        for turns in dialogues.values()
        for window in _cut(sorted(turns, key=lambda u: u.turn or 0), scored_ids, size)
        if any(window.scored)
    ]


def _cut(turns: Sequence[Utterance], scored_ids: set[str], size: WindowSize) -> Iterator[DialogueWindow]:
    if len(turns) <= size.longest:
        yield DialogueWindow(tuple(turns), tuple(u.id in scored_ids for u in turns))
        return
    core = size.longest - 2 * size.overlap
    for begin in range(0, len(turns), core):
        first, last = max(0, begin - size.overlap), min(len(turns), begin + core + size.overlap)
        inside = range(begin, begin + core)
        scored = (at in inside and turns[at].id in scored_ids for at in range(first, last))
        yield DialogueWindow(tuple(turns[first:last]), tuple(scored))


@dataclass
class _Item:
    ids: list[str]
    values: dict[Modality, Tensor]
    present: dict[Modality, Tensor]
    speakers: Tensor
    targets: Tensor
    scored: Tensor


class DialogueDataset(Dataset[_Item]):
    """Windows of dialogues with the features of their utterances, one window at a time.

    Args:
        windows: of `dialogue_windows`.
        modalities: those the model uses.
        features: modality → source of one vector per utterance.
        dims: modality → its size.
        target: what an utterance is to be predicted as; those that are not scored have none.
        speakers: give the system the speakers of each window.
    """

    decodes_media = False

    def __init__(
        self,
        windows: Sequence[DialogueWindow],
        modalities: Sequence[Modality],
        features: Mapping[Modality, FeatureSource],
        dims: Mapping[Modality, int],
        target: Target | None = None,
        speakers: bool = False,
    ) -> None:
        self.windows = list(windows)
        self.modalities = tuple(m for m in MODALITIES if m in modalities)
        self.features, self.dims = dict(features), dict(dims)
        self.target: Target = target or ClassTarget()
        self.speakers = speakers

    def begin_epoch(self, epoch: int) -> None:
        """Let features that change from epoch to epoch choose what is seen in this one."""
        begin_epoch(self.features, epoch)

    def __len__(self) -> int:
        return len(self.windows)

    def judged(self, index: int) -> int:
        """How many utterances of a window are predicted; the others are context."""
        return sum(self.windows[index].scored)

    def __getitem__(self, index: int) -> _Item:
        window = self.windows[index]
        values, present = {}, {}
        for modality in self.modalities:
            source, empty = self.features[modality], torch.zeros(self.dims[modality])
            available = [u.id in source for u in window.turns]
            rows = [
                feature_tensor(source, u.id) if found else empty
                for u, found in zip(window.turns, available, strict=True)
            ]
            values[modality], present[modality] = torch.stack(rows), torch.tensor(available)
        marked = list(zip(window.turns, window.scored, strict=True))
        targets = [self.target.of(u) if scored else self.target.absent for u, scored in marked]
        return _Item(
            [u.id for u, scored in marked if scored],
            values,
            present,
            speaker_numbers(window.turns),
            torch.tensor(targets, dtype=self.target.dtype),
            torch.tensor(window.scored),
        )

    def collate(self, rows: Sequence[_Item]) -> Batch:
        """Pad to the longest window, at the end.

        Inputs: ``text``, ``audio`` and ``video`` (B, N, d) float32 for the modalities in use, ``mask`` (B, N)
        bool, False at padding, ``present``, (B, N) each, and where the system takes them ``speakers``, (B, N) int64,
        0 at padding.
        """
        inputs: dict[str, Any] = {m: _pad([row.values[m] for row in rows]) for m in self.modalities}
        inputs["mask"] = _pad([torch.ones_like(row.scored) for row in rows])
        inputs["present"] = {m: _pad([row.present[m] for row in rows]) for m in self.modalities}
        if self.speakers:
            inputs["speakers"] = _pad([row.speakers for row in rows])
        return Batch(
            ids=[id for row in rows for id in row.ids],
            inputs=inputs,
            labels=_pad([row.targets for row in rows], self.target.absent),
            scored=_pad([row.scored for row in rows]),
        )


def speaker_numbers(turns: Sequence[Utterance]) -> Tensor:
    """(N,) int64: speakers numbered from 0 as they appear; turns without a speaker share a number."""
    numbers: dict[str | None, int] = {}
    return torch.tensor([numbers.setdefault(turn.speaker, len(numbers)) for turn in turns])


def _pad(parts: list[Tensor], value: float = 0) -> Tensor:
    return pad_sequence(parts, batch_first=True, padding_value=value)
