"""The log-mel spectrogram of the voice as a sequence, for systems that read sound step by step (CM-MSF)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from emofuse.encoders.spec import LOGMEL_SEQUENCE, EncoderSpec
from emofuse.encoders.spectra import (
    BLOCK_FRAMES,
    DYNAMIC_RANGE,
    HIGHEST_HZ,
    HOP,
    LOWEST_HZ,
    POWER_FLOOR,
    RATE,
    WINDOW,
    by_blocks,
    checked_sound,
    decibel,
    framed,
    mel_filterbank,
)
from emofuse.features.identity import EncoderIdentity

STEPS_PER_SECOND = 12.5  # CM-MSF §4.2
BANDS = 80
_FFT = 1024  # of 25 ms, filled up with zeros, so that the narrowest of the bands holds more than one bin


class LogMelSequence:
    """Sound (samples,) at 16 kHz → (T, bands): the power of each mel band in dB, ``rate`` steps per second.

    Spectra of 25 ms are taken every 10 ms, and a step is the mean power of those that begin in it: nothing
    between two steps is lost. Levels are in dB of full scale, no further than 80 dB below the loudest band of
    the utterance, and silence is −100 dB throughout. T counts the steps in which a whole spectrum begins; a
    shorter sound is one step. With pooling ``"mean"``, (bands,): the mean over the steps.

    Args:
        spec: dim (bands, 80), rate (12.5 Hz), pooling (``"tokens"``).
    """

    def __init__(self, spec: EncoderSpec) -> None:
        self.dim = spec.dim or BANDS
        self.rate = spec.rate or STEPS_PER_SECOND
        self._pooling = "mean" if spec.pooling == "mean" else "tokens"
        self._window = torch.hann_window(WINDOW)
        # Scaled so that a full-scale sine has a power of 1/2 in the sum over bins.
        scale = 2.0 / (_FFT * float((self._window**2).sum()))
        filters = mel_filterbank(self.dim, _FFT, RATE, LOWEST_HZ, HIGHEST_HZ)
        self._filters = torch.from_numpy(filters.T * scale).float()
        self.identity = EncoderIdentity(
            modality="audio",
            kind=LOGMEL_SEQUENCE,
            name=LOGMEL_SEQUENCE,
            revision="1",
            pooling=self._pooling,
            dim=self.dim,
            sampling={"rate": RATE, "window": WINDOW, "hop": HOP, "fft": _FFT, "steps_per_second": self.rate},
        )

    def encode(self, items: Sequence[np.ndarray]) -> np.ndarray | list[np.ndarray]:
        """A list of (T, bands) float32; with pooling ``"mean"`` (B, bands).

        Raises:
            EmofuseError: sound that is not one channel, or holds NaN or infinity.
        """
        sequences = [self._steps(*checked_sound(samples)) for samples in items]
        if self._pooling == "tokens":
            return sequences
        return np.array([steps.mean(axis=0) for steps in sequences], np.float32).reshape(-1, self.dim)

    def _steps(self, samples: np.ndarray, offset: float) -> np.ndarray:
        power = by_blocks(lambda part: self._bands(part - offset), framed(samples, offset))
        step_of = (np.arange(len(power)) * (HOP / RATE) * self.rate + 1e-9).astype(np.int64)
        first = np.flatnonzero(np.diff(step_of, prepend=-1))
        mean = np.concatenate(
            [
                _means(power, first[begin : begin + BLOCK_FRAMES + 1], begin + BLOCK_FRAMES >= len(first))
                for begin in range(0, len(first), BLOCK_FRAMES)
            ]
        )
        return decibel(mean, max(POWER_FLOOR, float(mean.max()) * DYNAMIC_RANGE)).astype(np.float32)

    def _bands(self, frames: torch.Tensor) -> np.ndarray:
        spectrum = torch.fft.rfft(frames * self._window, n=_FFT)
        power = spectrum.real.square() + spectrum.imag.square()
        found: np.ndarray = (power @ self._filters).numpy()
        return found


def _means(power: np.ndarray, first: np.ndarray, to_the_end: bool) -> np.ndarray:
    """The mean power in each step, in double precision, of the steps that begin at these frames.

    Args:
        power: (N, bands).
        first: (steps,), and where the next step begins unless they go to the end.
        to_the_end: the last of them ends with the sound.
    """
    edges = np.append(first, len(power)) if to_the_end else first
    part = power[edges[0] : edges[-1]].astype(np.float64)
    sums = np.add.reduceat(part, edges[:-1] - edges[0], axis=0)
    means: np.ndarray = sums / np.diff(edges)[:, None]
    return means
