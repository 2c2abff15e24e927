"""A voice as a vector, by a model of transformers that was trained to verify speakers: by name or folder."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emofuse.data.sampling_rate import RATE
from emofuse.errors import EmofuseError

_SHORTEST = 0.5  # seconds; shorter speech is said over and over until it fills them


class SpeakerVerifier:
    """Speech to vectors of length 1: the x-vectors of a model of AutoModelForAudioXVector.

    Args:
        model: a folder, or a name on the hub such as ``"microsoft/wavlm-base-plus-sv"``. Nothing of it is executed.
        device: "cpu" or "cuda".

    Raises:
        EmofuseError: it cannot be had, verifies no speakers, or reads sound at another rate.
    """

    def __init__(self, model: str, device: str = "cpu") -> None:
        from transformers import (
            MODEL_FOR_AUDIO_XVECTOR_MAPPING,
            AutoFeatureExtractor,
            AutoModelForAudioXVector,
        )

        from emofuse.encoders.checkpoint_files import load_checkpoint
        from emofuse.encoders.pretrained import guarded, load_config, locate

        source = locate(model, pickles=True)
        config = load_config(source)
        if type(config) not in MODEL_FOR_AUDIO_XVECTOR_MAPPING:
            raise EmofuseError(
                f"voice model {model}: transformers has no speaker verifier of the class {config.model_type}; name a "
                "model of AutoModelForAudioXVector"
            )
        self._extractor: Any = guarded(source, AutoFeatureExtractor.from_pretrained)
        if self._extractor.sampling_rate != RATE:
            raise EmofuseError(
                f"voice model {model}: reads {self._extractor.sampling_rate} Hz, sound here is {RATE}"
            )
        self._device = device
        self._model: Any = load_checkpoint(source, device, torch.float32, AutoModelForAudioXVector)

    @torch.inference_mode()
    def embed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """The vector of speech (samples,) at 16 kHz: (d,), of length 1."""
        sound = np.asarray(samples, np.float32)
        if len(sound) < _SHORTEST * RATE:
            sound = np.resize(sound, round(_SHORTEST * RATE))
        given = self._extractor(sound, sampling_rate=RATE, return_tensors="pt").to(self._device)
        vector = self._model(**given).embeddings[0].float()
        return np.asarray(torch.nn.functional.normalize(vector, dim=0).cpu().numpy(), np.float32)
