"""The voice without a download: functionals of log-mel bands, pitch, energy and timbre.

Pitch is described both absolutely and relative to the utterance's own median in semitones, and spectral
bands relative to the utterance's own level, so that what is said about an emotion does not hang on who
speaks or how close the microphone is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emofuse.encoders.functionals import contour, distribution, modulation, rhythm
from emofuse.encoders.pitch import Pitch, track_pitch
from emofuse.encoders.spec import LOGMEL_FUNCTIONALS
from emofuse.encoders.spectra import (
    BANDS,
    HOP,
    RATE,
    WINDOW,
    Spectra,
    SpectralAnalysis,
    blocks_of,
    checked_sound,
)
from emofuse.features.identity import EncoderIdentity

# Pitch is counted from here, so that 0, the value where nothing is voiced, is a middling voice.
_REFERENCE_HZ = 150.0
_ACTIVE_RANGE_DB = 40.0  # frames this far below the loudest are pauses
_QUIETEST_DB = -70.0


class LogMelFunctionals:
    """Acoustic functionals of an utterance of any length: (samples,) at 16 kHz mono → (dim,).

    Nothing is fitted. ``feature_names`` says what each number is; levels are in dB, pitch in semitones,
    slopes per second. Silence, a click, a constant and clipped sound all give finite numbers.
    """

    def __init__(self) -> None:
        self._analysis = SpectralAnalysis()
        self.feature_names: tuple[str, ...] = tuple(self._describe(np.zeros(WINDOW, np.float32)))
        self.dim = len(self.feature_names)
        self.identity = EncoderIdentity(
            modality="audio",
            kind=LOGMEL_FUNCTIONALS,
            name=LOGMEL_FUNCTIONALS,
            revision="1",
            pooling="functionals",
            dim=self.dim,
            sampling={"rate": RATE, "window": WINDOW, "hop": HOP, "bands": BANDS},
        )

    def encode(self, items: Sequence[np.ndarray]) -> np.ndarray:
        """(B, dim) float32.

        Raises:
            EmofuseError: sound that is not one channel, or holds NaN or infinity.
        """
        rows = [list(self._describe(*checked_sound(samples)).values()) for samples in items]
        return np.array(rows, dtype=np.float32).reshape(len(items), self.dim)

    def _describe(self, samples: np.ndarray, offset: float = 0.0) -> dict[str, float]:
        spectra, pitch = self._analysis(samples, offset), track_pitch(samples, offset)
        active = spectra.energy > max(_QUIETEST_DB, float(spectra.energy.max()) - _ACTIVE_RANGE_DB)
        return {
            **_bands(spectra, active),
            **distribution({"energy": spectra.energy}, np.ones_like(active)),
            **distribution(
                {"active_energy": spectra.energy, **spectra.descriptors, "periodicity": pitch.periodicity},
                active,
            ),
            **contour("energy", spectra.energy, active),
            **modulation("energy", spectra.energy, active),
            **_pitch(pitch, spectra),
            **rhythm(pitch.voiced, active, spectra.energy),
        }


def _bands(spectra: Spectra, active: np.ndarray) -> dict[str, float]:
    """The mean spectrum without its level, and how much each band moves."""
    # In two rounds over blocks, because a copy of all frames would be as large as all that is known of the sound.
    count = max(1, int(active.sum()))
    parts = list(zip(blocks_of(spectra.log_mel), blocks_of(active), strict=True))
    mean = sum(part[chosen].sum(axis=0) for part, chosen in parts) / count
    spread = np.sqrt(sum(((part[chosen] - mean) ** 2).sum(axis=0) for part, chosen in parts) / count)
    shape = {f"mel{band + 1}_mean": float(mean[band] - mean.mean()) for band in range(BANDS)}
    return shape | {f"mel{band + 1}_sd": float(spread[band]) for band in range(BANDS)}


def _pitch(pitch: Pitch, spectra: Spectra) -> dict[str, float]:
    voiced = pitch.voiced
    semitones = np.zeros(len(voiced))
    semitones[voiced] = 12.0 * np.log2(pitch.f0[voiced] / _REFERENCE_HZ)
    own = semitones - (np.median(semitones[voiced]) if voiced.any() else 0.0)
    relative = {
        name: value
        for name, value in distribution({"pitch_relative": own}, voiced).items()
        # The spread and the changes are those of the absolute pitch, and the median is 0 by construction.
        if name in ("pitch_relative_mean", "pitch_relative_p10", "pitch_relative_p90")
    }
    neighbours = voiced[1:] & voiced[:-1]
    return {
        **distribution({"pitch": semitones}, voiced),
        **relative,
        **contour("pitch", own, voiced),
        **modulation("pitch", own, voiced),
        "pitch_hz_mean": float(pitch.f0[voiced].mean()) if voiced.any() else 0.0,
        "jitter": _mean_change(np.log(np.maximum(pitch.raw_f0, 1.0)), neighbours),
        "shimmer_db": _mean_change(spectra.energy, neighbours),
    }


def _mean_change(course: np.ndarray, neighbours: np.ndarray) -> float:
    """Mean absolute difference of neighbouring frames where both count."""
    return float(np.abs(np.diff(course))[neighbours].mean()) if neighbours.any() else 0.0
