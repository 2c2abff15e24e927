"""The log-mel spectrogram that Whisper reads (Radford et al. 2023, §2.2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from emofuse.data.sampling_rate import RATE

_FFT, _HOP = 400, 160
_HIGHEST_HZ = 8_000.0
_FLOOR = 1e-10
# Slaney's mel scale: a line up to 1 kHz, above it a logarithm.
_HZ_PER_MEL, _BEND_HZ, _LOG_STEP = 200.0 / 3.0, 1000.0, np.log(6.4) / 27.0


class WhisperSpectra:
    """Sounds at 16 kHz → (B, bands, T), a frame every 10 ms; the numbers of transformers' ``WhisperFeatureExtractor``.

    Args:
        bands: of the spectrogram.
    """

    def __init__(self, bands: int) -> None:
        self._filters = torch.from_numpy(slaney_filters(bands)).float()
        self._window = torch.hann_window(_FFT)

    def __call__(self, sounds: Sequence[np.ndarray], samples: int) -> Tensor:
        """Sounds filled up with silence to a number of samples, or cut to it."""
        filled = torch.zeros(len(sounds), samples)
        for row, sound in zip(filled, sounds, strict=True):
            kept = sound[:samples]
            row[: len(kept)] = torch.from_numpy(np.ascontiguousarray(kept, dtype=np.float32))
        spectra = torch.stft(filled, _FFT, _HOP, window=self._window, return_complex=True)[..., :-1]
        level = (self._filters @ spectra.abs().square().contiguous()).clamp_min(_FLOOR).log10()
        level = level.maximum(level.amax(dim=(1, 2), keepdim=True) - 8.0)
        return (level + 4.0) / 4.0


def slaney_filters(bands: int) -> np.ndarray:
    """(bands, 201) triangles, evenly spaced on Slaney's mel scale up to 8 kHz, each with an area of 1 over Hz."""
    highest = _BEND_HZ / _HZ_PER_MEL + np.log(_HIGHEST_HZ / _BEND_HZ) / _LOG_STEP
    mel = np.linspace(0.0, highest, bands + 2)
    above = mel - _BEND_HZ / _HZ_PER_MEL
    edges = np.where(above < 0, mel * _HZ_PER_MEL, _BEND_HZ * np.exp(_LOG_STEP * above))
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bins = np.linspace(0.0, RATE / 2, _FFT // 2 + 1)
    triangles = np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre)).clip(0.0)
    return np.asarray(triangles * 2.0 / (right - left))
