"""Collect sound of any rates at one rate, in memory that holds it once."""

from __future__ import annotations

import av
import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray


class Resampler:
    """Brings chunks of mono sound to one rate, ``rate`` Hz, as they come.

    Every method returns what has become ready, which lags behind by a few samples.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._converter: av.AudioResampler | None = None
        self._own_rate = 0

    def push(self, sound: NDArray[np.float32], own_rate: int) -> list[NDArray[np.float32]]:
        """Add sound (samples,) that was taken at ``own_rate`` Hz."""
        ready = []
        if own_rate != self._own_rate:
            ready = self.flush()
            self._own_rate = own_rate
            if own_rate != self.rate:
                self._converter = av.AudioResampler(format="fltp", layout="mono", rate=self.rate)
        if self._converter is None:
            return [*ready, sound]
        if len(sound):
            samples = np.ascontiguousarray(sound[None])
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate = own_rate
            ready += _samples(self._converter.resample(frame))
        return ready

    def push_silence(self, count: int, own_rate: int) -> list[NDArray[np.float32]]:
        """Add ``count`` samples of silence, a second at a time, so that their own rate takes no memory."""
        ready = []
        for begin in range(0, count, own_rate):
            ready += self.push(np.zeros(min(own_rate, count - begin), np.float32), own_rate)
        return ready

    def flush(self) -> list[NDArray[np.float32]]:
        """The rest of what was added."""
        converter, self._converter, self._own_rate = self._converter, None, 0
        return [] if converter is None else _samples(converter.resample(None))


class SoundBuffer:
    """Samples one after the other in one piece of memory that grows in place."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def extend(self, chunks: list[NDArray[np.float32]]) -> None:
        """Add chunks (samples,) at the end."""
        for chunk in chunks:
            self._bytes += np.ascontiguousarray(chunk, np.float32).view(np.uint8).data

    def result(self, samples: int) -> NDArray[np.float32]:
        """All sound, cut or filled up to ``samples``; nothing can be added afterwards."""
        wanted = 4 * samples
        if len(self._bytes) < wanted:
            self._bytes += bytes(wanted - len(self._bytes))
        del self._bytes[wanted:]
        return np.frombuffer(self._bytes, np.float32)


def _samples(frames: list[AudioFrame]) -> list[NDArray[np.float32]]:
    return [frame.to_ndarray()[0].astype(np.float32) for frame in frames]
