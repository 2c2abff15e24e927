"""Whether somebody speaks, a block of sound at a time."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from emofuse.data.sampling_rate import RATE

BLOCK = 512  # samples, 32 ms
BLOCK_SECONDS = BLOCK / RATE
_SILENT = 1e-10  # power of a block of zeros, so that its level is a number


class SpeechDetector(Protocol):
    """Remembers what came before; one for each conversation."""

    def __call__(self, block: NDArray[np.float32]) -> bool:
        """Whether somebody speaks in the next BLOCK samples at RATE Hz."""


class EnergyGate:
    """Speech is what rises above the noise of the room: a gate over the level, with hysteresis.

    The noise floor follows the level down at once and up slowly, and slower still while the gate is open, so that
    speech does not become the floor. It knows nothing of voices: music and a door open it as well.

    Args:
        opens: dB above the floor at which it opens.
        closes: dB above the floor at which it closes.
        quietest: dB below full scale; what is below opens nothing.
    """

    def __init__(self, opens: float = 12.0, closes: float = 6.0, quietest: float = -50.0) -> None:
        self._opens, self._closes, self._quietest = opens, closes, quietest
        self._floor: float | None = None
        self._is_open = False

    def __call__(self, block: NDArray[np.float32]) -> bool:
        """Whether the gate is open."""
        level = level_of(block)
        if self._floor is None or level < self._floor:
            self._floor = level
        else:
            self._floor += (0.3 if self._is_open else 3.0) * BLOCK_SECONDS  # dB per second
        # A stream that begins with speech has no floor yet; rooms are rarely louder than this.
        floor = min(max(self._floor, self._quietest - self._opens), -30.0)
        self._is_open = level > floor + (self._closes if self._is_open else self._opens)
        return self._is_open


class VoiceGate:
    """Speech is what Silero VAD takes for a voice, with the hysteresis of its package.

    Args:
        opens: probability from which it is speech.
        closes: probability below which it is none any more.

    Raises:
        EmofuseError: the extra ``segment`` is not installed.
    """

    def __init__(self, opens: float = 0.5, closes: float = 0.35) -> None:
        from emofuse.recordings.voice_activity import VoiceActivity

        self._activity = VoiceActivity()
        self._opens, self._closes = opens, closes
        self._is_open = False

    def __call__(self, block: NDArray[np.float32]) -> bool:
        """Whether somebody speaks."""
        probability = float(self._activity.push(block)[-1])
        self._is_open = probability >= (self._closes if self._is_open else self._opens)
        return self._is_open


Gate = Literal["auto", "voice", "energy"]


def make_detector(gate: Gate = "auto") -> SpeechDetector:
    """A detector by name; ``"auto"`` hears voices where that is installed, else loudness.

    Raises:
        EmofuseError: the extra ``segment`` is not installed, and voices were asked for.
    """
    from emofuse.recordings.voice_activity import is_installed

    hears_voices = gate == "voice" or (gate == "auto" and is_installed())
    return VoiceGate() if hears_voices else EnergyGate()


def level_of(block: NDArray[np.float32]) -> float:
    """dB below full scale, of the power of a block."""
    return float(10 * np.log10(np.mean(np.square(block, dtype=np.float64)) + _SILENT))
