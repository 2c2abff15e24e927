"""The pictures of a live stream, kept until the utterance that they belong to has ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PICTURE_RATE = 8.0  # per second
LONGEST_SIDE = 640  # pixels


@dataclass(frozen=True)
class SeenPicture:
    """A picture of a stream.

    Attributes:
        time: seconds of the stream.
        pixels: (H, W, 3) uint8 RGB.
    """

    time: float
    pixels: NDArray[np.uint8]


class PictureBuffer:
    """Holds the last seconds of pictures.

    Args:
        seconds: that are held: those of the longest utterance, and of what ends it.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._held: deque[SeenPicture] = deque(maxlen=max(1, round(2 * seconds * PICTURE_RATE)))

    def add(self, pictures: Sequence[SeenPicture]) -> None:
        """Take the next ones; those that are too old are let go."""
        self._held.extend(pictures)
        while self._held and self._held[0].time < self._held[-1].time - self._seconds:
            self._held.popleft()

    def between(self, start: float, end: float) -> NDArray[np.uint8] | None:
        """What was on screen from ``start`` to ``end``, PICTURE_RATE times a second: (n, H, W, 3); None where nothing was."""
        times = np.array([picture.time for picture in self._held])
        if not len(times) or not ((times >= start) & (times < end)).any():
            return None
        wanted = np.arange(start, end, 1 / PICTURE_RATE) + 0.5 / PICTURE_RATE
        places = np.clip(np.searchsorted(times, wanted, side="right") - 1, 0, None)
        shape = self._held[int(places[-1])].pixels.shape  # a stream may change its size
        chosen = [self._held[int(i)].pixels for i in places]
        return np.stack([pixels for pixels in chosen if pixels.shape == shape])
