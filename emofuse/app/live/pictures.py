"""The pictures of a live stream, kept until the utterance that they belong to has ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

PICTURE_RATE = 8.0  # per second
PICTURE_GAP = 0.9 / PICTURE_RATE  # seconds at least between two that are kept: clocks tremble
LONGEST_SIDE = 640  # pixels


class Timed(Protocol):
    """Something that was seen.

    Attributes:
        time: seconds of the stream.
    """

    @property
    def time(self) -> float: ...  # noqa: D102


@dataclass(frozen=True)
class SeenPicture:
    """A picture of a stream.

    Attributes:
        time: seconds of the stream.
        pixels: (H, W, 3) uint8 RGB.
    """

    time: float
    pixels: NDArray[np.uint8]


Seen = TypeVar("Seen", bound=Timed)


class PictureBuffer(Generic[Seen]):
    """Holds the last seconds of pictures.

    Args:
        seconds: that are held: those of the longest utterance, and of what ends it.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._held: deque[Seen] = deque(maxlen=max(1, round(2 * seconds * PICTURE_RATE)))

    def add(self, pictures: Sequence[Seen]) -> None:
        """Take the next ones; those that are too old are let go."""
        self._held.extend(pictures)
        while self._held and self._held[0].time < self._held[-1].time - self._seconds:
            self._held.popleft()

    def between(self, start: float, end: float) -> list[Seen]:
        """What was on screen from ``start`` to ``end``, PICTURE_RATE times a second; empty where nothing was."""
        times = np.array([picture.time for picture in self._held])
        if not len(times) or not ((times >= start) & (times < end)).any():
            return []
        wanted = np.arange(start, end, 1 / PICTURE_RATE) + 0.5 / PICTURE_RATE
        places = np.clip(np.searchsorted(times, wanted, side="right") - 1, 0, None)
        return [self._held[int(i)] for i in places]


def as_film(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8] | None:
    """Pictures as (n, H, W, 3), those that have the size of the last one; None where there are none."""
    if not pictures:
        return None
    shape = pictures[-1].shape  # a stream may change its size
    return np.stack([pixels for pixels in pictures if pixels.shape == shape])
