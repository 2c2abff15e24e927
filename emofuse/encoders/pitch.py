"""Fundamental frequency by YIN, all frames at once.

De Cheveigné and Kawahara, "YIN, a fundamental frequency estimator for speech and music", JASA 111(4),
2002; equation numbers are theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import torch

from emofuse.data.sampling_rate import RATE
from emofuse.encoders.courses import running_median
from emofuse.encoders.spectra import HOP, WINDOW, frame_count

LOWEST_F0, HIGHEST_F0 = 60.0, 600.0
# Half the rate is plenty below 600 Hz, and halves the work; parabolic interpolation gives back the precision.
_DECIMATION = 2
_RATE = RATE // _DECIMATION
_FRAME = 512  # 64 ms: the integration window and the longest lag, 47 and 17 ms
_MAX_LAG = int(np.ceil(_RATE / LOWEST_F0)) + 1
_MIN_LAG = int(_RATE / HIGHEST_F0)
_INTEGRATION = _FRAME - _MAX_LAG - 1
_DIP = 0.15  # the first dip below this is the period (step 4 of the paper)
_VOICED_BELOW = 0.35  # aperiodic power above this share, and the frame counts as unvoiced
_QUIETEST_DB = -60.0  # of full scale
_RANGE_DB = 45.0  # below the loudest frame
_SLIP_FRAMES, _SLIP = 31, 8.0  # semitones off the median of 0.3 s of voice
_SMOOTH_FRAMES = 5
_ROUNDING = 1e-4  # of the frame's energy; what single precision leaves of a difference is less
_CUTOFF = 0.45  # of half the rate
_HALF_TAPS = 31
_BLOCK_FRAMES = 8_192


@dataclass(frozen=True)
class Pitch:
    """N frames, 10 ms apart.

    Attributes:
        f0: (N,) Hz, 0 where unvoiced, smoothed over five frames.
        raw_f0: (N,) Hz, not smoothed.
        voiced: (N,) bool.
        periodicity: (N,) share of the power that repeats with the period, 0 to 1.
    """

    f0: np.ndarray
    raw_f0: np.ndarray
    voiced: np.ndarray
    periodicity: np.ndarray


def track_pitch(samples: np.ndarray, offset: float = 0.0) -> Pitch:
    """F0 of (samples,) 16 kHz mono sound, centred on the frames of :mod:`emofuse.encoders.spectra`.

    ``offset`` is taken from each sample.
    """
    count = frame_count(len(samples))
    edges = [*range(0, count, _BLOCK_FRAMES), count]
    # Allocated at once: results kept between the work memory of the next blocks would hold several times their size.
    period, aperiodicity, power = np.empty(count), np.empty(count, np.float32), np.empty(count)
    for begin, end in pairwise(edges):
        block = _yin(_pitch_frames(samples, offset, begin, end))
        period[begin:end], aperiodicity[begin:end], power[begin:end] = block
    level = 10.0 * np.log10(np.maximum(power, 1e-12))
    loud = level > max(_QUIETEST_DB, float(level.max()) - _RANGE_DB)
    raw = np.where(loud & (aperiodicity < _VOICED_BELOW), _RATE / period, 0.0)
    raw = _without_slips(raw)
    voiced = raw > 0
    return Pitch(
        _smoothed(raw, voiced), raw, voiced, np.where(loud, 1.0 - np.clip(aperiodicity, 0.0, 1.0), 0.0)
    )


def _pitch_frames(samples: np.ndarray, offset: float, begin: int, end: int) -> torch.Tensor:
    """(end - begin, 512) view of the low-passed sound at half the rate: these frames of all."""
    hop, ahead = HOP // _DECIMATION, (_FRAME - WINDOW // _DECIMATION) // 2
    first, last = begin * hop - ahead, (end - 1) * hop - ahead + _FRAME
    delay = _HALF_TAPS // _DECIMATION  # of the filter, at half the rate
    # What the filter sees of the sound, silence before and after it included.
    since = _DECIMATION * (first + delay) - 2 * _HALF_TAPS
    until = _DECIMATION * (last + delay)
    heard = samples[max(0, since) : max(0, until)].astype(np.float32) - np.float32(offset)
    sound = np.pad(heard, (max(0, -since), max(0, until - since - max(0, -since) - len(heard))))
    low = _decimated(sound, last - first)
    low[: max(0, -first)] = 0.0  # before the sound there is nothing, not even the filter's beginning
    return torch.from_numpy(low).unfold(0, _FRAME, hop)


@cache
def _low_pass() -> np.ndarray:
    """(63,) float32, a windowed sinc that lets the frequencies below the cut-off through."""
    moments = np.arange(-_HALF_TAPS, _HALF_TAPS + 1)
    taps = np.sinc(_CUTOFF * moments) * np.hamming(len(moments))
    return np.asarray(taps / taps.sum(), np.float32)


def _decimated(sound: np.ndarray, count: int) -> np.ndarray:
    """(count,) the low-passed sound at half the rate, from where the filter sees nothing but sound."""
    low = np.zeros(count, np.float32)
    for place, weight in enumerate(_low_pass()[::-1]):  # a sample is the same sum wherever its block begins
        low += weight * sound[place : place + _DECIMATION * count : _DECIMATION]
    return low


def _yin(frames: torch.Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Period in samples (fractional), aperiodicity there, and mean power; each (N,)."""
    difference, power = _difference(frames)
    lags = np.arange(1, difference.shape[1], dtype=np.float32)
    running = np.cumsum(difference[:, 1:], axis=1)
    normalised = np.ones_like(difference)
    # Eq. 8. In silence, also in that before an onset, there are only rounding errors to compare: aperiodic.
    heard = running > np.maximum(_ROUNDING * _FRAME * power[:, None], 1e-9)
    np.divide(difference[:, 1:] * lags, running, out=normalised[:, 1:], where=heard)
    lag = _first_dip(normalised)
    return lag + _parabola(normalised, lag), normalised[np.arange(len(lag)), lag], power


