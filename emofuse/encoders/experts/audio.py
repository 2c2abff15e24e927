"""The voice through a classifier of the transformers library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import ASTFeatureExtractor, AutoFeatureExtractor

from emofuse.data.resampling import Resampler
from emofuse.data.sampling_rate import RATE
from emofuse.encoders.experts.checkpoint import Checkpoint
from emofuse.encoders.experts.identity import expert_identity
from emofuse.encoders.experts.opinion import Opinions
from emofuse.encoders.pretrained import guarded
from emofuse.errors import EmofuseError

_SHORTEST_SECONDS = 0.1  # models of this kind see 25 ms at the least
_SECONDS_PER_AST_FRAME = 0.01


class AudioExpert:
    """What a sound classifier says of each label.

    Sound is brought to the rate that the model's feature extractor names. What is longer than the model reads, or than
    ``max_seconds``, is cut into equal pieces, and the probabilities of the pieces are averaged.

    Args:
        checkpoint: of AutoModelForAudioClassification.
        opinions: what its classes count as.
        device: where it computes.
        dtype: precision of its weights.

    Raises:
        EmofuseError: the model or its feature extractor cannot be had.
    """

    def __init__(
        self, checkpoint: Checkpoint, opinions: Opinions, device: torch.device | str, dtype: torch.dtype
    ) -> None:
        name = f"audio expert {checkpoint.spec.name}"
        self._opinions = opinions
        self._model = checkpoint.load(device, dtype)
        self._extractor = guarded(checkpoint.source, AutoFeatureExtractor.from_pretrained)
        rate = getattr(self._extractor, "sampling_rate", None)
        if not isinstance(rate, int) or not 1000 <= rate <= 1_000_000:
            raise EmofuseError(
                f"{name}: its feature extractor names no rate of sound that makes sense ({rate})"
            )
        self.rate = rate
        self._longest = round(min(checkpoint.spec.max_seconds, _reads_seconds(self._extractor)) * rate)
        self.dim = opinions.labels
        reading = {"rate": rate, "max_seconds": self._longest / rate}
        self.identity = expert_identity(checkpoint, opinions, dtype, reading)

    def encode(self, items: Sequence[np.ndarray]) -> np.ndarray:
        """(B, K) float32, centred log-probabilities of B sounds (samples,) of 16 kHz."""
        rows = [self._encode(np.asarray(samples, np.float32)) for samples in items]
        return np.array(rows, np.float32).reshape(-1, self.dim)

    def _encode(self, samples: np.ndarray) -> np.ndarray:
        if samples.ndim != 1 or not np.isfinite(samples).all():
            raise EmofuseError(f"sound of shape {samples.shape}: one channel of finite samples is needed")
        sound = self._resampled(samples)
        pieces = np.array_split(sound, max(1, -(-len(sound) // self._longest)))
        probabilities = torch.cat([self._opinions.probabilities(self._logits(piece)) for piece in pieces])
        weights = torch.tensor(
            [len(piece) for piece in pieces], dtype=probabilities.dtype, device=probabilities.device
        )
        mean = (weights @ probabilities) / weights.sum()
        centred: np.ndarray = self._opinions.centred(mean[None])[0].cpu().numpy()
        return centred

    def _resampled(self, samples: np.ndarray) -> np.ndarray:
        shortest = round(_SHORTEST_SECONDS * self.rate)
        if self.rate != RATE:
            resampler = Resampler(self.rate)
            samples = np.concatenate([*resampler.push(samples, RATE), *resampler.flush()])
        return np.pad(samples, (0, max(0, shortest - len(samples))))

    @torch.inference_mode()
    def _logits(self, sound: np.ndarray) -> Tensor:
        """(1, C). One sound at a time: padding changes what models without a mask say."""
        inputs = self._extractor(sound, sampling_rate=self.rate, return_tensors="pt")
        given = {name: self._moved(tensor) for name, tensor in inputs.items()}
        logits: Tensor = self._model(**given).logits
        return logits

    def _moved(self, tensor: Tensor) -> Tensor:
        moved = tensor.to(self._model.device)
        return moved.to(self._model.dtype) if moved.is_floating_point() else moved


def _reads_seconds(extractor: Any) -> float:
    """The longest sound that a feature extractor does not cut off."""
    if isinstance(extractor, ASTFeatureExtractor):
        return float(extractor.max_length) * _SECONDS_PER_AST_FRAME
    return float(getattr(extractor, "chunk_length", None) or np.inf)  # a Whisper's window
