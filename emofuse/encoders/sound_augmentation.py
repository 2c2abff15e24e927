"""Changed copies of a sound for training: another line, another room, another voice.

Filters and resampling are scipy's, stretching in time is FFmpeg's ``atempo`` by way of PyAV: both are needed anyway.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.filter import Graph
from numpy.typing import NDArray

from emofuse.data.sampling_rate import RATE
from emofuse.encoders.augment_settings import AugmentSettings
from emofuse.errors import EmofuseError
from emofuse.features.identity import EncoderIdentity, InputNeeds, UtteranceEncoder

Sound = NDArray[np.float32]

_TELEPHONE_HZ = (300.0, 3400.0)  # ITU-T G.120's speech band
_FIRST_ECHO_S = 0.005
_DIRECT_DB = (0.0, 12.0)
_FINEST = 200  # of a resampling ratio: half a percent, a tenth of a semitone


def augmented(samples: Sound, settings: AugmentSettings, copy: int) -> Sound:
    """One changed copy of a sound.

    What happens is drawn from the seed, the number of the copy and the sound itself, so that neither order nor neighbours
    change it.

    Args:
        samples: (n,) mono at 16 kHz.
        settings: what may happen, and how much.
        copy: its number.

    Returns:
        (n',) float32 within ±1, of another length where the tempo has changed.
    """
    sound = np.asarray(samples, dtype=np.float32)
    digest = hashlib.sha256(sound.tobytes()).digest()[:8]
    rng = np.random.default_rng([settings.seed, copy, int.from_bytes(digest, "big")])
    chosen: list[str] = [kind for kind in settings.kinds if rng.random() < 0.5]
    chosen = chosen or [str(rng.choice(settings.kinds))]
    for kind in chosen:
        sound = _CHANGES[kind](sound, settings, rng)
    # A level above full scale would be cut by any recorder.
    return np.clip(sound, -1.0, 1.0).astype(np.float32)


def telephone_band(sound: Sound) -> Sound:
    """The band of a telephone line, 300 to 3400 Hz."""
    from scipy.signal import butter, sosfilt

    sections = butter(4, _TELEPHONE_HZ, btype="bandpass", fs=RATE, output="sos")
    return np.asarray(sosfilt(sections, sound), dtype=np.float32)


def with_noise(sound: Sound, snr_db: float, rng: np.random.Generator) -> Sound:
    """Pink noise added, so many dB below the sound's mean power; silence stays silent."""
    spectrum = np.fft.rfft(rng.standard_normal(len(sound)))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    noise = np.fft.irfft(spectrum, len(sound))
    power = float(np.mean(np.square(sound, dtype=np.float64)))
    scale = np.sqrt(power / 10 ** (snr_db / 10) / max(float(np.mean(noise**2)), 1e-20))
    return (sound + scale * noise).astype(np.float32)


def in_a_room(sound: Sound, seconds: float, rng: np.random.Generator) -> Sound:
    """A sound with the echo of a room, at the level that it had.

    The echo is noise that decays exponentially (Polack 1988), by 60 dB in ``seconds``. It begins 5 ms after the direct sound
    and is 0 to 12 dB fainter than it as a whole.
    """
    from scipy.signal import fftconvolve

    time = np.arange(1, int(seconds * RATE)) / RATE
    echo = rng.standard_normal(len(time)) * 10 ** (-3 * time / seconds) * (time > _FIRST_ECHO_S)
    echo *= 10 ** (-rng.uniform(*_DIRECT_DB) / 20) / np.sqrt(np.sum(echo**2))
    heard = fftconvolve(sound.astype(np.float64), np.concatenate([[1.0], echo]))[: len(sound)]
    level = np.sqrt(np.mean(np.square(sound, dtype=np.float64)) / max(float(np.mean(heard**2)), 1e-20))
    return (heard * level).astype(np.float32)


def stretched(sound: Sound, speed: float) -> Sound:
    """``speed`` times as fast at the same pitch."""
    graph = Graph()
    source = graph.add_abuffer(sample_rate=RATE, format="flt", layout="mono", time_base=Fraction(1, RATE))
    tempo, sink = graph.add("atempo", f"{speed:.4f}"), graph.add("abuffersink")
    source.link_to(tempo)
    tempo.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(sound[None], format="flt", layout="mono")
    frame.sample_rate, frame.pts = RATE, 0
    graph.push(frame)
    graph.push(None)
    parts: list[Any] = []
    while True:
        try:
            parts.append(graph.pull().to_ndarray()[0])
        except (av.error.EOFError, av.error.BlockingIOError):
            break
    return np.concatenate(parts).astype(np.float32) if parts else sound


def shifted(sound: Sound, semitones: float) -> Sound:
    """Higher by so many semitones at the same speed."""
    from scipy.signal import resample_poly

    ratio = Fraction(2 ** (-semitones / 12)).limit_denominator(_FINEST)
    faster = resample_poly(sound, ratio.numerator, ratio.denominator).astype(np.float32)
    return stretched(faster, float(ratio))


_CHANGES: dict[str, Callable[[Sound, AugmentSettings, np.random.Generator], Sound]] = {
    "telephone": lambda sound, settings, rng: telephone_band(sound),
    "noise": lambda sound, settings, rng: with_noise(sound, rng.uniform(*settings.snr_db), rng),
    "gain": lambda sound, settings, rng: (
        sound * np.float32(10 ** (rng.uniform(-settings.gain_db, settings.gain_db) / 20))
    ),
    "pitch": lambda sound, settings, rng: shifted(
        sound, rng.uniform(-settings.semitones, settings.semitones)
    ),
    "tempo": lambda sound, settings, rng: stretched(sound, 1 + rng.uniform(-settings.tempo, settings.tempo)),
    "room": lambda sound, settings, rng: in_a_room(sound, rng.uniform(*settings.reverberation), rng),
}


def identity_of_copy(identity: EncoderIdentity, settings: AugmentSettings, copy: int) -> EncoderIdentity:
    """What the features of changed copies are kept under.

    Args:
        identity: of the encoder that hears them.
        settings: what may happen to a copy.
        copy: its number, from 1.
    """
    drawn = settings.model_dump(exclude={"copies", "kinds", "snr_db", "reverberation"})
    if "room" in settings.kinds:  # else what was encoded before there were rooms keeps its name
        drawn["reverberation"] = "{:g} to {:g}".format(*settings.reverberation)
    return identity.model_copy(
        update={
            "sampling": {
                **identity.sampling,
                **{f"augment_{name}": value for name, value in drawn.items()},
                "augment_kinds": "+".join(settings.kinds),
                "augment_snr_db": "{:g} to {:g}".format(*settings.snr_db),
                "augment_copy": copy,
            }
        }
    )


class AugmentedEncoder:
    """An encoder of sound that hears one changed copy of each sound; under an identity of its own.

    Args:
        encoder: any encoder of sound.
        settings: what may happen to a copy.
        copy: its number, from 1.

    Raises:
        EmofuseError: the encoder does not read sound.
    """

    def __init__(self, encoder: UtteranceEncoder, settings: AugmentSettings, copy: int) -> None:
        if encoder.identity.modality != "audio":
            raise EmofuseError(
                f"augmentation is of sound, and {encoder.identity.name} reads another modality"
            )
        self._encoder, self._settings, self._copy = encoder, settings, copy
        self.identity: EncoderIdentity = identity_of_copy(encoder.identity, settings, copy)
        self.needs = getattr(encoder, "needs", None) or InputNeeds()

    @property
    def dim(self) -> int:
        """Features per vector."""
        return self._encoder.dim

    def encode(self, items: Sequence[Any]) -> np.ndarray | list[np.ndarray]:
        """As the encoder's own, of the changed copies."""
        return self._encoder.encode([augmented(item, self._settings, self._copy) for item in items])