def _difference(x: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """d_t(τ), Eq. 6, for τ = 0 … longest lag + 1: (N, lags), and the mean power: (N,)."""
    head = torch.fft.rfft(x[:, :_INTEGRATION], n=_FRAME)
    # No wrap-around: integration window and longest lag together fit into the frame.
    cross = torch.fft.irfft(torch.fft.rfft(x) * head.conj(), n=_FRAME)[:, : _MAX_LAG + 2]
    energy = torch.nn.functional.pad(x.double().square().cumsum(dim=1), (1, 0))
    windows = energy[:, _INTEGRATION : _INTEGRATION + _MAX_LAG + 2] - energy[:, : _MAX_LAG + 2]
    difference = (windows[:, :1] + windows - 2.0 * cross).clamp_min(0.0)
    return difference.float().numpy(), (energy[:, -1] / _FRAME).numpy()


def _first_dip(normalised: np.ndarray) -> np.ndarray:
    """The first local minimum below the threshold, or the deepest of all: (N,) lags."""
    inner = normalised[:, _MIN_LAG : _MAX_LAG + 1]
    left, right = normalised[:, _MIN_LAG - 1 : _MAX_LAG], normalised[:, _MIN_LAG + 1 : _MAX_LAG + 2]
    dips = (inner < _DIP) & (inner <= left) & (inner < right)
    return _MIN_LAG + np.where(dips.any(axis=1), dips.argmax(axis=1), inner.argmin(axis=1))


def _parabola(values: np.ndarray, lag: np.ndarray) -> np.ndarray:
    """Where between the lags the minimum lies, by a parabola through three points (step 5): (N,) in ±0.5."""
    rows = np.arange(len(values))
    left, middle, right = (values[rows, lag + step].astype(np.float64) for step in (-1, 0, 1))
    curvature = left - 2.0 * middle + right
    offset = np.zeros_like(middle)
    np.divide(0.5 * (left - right), curvature, out=offset, where=curvature > 1e-9)
    return np.clip(offset, -0.5, 0.5)


def _without_slips(raw: np.ndarray) -> np.ndarray:
    """Frames far off those around them (another octave, a rustle) do not count as voiced."""
    voiced = raw > 0
    semitones = 12.0 * np.log2(raw[voiced])
    out = raw.copy()
    out[voiced] = np.where(
        np.abs(semitones - running_median(semitones, _SLIP_FRAMES)) > _SLIP, 0.0, raw[voiced]
    )
    return out


def _smoothed(raw: np.ndarray, voiced: np.ndarray) -> np.ndarray:
    out = raw.copy()
    out[voiced] = running_median(raw[voiced], _SMOOTH_FRAMES)
    return out
