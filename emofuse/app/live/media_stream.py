"""A recording or a stream of the network as it plays, with its pictures: what PyAV opens."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Full, Queue
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.container import InputContainer
from numpy.typing import NDArray

from emofuse.app.live.pictures import LONGEST_SIDE, PICTURE_GAP, SeenPicture
from emofuse.app.live.sources import Piece
from emofuse.data.channels import channels_of, downmix_weights
from emofuse.data.container import MAX_PIXELS, open_media
from emofuse.data.resampling import Resampler
from emofuse.data.sampling_rate import RATE
from emofuse.errors import EmofuseError, reason_of

# Those of live streams that do not wait: what is not taken in time is lost.
_HURRIED = ("rtsp", "rtsps", "rtp", "udp", "srt")
SCHEMES = (*_HURRIED, "http", "https", "tcp", "rtmp")
_SECONDS = 15.0  # to answer at first, and for the next packet
_MOST_WAITING = 30.0  # seconds of sound
_GAP = 0.5  # seconds by which sound and clock may differ before the clock is believed


def is_address(name: str) -> bool:
    """Whether a name is an address of the network that can be listened to."""
    return name.partition("://")[0].lower() in SCHEMES and "://" in name


def _shown(name: str) -> str:
    """A name for a message: of an address without the user and the password that it may hold."""
    scheme, slashes, rest = name.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{slashes}{host.rpartition('@')[2]}{slash}{path}" if is_address(name) else name


class MediaSource:
    """Sound and pictures of a file at its own pace, or of a stream as it comes.

    Args:
        name: a file, or an address (``rtsp://``, ``http://``, ...).
        at_once: a file as fast as it is taken.

    Attributes:
        rate: Hz of the sound.
        has_pictures: whether there is a video stream.
        wants_pictures: whether pieces are to hold pictures.

    Raises:
        EmofuseError: it cannot be opened, or holds no sound.
    """

    def __init__(self, name: str, *, at_once: bool = False) -> None:
        self.rate = RATE
        self.wants_pictures = False
        self._name, self._at_once = name, at_once
        with self._opened() as container:
            if not container.streams.audio:
                raise EmofuseError(f"{_shown(name)}: it holds no sound, and utterances are found by it")
            self.has_pictures = bool(container.streams.video)

    def pieces(self) -> Iterator[Piece]:
        """Pieces as they come; of a stream that does not wait, what is not taken in time is lost, and said to be."""
        if self._name.partition("://")[0].lower() in _HURRIED:
            yield from self._hurried()
        else:
            yield from self._paced(self._read())

    def _paced(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        begun, taken = time.monotonic(), 0
        for piece in pieces:
            taken += len(piece.samples)
            due = begun + taken / self.rate
            if not self._at_once:
                time.sleep(max(0.0, due - time.monotonic()))
            arrived = (
                time.monotonic()
                if self._at_once
                else max(due, piece.arrived if is_address(self._name) else 0)
            )
            yield Piece(piece.samples, arrived, piece.lost, piece.pictures)

    def _hurried(self) -> Iterator[Piece]:
        waiting: Queue[Piece | EmofuseError | None] = Queue(round(_MOST_WAITING / 0.02))
        gone = threading.Event()

        def read() -> None:
            lost = 0.0
            try:
                for piece in self._read():
                    if gone.is_set():
                        return
                    try:
                        waiting.put_nowait(
                            Piece(piece.samples, piece.arrived, piece.lost + lost, piece.pictures)
                        )
                        lost = 0.0
                    except Full:
                        lost += len(piece.samples) / self.rate
                waiting.put(None)
            except Exception as error:  # whatever it is: who waits for pieces must be told
                waiting.put(failure_told(error, f"{_shown(self._name)}: cannot be listened to any more"))

        threading.Thread(target=read, daemon=True).start()
        try:
            while True:
                try:
                    piece = waiting.get(timeout=0.2)
                except Empty:
                    continue
                if isinstance(piece, EmofuseError):
                    raise piece
                if piece is None:
                    return
                yield piece
        finally:
            gone.set()

    def _read(self) -> Iterator[Piece]:
        with self._opened() as container:
            sound = container.streams.audio[0]
            streams: list[Any] = [sound]
            if self.wants_pictures and self.has_pictures:
                streams.append(container.streams.video[0])
                container.streams.video[0].thread_type = "AUTO"
            clock = _Clock(self.rate)
            waiting: list[SeenPicture] = []
            for packet in container.demux(*streams):
                for frame in _decoded(packet):
                    if not isinstance(frame, AudioFrame):
                        picture = clock.picture(frame)
                        waiting += [] if picture is None else [picture]
                        continue
                    samples = clock.sound(frame)
                    if len(samples):
                        yield Piece(samples, time.monotonic(), 0.0, tuple(waiting))
                        waiting = []
            yield Piece(np.zeros(0, np.float32), time.monotonic(), 0.0, tuple(waiting))

    @contextmanager
    def _opened(self) -> Iterator[InputContainer]:
        if not is_address(self._name):
            with open_media(Path(self._name)) as container:
                yield container
            return
        # What the user has named is opened, and whatever a playlist there names over the network; never a file of here.
        options = {
            "protocol_whitelist": "rtsp,rtsps,rtp,srtp,udp,tcp,tls,http,https,httpproxy,crypto,srt,rtmp"
        }
        if self._name.lower().startswith("rtsp"):
            options["rtsp_transport"] = "tcp"
        try:
            with av.open(self._name, options=options, timeout=(_SECONDS, _SECONDS)) as container:
                yield container
        except (av.FFmpegError, OSError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise EmofuseError(f"{_shown(self._name)}: cannot be listened to ({reason})") from None


def failure_told(error: Exception, what: str) -> EmofuseError:
    """An error of a thread that reads, for the one that waits for it: our own as it is, another's in one line.

    Args:
        error: that ended the thread.
        what: cannot be done any more.
    """
    return error if isinstance(error, EmofuseError) else EmofuseError(f"{what} ({reason_of(error)})")


class _Clock:
    """Puts sound and pictures on one clock: seconds of the sound that was handed on."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._resampler = Resampler(rate)
        self._seconds = 0.0
        self._offset: float | None = None  # between the stream's clock and the sound that was handed on
        self._due = 0.0

    def sound(self, frame: AudioFrame) -> NDArray[np.float32]:
        """The samples of a frame at the rate that is asked for, those that are ready."""
        if frame.time is not None:
            offset = float(frame.time) - self._seconds
            if self._offset is None or abs(offset - self._offset) > _GAP:
                self._offset = offset
        self._seconds += frame.samples / frame.sample_rate
        mixed = downmix_weights(frame) @ channels_of(frame)
        ready = list(self._resampler.push(mixed.astype(np.float32), frame.sample_rate))
        return np.concatenate(ready) if ready else np.zeros(0, np.float32)

    def picture(self, frame: av.VideoFrame) -> SeenPicture | None:
        """A picture, small; None where it comes too soon after the last one, or before any sound."""
        if frame.time is None or self._offset is None or frame.width * frame.height > MAX_PIXELS:
            return None
        shown = float(frame.time) - self._offset
        if shown < self._due and self._due - shown < 1.0:
            return None
        self._due = shown + PICTURE_GAP
        return SeenPicture(shown, shrunk(frame))


def shrunk(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """A picture (H, W, 3) RGB of LONGEST_SIDE pixels at most."""
    scale = min(1.0, LONGEST_SIDE / max(frame.width, frame.height))
    width, height = max(2, round(frame.width * scale)), max(2, round(frame.height * scale))
    return frame.reformat(width, height, format="rgb24").to_ndarray().astype(np.uint8, copy=False)


def _decoded(packet: Any) -> list[Any]:
    """The frames of a packet; a damaged one of a stream is left out."""
    try:
        return list(packet.decode())
    except av.InvalidDataError:
        return []
