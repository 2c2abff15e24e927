"""Utterances as tensors: what a training or prediction step is fed with.

Features come from whatever maps an utterance's id to an array (a feature store reader, a dict);
frames are decoded here, one clip at a time, in the loader's workers, and stay uint8. Nothing is kept
after a batch is consumed, so memory does not grow with the corpus.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from emofuse.data.frames import read_frames
from emofuse.data.manifest import Utterance
from emofuse.data.media import MediaError
from emofuse.data.modality import MODALITIES, Modality


class FeatureSource(Protocol):
    """Where an utterance's text or audio features come from."""

    def __contains__(self, utterance_id: object) -> bool: ...

    def __getitem__(self, utterance_id: str) -> np.ndarray: ...


@dataclass(frozen=True)
class FrameSampling:
    """How many frames are taken of a clip, and their size in pixels (height, width)."""

    count: int = 15
    size: tuple[int, int] = (256, 256)


@dataclass(frozen=True)
class Setback:
    """A medium that could not be decoded: the row goes on without that modality."""

    utterance_id: str
    modality: Modality
    path: str
    reason: str
    message: str


@dataclass
class Batch:
    """B utterances.

    Attributes:
        ids: the utterances, in row order.
        inputs: what a model's ``forward`` takes by name: ``text`` (B, d_t) and ``audio`` (B, d_a)
            float32, ``frames`` (B, F, 3, H, W) uint8, each absent when its modality is off, and
            ``present``, modality → (B,) bool.
        labels: (B,) class indices, -1 where the label is not known.
        setbacks: media that could not be decoded.
    """

    ids: list[str]
    inputs: dict[str, Any]
    labels: Tensor
    setbacks: list[Setback] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch with its tensors on ``device``."""
        moved = {name: _move(value, device) for name, value in self.inputs.items()}
        return replace(self, inputs=moved, labels=self.labels.to(device, non_blocking=True))


def _move(value: Any, device: torch.device | str) -> Any:
    if isinstance(value, dict):
        return {name: _move(part, device) for name, part in value.items()}
    return value.to(device, non_blocking=True) if isinstance(value, Tensor) else value


@dataclass
class _Row:
    id: str
    values: dict[Modality, Tensor]
    label: int
    setbacks: list[Setback]


class UtteranceDataset(Dataset[_Row]):
    """Utterances with their features and frames, one row at a time.

    Args:
        utterances: rows of a manifest.
        modalities: those the model uses.
        features: modality → source, for the modalities that were encoded beforehand.
        dims: modality → feature size, used for the zeros of an absent row.
        frames: how to sample the video; needed when ``"video"`` is among the modalities.
        label_index: label → class index; rows with another label or none get -1.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        modalities: Sequence[Modality],
        features: Mapping[Modality, FeatureSource],
        dims: Mapping[Modality, int],
        frames: FrameSampling | None = None,
        label_index: Mapping[str, int] | None = None,
    ) -> None:
        self.utterances = list(utterances)
        self.modalities = tuple(m for m in MODALITIES if m in modalities)
        self.features = dict(features)
        self.dims = dict(dims)
        self.frames = frames
        self.label_index = dict(label_index or {})

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, index: int) -> _Row:
        utterance = self.utterances[index]
        values: dict[Modality, Tensor] = {}
        setbacks: list[Setback] = []
        for modality in self.modalities:
            if modality == "video":
                self._read_video(utterance, values, setbacks)
            elif utterance.id in self.features[modality]:
                # A copy: memory-mapped rows are read-only, and tensors must own what they may change.
                values[modality] = torch.from_numpy(
                    np.array(self.features[modality][utterance.id], np.float32)
                )
        label = self.label_index.get(utterance.label, -1) if utterance.label is not None else -1
        return _Row(utterance.id, values, label, setbacks)

    def _read_video(
        self, utterance: Utterance, values: dict[Modality, Tensor], setbacks: list[Setback]
    ) -> None:
        if utterance.video is None or self.frames is None:
            return
        try:
            pixels = read_frames(
                utterance.video,
                n=self.frames.count,
                size=self.frames.size,
                start=utterance.start,
                end=utterance.end,
                crop=utterance.crop,
            )
        except MediaError as error:
            setbacks.append(Setback(utterance.id, "video", str(utterance.video), error.reason, str(error)))
            return
        values["video"] = torch.from_numpy(pixels).permute(0, 3, 1, 2)

    def collate(self, rows: Sequence[_Row]) -> Batch:
        """Stack rows; an absent modality is zeros, with False in ``present``."""
        inputs: dict[str, Any] = {"present": {}}
        for modality in self.modalities:
            found = [modality in row.values for row in rows]
            inputs["present"][modality] = torch.tensor(found)
            empty = self._empty(modality)
            stacked = torch.stack([row.values.get(modality, empty) for row in rows])
            inputs["frames" if modality == "video" else modality] = stacked.contiguous()
        return Batch(
            ids=[row.id for row in rows],
            inputs=inputs,
            labels=torch.tensor([row.label for row in rows]),
            setbacks=[setback for row in rows for setback in row.setbacks],
        )

    def _empty(self, modality: Modality) -> Tensor:
        if modality == "video":
            sampling = self.frames or FrameSampling()
            return torch.zeros(sampling.count, 3, *sampling.size, dtype=torch.uint8)
        return torch.zeros(self.dims[modality])


class EpochShuffle(Sampler[int]):
    """A permutation that depends on seed and epoch alone, so that a resumed run sees the same order."""

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.seed, self.epoch = size, seed, 0

    def begin_epoch(self, epoch: int) -> None:
        """Choose the order; not named ``set_epoch``, because trainers count resumed epochs in their own way."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        return iter(np.random.default_rng([self.seed, self.epoch]).permutation(self.size).tolist())


def make_loader(
    dataset: UtteranceDataset, batch_size: int, *, shuffle_seed: int | None = None, workers: int = 0
) -> DataLoader[_Row]:
    """Batches of ``dataset``; shuffled anew each epoch when ``shuffle_seed`` is given.

    Workers are used only where there are frames to decode: features are a memory-mapped look-up.
    """
    workers = workers if "video" in dataset.modalities else 0
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=None if shuffle_seed is None else EpochShuffle(len(dataset), shuffle_seed),
        collate_fn=dataset.collate,
        num_workers=workers,
        persistent_workers=workers > 0,
        # Its own, so that opening a loader draws nothing from the generator that dropout draws from.
        generator=torch.Generator(),
        prefetch_factor=2 if workers else None,
    )
