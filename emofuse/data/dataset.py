"""Utterances one by one: a vector of text and of audio each, and the frames themselves.

Features come from whatever maps an utterance's id to an array (a feature store reader, a dict);
frames are decoded here, one clip at a time, in the loader's workers, and stay uint8. Nothing is kept
after a batch is consumed, so memory does not grow with the corpus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from emofuse.data.batch import Batch, FeatureSource, Setback, feature_tensor
from emofuse.data.frame_cache import FrameCache, decode_frames
from emofuse.data.manifest import Utterance
from emofuse.data.media import MediaError
from emofuse.data.modality import MODALITIES, Modality
from emofuse.data.targets import ClassTarget, Target


@dataclass(frozen=True)
class FrameSampling:
    """How many frames are taken of a clip, their size in pixels (height, width), and where they are kept."""

    count: int = 15
    size: tuple[int, int] = (256, 256)
    cache: FrameCache | None = None

    def read(self, utterance: Utterance) -> NDArray[np.uint8]:
        """Frames of an utterance with a video, (count, height, width, 3).

        Raises:
            MediaError: as `read_frames`.
        """
        if self.cache is not None:
            return self.cache.read(utterance, self.count, self.size)
        return decode_frames(utterance, self.count, self.size)


@dataclass
class _Row:
    id: str
    values: dict[Modality, Tensor]
    target: float
    setbacks: list[Setback]


class UtteranceDataset(Dataset[_Row]):
    """Utterances with their features and frames, one row at a time.

    Args:
        utterances: rows of a manifest.
        modalities: those the model uses.
        features: modality → source, for the modalities that were encoded beforehand.
        dims: modality → feature size, used for the zeros of an absent row.
        frames: how to sample the video; needed when ``"video"`` is among the modalities.
        target: what a row's label becomes.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        modalities: Sequence[Modality],
        features: Mapping[Modality, FeatureSource],
        dims: Mapping[Modality, int],
        frames: FrameSampling | None = None,
        target: Target | None = None,
    ) -> None:
        self.utterances = list(utterances)
        self.modalities = tuple(m for m in MODALITIES if m in modalities)
        self.features = dict(features)
        self.dims = dict(dims)
        self.frames = frames
        self.target: Target = target or ClassTarget()

    @property
    def decodes_media(self) -> bool:
        """Whether reading a row is work that other processes should do."""
        return "video" in self.modalities

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
                values[modality] = feature_tensor(self.features[modality], utterance.id)
        return _Row(utterance.id, values, self.target.of(utterance), setbacks)

    def _read_video(
        self, utterance: Utterance, values: dict[Modality, Tensor], setbacks: list[Setback]
    ) -> None:
        if utterance.video is None or self.frames is None:
            return
        try:
            pixels = self.frames.read(utterance)
        except MediaError as error:
            setbacks.append(Setback(utterance.id, "video", str(utterance.video), error.reason, str(error)))
            return
        values["video"] = torch.from_numpy(pixels).permute(0, 3, 1, 2)

    def collate(self, rows: Sequence[_Row]) -> Batch:
        """Stack rows; an absent modality is zeros, with False in ``present``.

        Inputs: ``text`` (B, d_t) and ``audio`` (B, d_a) float32, ``frames`` (B, F, 3, H, W) uint8, each
        without key when its modality is off, and ``present``.
        """
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
            labels=torch.tensor([row.target for row in rows], dtype=self.target.dtype),
            setbacks=[setback for row in rows for setback in row.setbacks],
        )

    def _empty(self, modality: Modality) -> Tensor:
        if modality == "video":
            sampling = self.frames or FrameSampling()
            return torch.zeros(sampling.count, 3, *sampling.size, dtype=torch.uint8)
        return torch.zeros(self.dims[modality])
