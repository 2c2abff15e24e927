"""What is taken of the pictures of one stream: so many a second, so many bytes, and so many that cannot be read."""

from __future__ import annotations

from emofuse.app.live.jpegs import JpegPicture, RefusedPictureError, check_jpeg
from emofuse.app.live.pictures import PICTURE_GAP, PICTURE_RATE, PictureBuffer

LARGEST_PICTURE = 1 << 17  # bytes; one of 640 by 480 takes 30 to 80 KB
MOST_REFUSED = 20  # pictures of a stream


class PictureIntake:
    """Pictures as they come in, those of the last seconds.

    Args:
        seconds: that are kept: those of the longest utterance, and of what ends it.
    """

    def __init__(self, seconds: float) -> None:
        self._buffer: PictureBuffer[JpegPicture] = PictureBuffer(seconds)
        self._due = 0.0
        self._has_told = False
        self._refused = 0

    @property
    def is_abused(self) -> bool:
        """Whether so many could not be taken that the stream had better end."""
        return self._refused >= MOST_REFUSED

    def take(self, data: bytes, time: float) -> str | None:
        """Take a picture, or say in a line why not.

        Args:
            data: a JPEG, as a client sent it.
            time: seconds of the stream's sound that have come.
        """
        try:
            if len(data) > LARGEST_PICTURE:
                raise RefusedPictureError(f"a picture has at most {LARGEST_PICTURE} bytes")
            if time < self._due:
                return self._too_soon()
            check_jpeg(data)
        except RefusedPictureError as error:
            self._refused += 1
            return str(error)
        # By the clock of the sound: one who sends pictures and no sound fills no memory.
        self._due = time + PICTURE_GAP
        self._buffer.add([JpegPicture(time, data)])
        return None

    def between(self, start: float, end: float) -> tuple[bytes, ...]:
        """What was seen from ``start`` to ``end`` seconds, evenly spread."""
        return tuple(picture.data for picture in self._buffer.between(start, end))

    def _too_soon(self) -> str | None:
        if self._has_told:
            return None
        self._has_told = True
        return f"pictures come faster than {PICTURE_RATE:.0f} for each second of sound; those between are left out"
