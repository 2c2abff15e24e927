"""Where a live stream comes from: a microphone, a camera, a file that plays, or raw PCM from standard input."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Full, Queue
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from emofuse.app.live.pictures import SeenPicture
from emofuse.app.live.session import samples_of_pcm
from emofuse.data.sampling_rate import RATE
from emofuse.errors import EmofuseError

PIECE = 0.032  # seconds
_READ_AHEAD = 60.0  # seconds of a file that are decoded at once
_MOST_WAITING = 30.0  # seconds of a microphone's sound


@dataclass(frozen=True)
class Piece:
    """Some sound.

    Attributes:
        samples: (n,) float32 in [-1, 1]; empty where only sound was lost.
        arrived: when it came, in seconds of ``time.monotonic``.
        lost: seconds that were lost before it.
        pictures: that were seen since the last piece.
    """

    samples: NDArray[np.float32]
    arrived: float
    lost: float = 0.0
    pictures: tuple[SeenPicture, ...] = ()


class SoundSource(Protocol):
    """A stream of sound.

    Attributes:
        rate: Hz.
    """

    rate: int

    def pieces(self) -> Iterator[Piece]:
        """The stream, piece by piece as it comes."""


@runtime_checkable
class PictureSource(SoundSource, Protocol):
    """A stream of sound that may have pictures.

    Attributes:
        has_pictures: whether there are any.
        wants_pictures: whether pieces are to hold them.
    """

    has_pictures: bool
    wants_pictures: bool


def open_source(name: str, *, rate: int = RATE, at_once: bool = False) -> SoundSource:
    """The source of a name.

    Args:
        name: "mic", "camera" (with the microphone) or "camera:DEVICE", "-" for standard input, a file, or an address of the
            network.
        rate: Hz of what comes from standard input.
        at_once: read a file as fast as it is taken, not as fast as it plays.

    Raises:
        EmofuseError: it is not there.
    """
    if name == "mic":
        return Microphone()
    if name == "-":
        return StandardInput(rate)
    if name == "camera" or name.startswith("camera:"):
        from emofuse.app.live.camera import CameraWithMicrophone, FilmedBy

        return CameraWithMicrophone(FilmedBy.of_system(name.partition(":")[2]), Microphone())
    from emofuse.app.live.media_stream import MediaSource, is_address

    if is_address(name):
        return MediaSource(name, at_once=at_once)
    sound = SoundFile(Path(name), at_once=at_once)
    return MediaSource(name, at_once=at_once) if sound.has_video else sound


class SoundFile:
    """A recording that plays.

    Args:
        path: of the file.
        at_once: as fast as it is taken.

    Raises:
        EmofuseError: it cannot be read, or holds no sound.
    """

    def __init__(self, path: Path, *, at_once: bool = False) -> None:
        from emofuse.data.media import probe
        from emofuse.data.media_error import MediaError

        info = probe(path)
        if not info.has_audio:
            raise MediaError(path, "no-audio", "it holds no sound")
        self.has_video = info.has_video
        self.rate = RATE
        self._path, self._at_once = path, at_once

    def pieces(self) -> Iterator[Piece]:
        """Pieces at the pace of the recording."""
        begun, taken = time.monotonic(), 0
        for block in self._decoded():
            for piece in np.array_split(block, max(1, round(len(block) / (PIECE * self.rate)))):
                taken += len(piece)
                if not self._at_once:
                    time.sleep(max(0.0, begun + taken / self.rate - time.monotonic()))
                yield Piece(piece, time.monotonic() if self._at_once else begun + taken / self.rate)

    def _decoded(self) -> Iterator[NDArray[np.float32]]:
        from emofuse.data.audio import read_audio
        from emofuse.data.media_error import MediaError

        start = 0.0
        while True:
            try:
                block = read_audio(self._path, start=start, end=start + _READ_AHEAD, rate=self.rate)
            except MediaError as error:
                if start > 0 and error.reason in ("no-samples-in-segment", "silent"):
                    return
                raise
            yield block
            if len(block) < _READ_AHEAD * self.rate:
                return
            start += _READ_AHEAD


class StandardInput:
    """Raw PCM from standard input: 16 bit, little-endian, one channel.

    Args:
        rate: Hz.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate

    def pieces(self) -> Iterator[Piece]:
        """Pieces as they come; a pipe holds back what is not taken."""
        size = 2 * round(PIECE * self.rate)
        while data := sys.stdin.buffer.read(size):
            yield Piece(samples_of_pcm(data), time.monotonic())


class Microphone:
    """The system's microphone, through PortAudio.

    Raises:
        EmofuseError: PortAudio is not there, or no microphone.
    """

    def __init__(self) -> None:
        self.rate = RATE
        self._sound = _sounddevice()
        self._waiting: Queue[Piece] = Queue(round(_MOST_WAITING / PIECE))
        self._lost = 0.0

    def pieces(self) -> Iterator[Piece]:
        """Pieces as they are heard; what is not taken in time is lost, and said to be."""
        stream = self._sound.InputStream(
            samplerate=self.rate,
            channels=1,
            dtype="float32",
            blocksize=round(PIECE * self.rate),
            callback=self._hear,
        )
        with stream:
            while True:
                try:
                    yield self._waiting.get(timeout=0.2)
                except Empty:
                    continue

    def _hear(self, samples: NDArray[np.float32], count: int, when: object, status: object) -> None:
        try:
            self._waiting.put_nowait(Piece(samples[:, 0].copy(), time.monotonic(), self._lost))
            self._lost = 0.0
        except Full:
            self._lost += count / self.rate


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError:
        raise EmofuseError(
            "a microphone needs sounddevice: pip install 'emofuse[microphone]', or name a file with --input"
        ) from None
    except OSError:
        raise EmofuseError(
            "a microphone needs PortAudio (Debian: apt-get install libportaudio2), or name a file with --input"
        ) from None
    try:
        sounddevice.check_input_settings(channels=1, samplerate=RATE)
    except (sounddevice.PortAudioError, ValueError):
        raise EmofuseError(
            "there is no microphone that can be used; name a file with --input, or - for standard input"
        ) from None
    return sounddevice
