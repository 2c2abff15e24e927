"""Mel-frequency cepstral coefficients as the package ``python_speech_features`` makes them, which Light-ASD was trained on.

Davis & Mermelstein 1980; what is the package's own: the frames have no window, the filters stand at whole bins of the
spectrum, the coefficients are liftered, and the first is the logarithm of the frame's energy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from emofuse.data.sampling_rate import RATE

WINDOW, STEP = 400, 160  # samples: 25 and 10 ms
COEFFICIENTS = 13
_FFT, _FILTERS, _LIFTER, _EMPHASIS = 512, 26, 22, 0.97
_LEAST = np.finfo(np.float64).eps


def mfcc(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Coefficients of whole frames of a sound.

    Args:
        samples: (n,) at 16 kHz, from -1 to 1; n of 400 or more.

    Returns:
        (1 + (n - 400) // 160, 13).
    """
    scaled = np.asarray(samples, np.float64) * 32768.0  # as 16-bit integers
    raised = np.append(scaled[:1], scaled[1:] - _EMPHASIS * scaled[:-1])
    frames = np.lib.stride_tricks.sliding_window_view(raised, WINDOW)[::STEP]
    power = np.abs(np.fft.rfft(frames, _FFT)) ** 2 / _FFT
    energy = power.sum(axis=1)
    mel = np.log(np.maximum(power @ _filters().T, _LEAST))
    found = dct(mel, type=2, axis=1, norm="ortho")[:, :COEFFICIENTS]
    found *= 1 + _LIFTER / 2 * np.sin(np.pi * np.arange(COEFFICIENTS) / _LIFTER)
    found[:, 0] = np.log(np.maximum(energy, _LEAST))
    return found.astype(np.float32)


def _filters() -> NDArray[np.float64]:
    """Triangles between neighbouring points of the mel scale: (26, 257)."""
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    hertz = 700 * (10 ** (np.linspace(0, top, _FILTERS + 2) / 2595) - 1)
    bins = np.floor((_FFT + 1) * hertz / RATE)
    at = np.arange(_FFT // 2 + 1)
    left, middle, right = (bins[i : i + _FILTERS, None] for i in range(3))
    rising = np.where((at >= left) & (at < middle), (at - left) / np.maximum(middle - left, 1), 0)
    falling = np.where((at >= middle) & (at < right), (right - at) / np.maximum(right - middle, 1), 0)
    return rising + falling
