"""An encoder of voices that is not asked where nobody speaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emofuse.data.sampling_rate import RATE
from emofuse.features.identity import EncoderIdentity, UnusableInputError, UtteranceEncoder, needs_of
from emofuse.recordings.voice_activity import VoiceActivity, is_installed

# Of RAVDESS's 1080 recordings the one least like speech, a shout, reaches 0.21; a room's noise stays below 0.13.
HEARD = 0.2
# In less sound, voice activity misses one voice in forty; such a sound is taken for speech.
SHORTEST = 1.0


class SpeechOnly:
    """Another encoder of sound, which refuses sound without speech as ``no-speech``; what it gives is that one's.

    Args:
        encoder: of voices.
    """

    def __init__(self, encoder: UtteranceEncoder) -> None:
        self._encoder = encoder
        self._activity: VoiceActivity | None = None  # made when the first sound comes: words alone need none
        self.needs = needs_of(encoder)

    @property
    def identity(self) -> EncoderIdentity:
        """That of the encoder, whose numbers these are."""
        return self._encoder.identity

    @property
    def dim(self) -> int:
        """Features per vector."""
        return self._encoder.dim

    def encode(self, items: Sequence[Any]) -> np.ndarray | list[np.ndarray]:
        """As the encoder.

        Raises:
            UnusableInputError: ``no-speech``, where no speech is heard in one of them.
            EmofuseError: as the encoder.
        """
        if not all(map(self._is_speech, items)):
            raise UnusableInputError("no-speech", "no speech is heard")
        return self._encoder.encode(items)

    def _is_speech(self, samples: NDArray[np.float32]) -> bool:
        if len(samples) < SHORTEST * RATE:
            return True
        if self._activity is None:
            self._activity = VoiceActivity()
        self._activity.forget()
        heard = np.concatenate([self._activity.push(samples), self._activity.finish()])
        return bool(heard.max() >= HEARD)


def where_speech_is_heard(encoder: UtteranceEncoder) -> UtteranceEncoder:
    """The encoder for speech alone where voice activity (extra ``segment``) is installed, else as it is."""
    return SpeechOnly(encoder) if is_installed() else encoder
