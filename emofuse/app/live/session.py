"""One conversation: sound in, utterances and their latency out. Who asks the run is not its matter."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emofuse.app.live.cutter import Cut, CutSettings, SpeechBegan, UtteranceCutter
from emofuse.app.live.detectors import EnergyGate, SpeechDetector
from emofuse.data.resampling import Resampler
from emofuse.data.sampling_rate import RATE


@dataclass(frozen=True)
class Latency:
    """From the end of an utterance to its answer, in seconds.

    Attributes:
        pause: of silence, until it was known to have ended.
        answer: from then on, waiting for its turn included.
    """

    pause: float
    answer: float

    @property
    def total(self) -> float:
        """Both."""
        return self.pause + self.answer


@dataclass(frozen=True)
class HeardCut:
    """An utterance, and when its end was known.

    Attributes:
        number: of the utterance, from 0.
        cut: the utterance.
        known: when the piece of sound arrived that ended it, in seconds of ``time.monotonic``.
    """

    number: int
    cut: Cut
    known: float

    def latency(self) -> Latency:
        """Now that the answer is there."""
        return Latency(self.cut.decided - self.cut.end, time.monotonic() - self.known)


class LiveSession:
    """Cuts a stream at any rate.

    Args:
        rate: Hz of what comes.
        detector: of speech; the energy gate by default.
        settings: what an utterance is.
    """

    def __init__(
        self, rate: int, detector: SpeechDetector | None = None, settings: CutSettings | None = None
    ) -> None:
        self._rate = rate
        self._resampler = Resampler(RATE)
        self._cutter = UtteranceCutter(detector or EnergyGate(), settings)
        self._number = 0

    @property
    def seconds(self) -> float:
        """Of the stream, so far."""
        return self._cutter.seconds

    def push(
        self, samples: NDArray[np.float32], arrived: float | None = None
    ) -> list[SpeechBegan | HeardCut]:
        """Take the next samples (n,) in [-1, 1].

        Args:
            samples: at the session's rate.
            arrived: when they came, in seconds of ``time.monotonic``; now by default.
        """
        when = time.monotonic() if arrived is None else arrived
        ready = self._resampler.push(samples, self._rate)
        return [event for chunk in ready for event in self._numbered(self._cutter.push(chunk), when)]

    def flush(self) -> list[SpeechBegan | HeardCut]:
        """The stream has ended."""
        when = time.monotonic()
        events = [e for chunk in self._resampler.flush() for e in self._cutter.push(chunk)]
        return self._numbered([*events, *self._cutter.flush()], when)

    def _numbered(self, events: Sequence[SpeechBegan | Cut], when: float) -> list[SpeechBegan | HeardCut]:
        done: list[SpeechBegan | HeardCut] = []
        for event in events:
            if isinstance(event, Cut):
                done.append(HeardCut(self._number, event, when))
                self._number += 1
            else:
                done.append(event)
        return done


def samples_of_pcm(data: bytes) -> NDArray[np.float32]:
    """Signed 16-bit little-endian PCM, one channel, as samples in [-1, 1]; an odd last byte is dropped."""
    usable = len(data) - len(data) % 2
    return np.frombuffer(data[:usable], "<i2").astype(np.float32) / 32768.0
