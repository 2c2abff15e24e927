"""Utterances cut out of a stream of sound as it comes, in bounded memory."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emofuse.app.live.detectors import BLOCK, BLOCK_SECONDS, SpeechDetector, level_of

_OUT_OF_STEP = 2.0  # seconds; sound and pictures do not come in step


@dataclass(frozen=True)
class CutSettings:
    """What an utterance is, in seconds.

    Attributes:
        pause: silence that ends one.
        shortest: speech that makes one; a click is none.
        longest: after which one is cut at its quietest moment, though nobody has paused.
        padding: sound before and after the speech that belongs to it.
    """

    pause: float = 0.5
    shortest: float = 0.25
    longest: float = 15.0
    padding: float = 0.15

    @property
    def reach(self) -> float:
        """Seconds of a stream that an utterance may reach back when its end is known, with room for pictures out of step."""
        return self.longest + self.pause + _OUT_OF_STEP


@dataclass(frozen=True)
class SpeechBegan:
    """Somebody has begun to speak.

    Attributes:
        start: seconds of the stream.
    """

    start: float


@dataclass(frozen=True)
class Cut:
    """An utterance that has ended.

    Attributes:
        start: seconds of the stream, where the speech begins.
        end: where it ends.
        decided: how much of the stream had come when its end was known.
        samples: (n,) float32 at 16 kHz, with the padding.
    """

    start: float
    end: float
    decided: float
    samples: NDArray[np.float32]


class UtteranceCutter:
    """Takes sound in pieces of any length, gives utterances.

    Args:
        detector: says of every block whether somebody speaks.
        settings: what an utterance is.
    """

    def __init__(self, detector: SpeechDetector, settings: CutSettings | None = None) -> None:
        self._detector = detector
        self._settings = settings or CutSettings()
        self._rest = np.zeros(0, np.float32)
        self._taken = 0  # blocks
        self._before: deque[NDArray[np.float32]] = deque(maxlen=_blocks(self._settings.padding))
        self._blocks: list[NDArray[np.float32]] = []
        self._lead = 0  # blocks of padding among them
        self._spoken = 0  # blocks with speech among them
        self._quiet = 0  # blocks since the last one with speech
        self._announced = False

    @property
    def seconds(self) -> float:
        """Of the stream, so far."""
        return self._taken * BLOCK_SECONDS

    def push(self, samples: NDArray[np.float32]) -> list[SpeechBegan | Cut]:
        """Take the next samples (n,) at 16 kHz, in [-1, 1]."""
        sound = np.concatenate([self._rest, samples])
        full = len(sound) // BLOCK * BLOCK
        self._rest = sound[full:].copy()
        events: list[SpeechBegan | Cut] = []
        for block in sound[:full].reshape(-1, BLOCK):
            events += self._take(block.copy())
        return events

    def flush(self) -> list[SpeechBegan | Cut]:
        """The stream has ended: what is spoken is an utterance."""
        cut = self._close() if self._blocks else None
        self._forget()
        return [] if cut is None else [cut]

    def _take(self, block: NDArray[np.float32]) -> list[SpeechBegan | Cut]:
        speaks = self._detector(block)
        self._taken += 1
        if not self._blocks and not speaks:
            self._before.append(block)
            return []
        if not self._blocks:
            self._blocks, self._lead = [*self._before], len(self._before)
            self._before.clear()
        self._blocks.append(block)
        self._spoken += speaks
        self._quiet = 0 if speaks else self._quiet + 1
        events: list[SpeechBegan | Cut] = []
        if not self._announced and self._is_long_enough:
            self._announced = True
            events.append(SpeechBegan(self._start))
        if self._quiet >= _blocks(self._settings.pause):
            cut = self._close()
            self._before.extend(self._blocks[-(self._before.maxlen or 1) :])
            self._forget()
            events += [] if cut is None else [cut]
        elif len(self._blocks) - self._lead >= _blocks(self._settings.longest):
            events.append(self._split())
        return events

    @property
    def _is_long_enough(self) -> bool:
        return self._spoken >= _blocks(self._settings.shortest)

    @property
    def _start(self) -> float:
        return (self._taken - len(self._blocks) + self._lead) * BLOCK_SECONDS

    def _close(self) -> Cut | None:
        """The utterance that ends with the last block that has speech."""
        if not self._is_long_enough:
            return None
        kept = len(self._blocks) - self._quiet + min(self._quiet, _blocks(self._settings.padding))
        return Cut(
            start=self._start,
            end=(self._taken - self._quiet) * BLOCK_SECONDS,
            decided=self.seconds,
            samples=np.concatenate(self._blocks[:kept]),
        )

    def _split(self) -> Cut:
        """The first part of one that goes on for too long, up to the quietest block of its second half."""
        begin = self._lead + (len(self._blocks) - self._lead) // 2
        levels = [level_of(block) for block in self._blocks[begin:]]
        place = begin + int(np.argmin(levels)) + 1
        first, rest = self._blocks[:place], self._blocks[place:]
        cut = Cut(
            start=self._start,
            end=(self._taken - len(rest)) * BLOCK_SECONDS,
            decided=self.seconds,
            samples=np.concatenate(first),
        )
        self._blocks, self._lead = rest, 0
        self._spoken = len(rest) - min(self._quiet, len(rest))
        if not rest:  # what comes is another utterance, and is announced as one
            self._forget()
        return cut

    def _forget(self) -> None:
        self._blocks, self._lead, self._spoken, self._quiet, self._announced = [], 0, 0, 0, False


def _blocks(seconds: float) -> int:
    return max(1, round(seconds / BLOCK_SECONDS))
