"""Sound as it might have been recorded: louder, noisier, a little later."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emofuse.data.sampling_rate import RATE
from emofuse.encoders.fine_tuning import FineTuneSettings
from emofuse.encoders.sound_augmentation import shifted, stretched

_NOISE_RANGE = 20.0  # dB above the lowest ratio
_NOISY = 0.5  # share of the utterances that get noise
_SUNG = 0.5  # share of the utterances whose pitch, and of those whose speed, is another


def augment(
    sound: NDArray[np.float32], settings: FineTuneSettings, rng: np.random.Generator, rate: int = RATE
) -> NDArray[np.float32]:
    """Pitch, tempo, shift, noise and gain, in this order, each as far as ``settings`` has it.

    Args:
        sound: (samples,); it is not changed.
        settings: ``pitch`` in semitones, ``tempo`` as a share, ``time_shift`` in seconds, ``noise_snr`` and ``gain`` in dB.
        rng: where the draws come from.
        rate: samples per second.

    Returns:
        (samples',) float32, of the same length where the tempo stays.
    """
    if settings.pitch and rng.random() < _SUNG:
        sound = shifted(sound, rng.uniform(-settings.pitch, settings.pitch))
    if settings.tempo and rng.random() < _SUNG:
        sound = stretched(sound, 1 + rng.uniform(-settings.tempo, settings.tempo))
    if settings.time_shift:
        sound = _shifted(sound, round(rng.uniform(-settings.time_shift, settings.time_shift) * rate))
    if settings.noise_snr is not None and rng.random() < _NOISY:
        sound = _noisy(sound, settings.noise_snr + rng.uniform(0, _NOISE_RANGE), rng)
    if settings.gain:
        sound = sound * np.float32(10 ** (rng.uniform(-settings.gain, settings.gain) / 20))
    return sound


def _shifted(sound: NDArray[np.float32], by: int) -> NDArray[np.float32]:
    by = int(np.clip(by, -len(sound), len(sound)))
    silence = np.zeros(abs(by), np.float32)
    return np.concatenate([silence, sound[: len(sound) - by]] if by >= 0 else [sound[-by:], silence])


def _noisy(sound: NDArray[np.float32], snr: float, rng: np.random.Generator) -> NDArray[np.float32]:
    loudness = float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) if len(sound) else 0.0
    noise = rng.normal(0.0, 1.0, len(sound)) * loudness * 10 ** (-snr / 20)
    return (sound + noise).astype(np.float32)
