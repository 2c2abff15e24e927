"""Faces, or whole pictures, through a classifier of the transformers library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emofuse.data.pictures import ClipPictures
from emofuse.encoders.experts.checkpoint import Checkpoint
from emofuse.encoders.experts.identity import expert_identity
from emofuse.encoders.experts.opinion import Opinions
from emofuse.encoders.hf_image import PictureModel
from emofuse.encoders.video import VideoEncoder


class VideoExpert:
    """What an image classifier says of each label: the mean of its probabilities over faces and pictures.

    Args:
        checkpoint: of AutoModelForImageClassification; its spec says how many pictures are looked at, and whether every
            face that MTCNN finds is in place of the picture.
        opinions: what its classes count as.
        device: where it computes.
        dtype: precision of its weights.

    Raises:
        EmofuseError: the model cannot be had or does not read single pictures, or the extra ``faces`` is missing.
    """

    def __init__(
        self, checkpoint: Checkpoint, opinions: Opinions, device: torch.device | str, dtype: torch.dtype
    ) -> None:
        self._opinions = opinions
        describe = _Probabilities(checkpoint, opinions, device, dtype)
        self._pictures = VideoEncoder(describe, checkpoint.spec, device)
        self.needs = self._pictures.needs
        self.dim = opinions.labels
        self.identity = expert_identity(checkpoint, opinions, dtype, self._pictures.identity.sampling)

    def encode(self, items: Sequence[ClipPictures]) -> np.ndarray:
        """(B, K) float32, centred log-probabilities of B clips.

        Raises:
            UnusableInputError: ``no-face``, where faces are asked for and a clip has none.
        """
        means = torch.from_numpy(np.asarray(self._pictures.encode(items), np.float64))
        found: np.ndarray = self._opinions.centred(means).numpy().astype(np.float32)
        return found


class _Probabilities(PictureModel):
    """Picture by picture, the probabilities (n, K) of the labels."""

    def __init__(
        self, checkpoint: Checkpoint, opinions: Opinions, device: torch.device | str, dtype: torch.dtype
    ) -> None:
        self._opinions = opinions
        spec = checkpoint.spec.model_copy(update={"output": "logits"})
        super().__init__(spec, checkpoint.source, checkpoint.load(device, dtype))

    def _features(self, output: Any) -> Tensor:
        return self._opinions.probabilities(output.logits)
