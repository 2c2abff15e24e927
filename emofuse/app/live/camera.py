"""The system's camera, with the sound of its microphone."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import av
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from emofuse.app.live.media_stream import failure_told, shrunk
from emofuse.app.live.pictures import PICTURE_GAP, PICTURE_RATE, SeenPicture
from emofuse.app.live.sources import Piece, SoundSource
from emofuse.errors import EmofuseError

_MOST_WAITING = 10.0  # seconds of pictures; at 640 by 480 they take 75 MB


@dataclass(frozen=True)
class FilmedBy:
    """A camera, as FFmpeg opens it.

    Attributes:
        device: its name.
        driver: the system's way to cameras: v4l2, avfoundation or dshow.
        options: of the driver.
    """

    device: str
    driver: str
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of_system(cls, device: str = "", platform: str = sys.platform) -> FilmedBy:
        """A camera of this system; the first one where none is named.

        Raises:
            EmofuseError: this system has no first one.
        """
        if platform == "darwin":
            return cls(device or "0", "avfoundation", (("framerate", "30"),))
        if platform == "win32":
            if not device:
                raise EmofuseError("camera: say which, as --input camera:'Integrated Camera'")
            return cls(f"video={device}", "dshow")
        return cls(device or "/dev/video0", "v4l2", (("video_size", "640x480"),))

    @contextmanager
    def opened(self) -> Iterator[InputContainer]:
        """The camera, at work.

        Raises:
            EmofuseError: it is not there, is used by another program, or stops.
        """
        try:
            with av.open(self.device, format=self.driver, options=dict(self.options)) as container:
                yield container
        except (av.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise EmofuseError(
                f"camera {self.device}: cannot be used ({reason}); name another as --input camera:DEVICE, or use --input mic"
            ) from None


class CameraWithMicrophone:
    """Sound of a microphone, with what a camera sees meanwhile.

    Both are put on one clock by when they arrive. What is seen is kept for ten seconds at most while the run answers.

    Args:
        camera: which one.
        microphone: gives the sound.

    Attributes:
        rate: Hz of the sound.
        has_pictures: yes.
        wants_pictures: whether pieces are to hold pictures; the camera is at work only then.

    Raises:
        EmofuseError: the camera cannot be used.
    """

    def __init__(self, camera: FilmedBy, microphone: SoundSource) -> None:
        self.rate = microphone.rate
        self.has_pictures = True
        self.wants_pictures = False
        self._camera, self._microphone = camera, microphone
        self._seen: deque[tuple[float, NDArray[np.uint8]]] = deque(maxlen=round(_MOST_WAITING * PICTURE_RATE))
        self._gone = threading.Event()
        self._failure: EmofuseError | None = None
        with camera.opened():
            pass  # said now, not once the run is loaded

    def pieces(self) -> Iterator[Piece]:
        """Pieces of sound as they are heard, with the pictures that were seen until then."""
        if not self.wants_pictures:
            yield from self._microphone.pieces()
            return
        watching = threading.Thread(target=self._watch, daemon=True)
        watching.start()
        heard, last = 0, 0.0
        try:
            for piece in self._microphone.pieces():
                if self._failure is not None:
                    raise self._failure
                heard += len(piece.samples)
                seen = self._until(piece.arrived, heard / self.rate, last)
                last = seen[-1].time if seen else last
                yield replace(piece, pictures=tuple(seen))
        finally:
            self._gone.set()
            watching.join(timeout=2.0)

    def _watch(self) -> None:
        due = 0.0
        try:
            with self._camera.opened() as container:
                for frame in container.decode(video=0):
                    if self._gone.is_set():
                        return
                    now = time.monotonic()
                    if now >= due:
                        due = now + PICTURE_GAP
                        self._seen.append((now, shrunk(frame)))
            self._failure = EmofuseError(f"camera {self._camera.device}: gives no pictures any more")
        except Exception as error:  # whatever it is: who takes the pictures must be told
            self._failure = failure_told(error, f"camera {self._camera.device}: gives no pictures any more")

    def _until(self, arrived: float, heard: float, last: float) -> list[SeenPicture]:
        """What was seen before a piece arrived that ends at ``heard`` seconds of the stream; in order, lost sound or not."""
        found: list[SeenPicture] = []
        while self._seen and self._seen[0][0] <= arrived:
            when, pixels = self._seen.popleft()
            last = max(last, heard - (arrived - when))
            found.append(SeenPicture(last, pixels))
        return found
