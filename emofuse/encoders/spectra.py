"""Frame-wise descriptors of sound: log-mel bands, loudness, timbre.

Frames are 25 ms long and 10 ms apart; sound is 16 kHz mono throughout.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F

from emofuse.data.sampling_rate import RATE
from emofuse.encoders.courses import cosine_terms
from emofuse.errors import EmofuseError

HOP = 160
WINDOW = 400
FFT = 512
BANDS = 40
LOWEST_HZ, HIGHEST_HZ = 60.0, 7_600.0
CEPSTRA = 6
# -100 dB of full scale: below the quantisation noise of 16-bit sound, so only digital silence meets it.
POWER_FLOOR = 1e-10
_BAND_FLOOR = 1e-13  # low enough to leave the range below to soft speech
DYNAMIC_RANGE = 1e-8  # 80 dB below the loudest band of the utterance
BLOCK_FRAMES = 16_384  # frames transformed at once, so that memory does not grow with an hour of sound

Rows = TypeVar("Rows", np.ndarray, torch.Tensor)


def frame_count(samples: int) -> int:
    """Whole 25 ms frames in ``samples``; a shorter sound is one frame."""
    return max(1, 1 + (samples - WINDOW) // HOP)


def mel_filterbank(
    bands: int = BANDS,
    fft: int = FFT,
    rate: int = RATE,
    low: float = LOWEST_HZ,
    high: float = HIGHEST_HZ,
) -> np.ndarray:
    """Triangular filters, evenly spaced in mel = 2595·log10(1 + f/700) (HTK), with a peak of 1.

    Returns:
        (bands, fft // 2 + 1) float64 weights on the power of each FFT bin.
    """
    edges = mel_edges(bands, low, high)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bins = np.arange(fft // 2 + 1)[None, :] * rate / fft
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    return np.clip(np.minimum(rising, falling), 0.0, None)


def mel_edges(bands: int = BANDS, low: float = LOWEST_HZ, high: float = HIGHEST_HZ) -> np.ndarray:
    """(bands + 2,) Hz: where band b begins, peaks and ends is b, b + 1 and b + 2."""
    lowest, highest = 2595.0 * np.log10(1.0 + np.array([low, high]) / 700.0)
    return 700.0 * (10.0 ** (np.linspace(lowest, highest, bands + 2) / 2595.0) - 1.0)


@dataclass(frozen=True)
class Spectra:
    """Descriptors per frame, N frames.

    Attributes:
        log_mel: (N, 40) dB of full scale, at most 80 dB below the loudest.
        energy: (N,) dB of full scale.
        descriptors: name → (N,): ``centroid`` kHz, ``tilt`` dB per octave, ``alpha_ratio`` dB
            (50–1000 Hz over 1–5 kHz), ``flux`` dB per frame, ``zero_crossings`` per ms, and the
            cepstra ``mfcc1`` … ``mfcc6``.
    """

    log_mel: np.ndarray
    energy: np.ndarray
    descriptors: dict[str, np.ndarray]


class SpectralAnalysis:
    """Short-time Fourier transform and what follows from it; holds the constant matrices."""

    def __init__(self) -> None:
        bins = np.fft.rfftfreq(FFT, 1 / RATE)
        self._window = torch.hann_window(WINDOW)
        # Scaled so that a full-scale sine has a power of 1/2 in the sum over bins.
        scale = 2.0 / (FFT * float((self._window**2).sum()))
        # One product gives the bands, the two halves of the alpha ratio, the total and its first moment.
        rows = [
            mel_filterbank(),
            ((bins >= 50) & (bins < 1000))[None],
            ((bins >= 1000) & (bins < 5000))[None],
            np.ones_like(bins)[None],
            bins[None] / 1000.0,
        ]
        self._projection = torch.from_numpy(np.concatenate(rows).T * scale).float()
        octave = np.log2(mel_edges()[1:-1])
        octave -= octave.mean()
        self._tilt = octave / (octave**2).sum()  # the slope of a least-squares line, as a product

    def __call__(self, samples: np.ndarray, offset: float = 0.0) -> Spectra:
        """Analyse (samples,) float32 of any length, ``offset`` taken from each; in blocks, so that little is held."""
        frames = framed(samples, offset)
        projected = by_blocks(lambda part: self._project(part - offset), frames)
        # Bands that a codec or a telephone has emptied say nothing more the lower they are.
        floor = max(_BAND_FLOOR, float(projected[:, :BANDS].max()) * DYNAMIC_RANGE)
        log_mel = decibel(projected[:, :BANDS], floor)
        low, high, total, moment = projected[:, BANDS:].T.astype(np.float64)
        del projected
        cepstra = by_blocks(_cepstra, log_mel)
        descriptors = {
            "centroid": moment / np.maximum(total, POWER_FLOOR),
            "tilt": log_mel @ self._tilt,
            "alpha_ratio": decibel(low, floor) - decibel(high, floor),
            "flux": _flux(log_mel),
            "zero_crossings": _zero_crossings(samples, offset, len(frames)),
            **{f"mfcc{number + 1}": cepstra[:, number] for number in range(CEPSTRA)},
        }
        return Spectra(log_mel, decibel(total, POWER_FLOOR), descriptors)

    def _project(self, frames: torch.Tensor) -> np.ndarray:
        spectrum = torch.fft.rfft(frames * self._window, n=FFT)
        power = spectrum.real.square() + spectrum.imag.square()
        found: np.ndarray = (power @ self._projection).numpy()
        return found


def checked_sound(samples: np.ndarray) -> tuple[np.ndarray, float]:
    """(samples,) float32, and its mean, which microphones add and nobody hears.

    The mean is not taken away here, because that would hold an hour of sound twice.

    Raises:
        EmofuseError: it is not one channel, or holds NaN or infinity.
    """
    samples = np.asarray(samples, dtype=np.float32)
    if samples.ndim != 1:
        raise EmofuseError(f"sound of shape {samples.shape}: one channel is needed, (samples,)")
    if not len(samples):
        return samples, 0.0
    if not (np.isfinite(samples.min()) and np.isfinite(samples.max())):  # NaN comes through both
        raise EmofuseError("the sound holds NaN or infinity; record or convert it again")
    return samples, float(samples.mean())


def framed(samples: np.ndarray, offset: float = 0.0) -> torch.Tensor:
    """(N, 400) view, 10 ms apart, of the sound; where it is too short, ``offset`` stands for silence."""
    # A copy only of what cannot be written to, which torch does not take.
    sound = torch.from_numpy(np.require(samples, np.float32, ["C", "W"]))
    if len(sound) < WINDOW:
        sound = F.pad(sound, (0, WINDOW - len(sound)), value=offset)
    return sound.unfold(0, WINDOW, HOP)


def blocks_of(rows: Rows) -> Iterator[Rows]:
    """Rows, one by one or more, in blocks that take bounded memory however many there are."""
    for begin in range(0, len(rows), BLOCK_FRAMES):
        yield rows[begin : begin + BLOCK_FRAMES]


def by_blocks(function: Callable[[Rows], np.ndarray], rows: Rows) -> np.ndarray:
    """(N, columns): what a function makes of (N, …) rows, a block at a time.

    The result is allocated at once. Results of blocks, kept between the work memory of the next ones, would hold
    several times their size.
    """
    found = np.empty((0, 0))
    for number, part in enumerate(blocks_of(rows)):
        done: np.ndarray = function(part)
        if number == 0:
            found = np.empty((len(rows), *done.shape[1:]), done.dtype)
        found[number * BLOCK_FRAMES : number * BLOCK_FRAMES + len(part)] = done
    return found


def decibel(power: np.ndarray, floor: float) -> np.ndarray:
    """10·log10 of a power, float64, and of ``floor`` where it is less."""
    level = np.maximum(power, floor, dtype=np.float64)
    np.log10(level, out=level)
    level *= 10.0
    return level


def _cepstra(log_mel: np.ndarray) -> np.ndarray:
    """(N, 6): those that follow the level."""
    return np.asarray(log_mel @ cosine_terms(log_mel.shape[1], CEPSTRA + 1)[:, 1:], log_mel.dtype)


def _flux(log_mel: np.ndarray) -> np.ndarray:
    """(N,) mean absolute change of the bands from the frame before; 0 for the first."""
    flux = np.zeros(len(log_mel))
    for begin in range(1, len(log_mel), BLOCK_FRAMES):
        block = log_mel[begin - 1 : begin + BLOCK_FRAMES]
        flux[begin : begin + BLOCK_FRAMES] = np.abs(np.diff(block, axis=0)).mean(axis=1)
    return flux


def _zero_crossings(samples: np.ndarray, offset: float, count: int) -> np.ndarray:
    """(count,) sign changes per ms within each frame."""
    step = math.gcd(WINDOW, HOP)  # frames and hops are whole numbers of these pieces
    pieces = np.zeros(((count - 1) * HOP + WINDOW) // step)
    per_block = BLOCK_FRAMES * HOP // step
    for first in range(0, len(pieces), per_block):
        negative = np.signbit(samples[first * step : (first + per_block) * step + 1] - np.float32(offset))
        changes = np.zeros(min(per_block, len(pieces) - first) * step, dtype=bool)
        found = (negative[1:] != negative[:-1])[: len(changes)]
        changes[: len(found)] = found
        pieces[first : first + per_block] = changes.reshape(-1, step).sum(axis=1)
    per_frame = np.lib.stride_tricks.sliding_window_view(pieces, WINDOW // step)[:: HOP // step]
    crossings: np.ndarray = per_frame.sum(axis=1) / (WINDOW / RATE * 1000.0)
    return crossings
