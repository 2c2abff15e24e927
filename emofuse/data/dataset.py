"""Utterances one by one, each modality as the system takes it: a vector, steps, or the frames themselves.

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
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from emofuse.data.batch import Batch, DecodeFailure, FeatureSource, begin_epoch, feature_tensor
from emofuse.data.frame_cache import FrameCache, decode_frames
from emofuse.data.media import MediaError
from emofuse.data.modality import MODALITIES, InputKind, Modality
from emofuse.data.targets import ClassTarget, Target
from emofuse.data.utterance import Utterance


@dataclass(frozen=True)
class FrameSampling:
    """How many frames are taken of a clip, their size in pixels (height, width), where they are kept, and of what.

    With ``faces``, of an utterance that names the speaker's face, that alone is seen.
    """

    count: int = 15
    size: tuple[int, int] = (256, 256)
    cache: FrameCache | None = None
    faces: bool = False

    def read(self, utterance: Utterance) -> NDArray[np.uint8]:
        """Frames of an utterance with a video, (count, height, width, 3).

        Raises:
            MediaError: as `read_frames`.
        """
        if self.cache is not None:
            return self.cache.read(utterance, self.count, self.size, self.faces)
        return decode_frames(utterance, self.count, self.size, self.faces)


@dataclass
class _Row:
    id: str
    values: dict[Modality, Tensor]
    target: float
    decode_failures: list[DecodeFailure]
    number: int


class UtteranceDataset(Dataset[_Row]):
    """Utterances with their features and frames, one row at a time.

    Args:
        utterances: rows of a manifest.
        inputs: modality → how the system takes it, of the modalities that the run uses.
        features: modality → source, for the modalities that were encoded beforehand: a vector (d,) each, or (T, d)
            steps; a vector is a sequence of one step.
        dims: modality → d.
        longest: modality → most steps; of a longer text the beginning is taken, longer sound and video are
            made so short by averaging neighbouring steps.
        frames: how to sample the video; needed where the system takes frames.
        target: what a row's label becomes.
        row_numbers: a batch holds the place of each of its rows among the utterances.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        inputs: Mapping[Modality, InputKind],
        features: Mapping[Modality, FeatureSource],
        dims: Mapping[Modality, int],
        *,
        longest: Mapping[Modality, int] | None = None,
        frames: FrameSampling | None = None,
        target: Target | None = None,
        row_numbers: bool = False,
    ) -> None:
        self.row_numbers = row_numbers
        self.utterances = list(utterances)
        self.inputs = {m: inputs[m] for m in MODALITIES if m in inputs}
        self.features, self.dims, self.longest = dict(features), dict(dims), dict(longest or {})
        self.frames = frames
        self.target: Target = target or ClassTarget()

    @property
    def decodes_media(self) -> bool:
        """Whether reading a row is work that other processes should do."""
        return "frames" in self.inputs.values()

    def begin_epoch(self, epoch: int) -> None:
        """Let features that change from epoch to epoch choose what is seen in this one."""
        begin_epoch(self.features, epoch)

    def __len__(self) -> int:
        return len(self.utterances)

    def judged(self, index: int) -> int:
        """An item is an utterance."""
        return 1

    def __getitem__(self, index: int) -> _Row:
        utterance = self.utterances[index]
        values: dict[Modality, Tensor] = {}
        decode_failures: list[DecodeFailure] = []
        for modality, kind in self.inputs.items():
            if kind == "frames":
                self._read_video(utterance, values, decode_failures)
            elif utterance.id in self.features[modality]:
                feature = feature_tensor(self.features[modality], utterance.id)
                values[modality] = self._steps(modality, feature) if kind == "steps" else feature
        return _Row(utterance.id, values, self.target.of(utterance), decode_failures, index)

    def _read_video(
        self, utterance: Utterance, values: dict[Modality, Tensor], decode_failures: list[DecodeFailure]
    ) -> None:
        if utterance.video is None or self.frames is None:
            return
        try:
            pixels = self.frames.read(utterance)
        except MediaError as error:
            decode_failures.append(
                DecodeFailure(utterance.id, "video", str(utterance.video), error.reason, str(error))
            )
            return
        values["video"] = torch.from_numpy(pixels).permute(0, 3, 1, 2)

    def _steps(self, modality: Modality, feature: Tensor) -> Tensor:
        """(T, d), no more steps than the longest that is wanted."""
        steps = torch.atleast_2d(feature)
        return shortened(steps, modality, self.longest.get(modality, len(steps)))

    def collate(self, rows: Sequence[_Row]) -> Batch:
        """Put rows together; an absent modality is zeros, with False in ``present``.

        Inputs, each without key when its modality is off: a vector (B, d) float32; steps (B, T, d) float32, padded at
        the end, with ``masks[modality]`` (B, T) bool, False at padding; ``frames`` (B, F, 3, H, W) uint8; and
        ``present[modality]`` (B,) bool, where a sequence without a step is absent. ``row_numbers`` (B,) int64 if wanted.
        """
        inputs: dict[str, Any] = {"present": {}}
        if "steps" in self.inputs.values():
            inputs["masks"] = {}
        for modality, kind in self.inputs.items():
            if kind == "steps":
                self._pad(modality, rows, inputs)
                continue
            inputs["present"][modality] = torch.tensor([modality in row.values for row in rows])
            empty = self._empty(modality)
            stacked = torch.stack([row.values.get(modality, empty) for row in rows])
            inputs["frames" if kind == "frames" else modality] = stacked.contiguous()
        if self.row_numbers:
            inputs["row_numbers"] = torch.tensor([row.number for row in rows])
        return Batch(
            ids=[row.id for row in rows],
            inputs=inputs,
            labels=torch.tensor([row.target for row in rows], dtype=self.target.dtype),
            decode_failures=[decode_failure for row in rows for decode_failure in row.decode_failures],
        )

    def _pad(self, modality: Modality, rows: Sequence[_Row], inputs: dict[str, Any]) -> None:
        """Pad a modality to its longest sequence, at the end."""
        empty = torch.zeros(0, self.dims[modality])
        parts = [row.values.get(modality, empty) for row in rows]
        lengths = torch.tensor([len(part) for part in parts])
        steps = max(1, int(lengths.max()))
        padded = pad_sequence(parts, batch_first=True)
        inputs[modality] = F.pad(padded, (0, 0, 0, steps - padded.shape[1]))
        inputs["masks"][modality] = torch.arange(steps) < lengths.unsqueeze(1)
        inputs["present"][modality] = lengths > 0

    def _empty(self, modality: Modality) -> Tensor:
        if self.inputs[modality] == "frames":
            sampling = self.frames or FrameSampling()
            return torch.zeros(sampling.count, 3, *sampling.size, dtype=torch.uint8)
        return torch.zeros(self.dims[modality])


def shortened(steps: Tensor, modality: Modality, longest: int) -> Tensor:
    """(T, d) with no more than ``longest`` steps: the beginning of a text; neighbouring steps of others averaged."""
    if len(steps) <= longest:
        return steps
    if modality == "text":
        return steps[:longest]
    return F.adaptive_avg_pool1d(steps.T, longest).T.contiguous()
