"""Mix the channels of a recording down to one, and notice where that would lose the voice.

The weights are those of the standard downmix (ITU-R BS.775-3, annex 8): the centre counts fully, left and
right by 3 dB less, surround channels by 6 dB less, the channel for low effects not at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

MOST_PLANES = 7  # of frames with more, PyAV reads past the list of planes; damaged sound decodes to such
FULL_SCALE = {"u8": 2.0**7, "s16": 2.0**15, "s32": 2.0**31, "flt": 1.0, "dbl": 1.0}
_FRONT, _SURROUND = 2.0**-0.5, 0.5
WEIGHTS = {"FL": _FRONT, "FR": _FRONT, "FC": 1.0, "FLC": _FRONT, "FRC": _FRONT, "LFE": 0.0, "LFE2": 0.0}
# In power, against the loudest channel: one this quiet adds nothing, and must not lower the level either.
_UNUSED = 1e-3
# In power, against channels that know nothing of each other: with less than this they cancel. A voice that has another sign
# in each does, also where one is three times louder, or where a noise that both have is half as loud.
_CANCELLED = 1 / 2
# Channels may cancel for a while only; this is the share of all sound from which on one of them is taken instead.
_MOST_CANCELLED = 0.1
_WINDOW_SECONDS = 1.0
CHANNELS_CANCEL = "the channels cancel each other, so the louder one was used"
LOW_EFFECTS_ALONE = "only the channel for low effects holds sound, so it was used"


def channels_of(frame: AudioFrame) -> NDArray[np.float64]:
    """The samples of a decoded frame, scaled to [-1, 1]: (channels, samples)."""
    name = frame.format.name.removesuffix("p")
    too_many = frame.format.is_planar and frame.layout.nb_channels > MOST_PLANES
    if name not in FULL_SCALE or too_many:  # 64-bit integers, for one, have no array in PyAV
        wanted = frame.format.packed.name if name in FULL_SCALE else "dbl"
        converter = av.AudioResampler(format=wanted)
        parts = [channels_of(part) for part in [*converter.resample(frame), *converter.resample(None)]]
        return np.concatenate([np.zeros((frame.layout.nb_channels, 0)), *parts], axis=1)
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is found and refused afterwards
        samples = frame.to_ndarray().astype(np.float64)
        channels = samples if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels).T
        return (channels - (FULL_SCALE["u8"] if name == "u8" else 0.0)) / FULL_SCALE[name]


def downmix_weights(frame: AudioFrame) -> NDArray[np.float64]:
    """The weight of each channel in the standard downmix, their sum 1: (channels,)."""
    names = [channel.name for channel in frame.layout.channels]
    if len(names) <= 2 or not set(names) & set(WEIGHTS):
        return np.full(len(names), 1.0 / max(1, len(names)))
    weights = np.array([WEIGHTS.get(name, _SURROUND) for name in names])
    return weights / weights.sum() if weights.any() else np.full(len(names), 1.0 / len(names))


@dataclass(frozen=True)
class DownmixChoice:
    """What is known of a downmix when all has been mixed.

    Attributes:
        gain: by which the mix is to be multiplied, because some channels were unused.
        only: the channel to use instead of the mix, where that would lose the voice.
        note: why, in words.
    """

    gain: float = 1.0
    only: int | None = None
    note: str = ""


class Mixer:
    """Mixes part after part of a recording down, and keeps account of its channels.

    Args:
        only: take this channel alone, where the recording has it.
    """

    def __init__(self, only: int | None = None) -> None:
        self.only = only
        self._weights: NDArray[np.float64] | None = None
        # Of each channel, then of the mix: samples, sum, sum of squares.
        self._window = np.zeros((3, 0))
        self._windows: list[NDArray[np.float64]] = []
        self._one_layout = True

    def mix(
        self, channels: NDArray[np.float64], weights: NDArray[np.float64], rate: int
    ) -> NDArray[np.float32]:
        """One channel (samples,) of a part (channels, samples) of ``rate`` Hz whose channels have these weights."""
        if self.only is not None and self.only < len(channels):
            return channels[self.only].astype(np.float32)
        mixed = weights @ channels
        self._account(channels, weights, mixed, rate)
        return mixed.astype(np.float32)

    def verdict(self) -> DownmixChoice:
        """What to do with all that was mixed; nothing, where the layout changed on the way."""
        if self.only is not None or self._weights is None or not self._one_layout or len(self._weights) < 2:
            return DownmixChoice()
        windows = np.stack([*self._windows, self._window])  # (windows, 3, channels + 1)
        power = _variance(windows.sum(axis=0))[:-1]
        heard = np.where(self._weights > 0, power, 0.0)
        if power.max() <= 0:
            return DownmixChoice()
        if heard.max() <= _UNUSED * power.max():
            return DownmixChoice(only=int(power.argmax()), note=LOW_EFFECTS_ALONE)
        if _cancelled(windows, self._weights) > _MOST_CANCELLED:
            return DownmixChoice(only=int(heard.argmax()), note=CHANNELS_CANCEL)
        used = heard > _UNUSED * heard.max()
        return DownmixChoice(gain=1.0 / float(self._weights[used].sum()))

    def _account(
        self,
        channels: NDArray[np.float64],
        weights: NDArray[np.float64],
        mixed: NDArray[np.float64],
        rate: int,
    ) -> None:
        if self._weights is None:
            self._weights, self._window = weights, np.zeros((3, len(weights) + 1))
        if not np.array_equal(weights, self._weights):
            self._one_layout = False
            return
        rows = np.vstack([channels, mixed])
        self._window += [np.full(len(rows), rows.shape[1]), rows.sum(axis=1), (rows**2).sum(axis=1)]
        if self._window[0, 0] >= _WINDOW_SECONDS * rate:
            self._windows.append(self._window)
            self._window = np.zeros_like(self._window)


def _cancelled(windows: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """The share of the sound, in power, that lies in windows in which the channels cancel each other."""
    energy = _variance(windows) * windows[:, 0]
    unrelated = energy[:, :-1] @ np.square(weights)
    lost = energy[:, -1] < _CANCELLED * unrelated
    # Sound that only steps from one window to the next has no power within any.
    return float(unrelated[lost].sum() / max(unrelated.sum(), np.finfo(np.float64).tiny))


def _variance(moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., channels) of samples, sums and sums of squares (..., 3, channels)."""
    count = np.maximum(moments[..., 0, :], 1)
    variance: NDArray[np.float64] = np.maximum(
        moments[..., 2, :] / count - (moments[..., 1, :] / count) ** 2, 0.0
    )
    return variance
