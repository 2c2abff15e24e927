"""What a media file holds, and the error for one that cannot be used."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from av.video.stream import VideoStream

from emofuse.data.container import best_stream, first_frame, open_media, stored_size
from emofuse.data.lengths import recording_end
from emofuse.data.media_error import MediaError, Reason
from emofuse.data.orientation import orientation_of
from emofuse.data.stills import is_still, still_size

__all__ = ["MediaError", "MediaInfo", "Reason", "probe"]


@dataclass(frozen=True)
class MediaInfo:
    """What a file holds.

    Attributes:
        duration: seconds until the last of picture and sound ends, by their packets; None if that is not known, and of
            a single picture's file.
        has_video: whether there is a video stream; the cover picture of a sound file is none, nor is a single
            picture beside much longer sound.
        has_audio: whether there is an audio stream.
        width: of the picture as shown, that is after rotation, in pixels; None without video, or if PyAV has
            no decoder for it.
        height: likewise.
        frame_rate: mean frames per second; None without video, or if that is not known.
        rotation: degrees, counter-clockwise, by which the stored picture is turned to be shown: 0, 90, 180
            or 270.
        mirrored: whether left and right are exchanged after that.
    """

    duration: float | None
    has_video: bool
    has_audio: bool
    width: int | None = None
    height: int | None = None
    frame_rate: float | None = None
    rotation: int = 0
    mirrored: bool = False


def probe(path: Path | str) -> MediaInfo:
    """Say what a media file holds; of the pictures only the first is decoded, of the packets the last are read.

    What was found is remembered until the file changes.

    Args:
        path: the file.

    Raises:
        MediaError: if it is missing, empty, unreadable or not a recording.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 - of a text too
    except (OSError, ValueError):
        return _look_into(path)  # which says what is wrong
    return _remembered(
        str(path), (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    )


@lru_cache(maxsize=256)
def _remembered(path: str, _version: tuple[int, ...]) -> MediaInfo:
    return _look_into(path)


def _look_into(path: Path | str) -> MediaInfo:
    if is_still(path):
        height, width = still_size(path)
        return MediaInfo(None, has_video=True, has_audio=False, width=width, height=height)
    with open_media(path) as container:
        video, audio = best_stream(container, "video"), best_stream(container, "audio")
        orientation = orientation_of(
            first_frame(container, video) if isinstance(video, VideoStream) else None
        )
        duration = recording_end(container)
        if not isinstance(video, VideoStream) or video.codec_context is None:
            return MediaInfo(duration, video is not None, audio is not None)
        height, width = orientation.size(*stored_size(container, video))
        rate = video.average_rate or video.guessed_rate
        return MediaInfo(
            duration=duration,
            has_video=True,
            has_audio=audio is not None,
            width=width,
            height=height,
            frame_rate=float(rate) if rate else None,
            rotation=orientation.degrees,
            mirrored=orientation.mirrored,
        )
