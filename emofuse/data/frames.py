"""Read n frames, spread evenly over a part of a video."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from emofuse.data.container import ReadAgainError, checked_segment, open_media, reopened, video_stream
from emofuse.data.frame_decoding import (
    SAME_TIME,
    LostFrameStepError,
    NeededFrames,
    every_frame,
    seconds_shown,
)
from emofuse.data.lengths import stated_end, stream_end, time_stamps_are_plausible
from emofuse.data.media_error import MediaError
from emofuse.data.orientation import orientation_of
from emofuse.data.stills import is_still, read_still
from emofuse.data.utterance import Crop


def read_frames(
    path: Path | str,
    *,
    n: int = 15,
    size: tuple[int, int] | None = None,
    start: float | None = None,
    end: float | None = None,
    crop: Crop | None = None,
) -> NDArray[np.uint8]:
    """Read ``n`` frames at evenly spread times of a segment.

    The segment from ``start`` to ``end`` is cut in ``n`` equal parts, and the frame taken for each is the one
    on screen at the middle of the part: the last whose time stamp is not after it (the video's first, where
    none is). Nothing is assumed of the frame rate. A frame on screen for more than one part is repeated.

    An ``end`` beyond the end of the video means the end of the video. Of a damaged or cut off file the frames
    that decode are used, as if the video ended with the last of them.

    Pictures are turned and mirrored as the file's display matrix says. They are stretched to ``size`` whatever their shape;
    pixels that are not square are not compensated for. Transparency is dropped, and more than eight bits
    per channel are reduced to eight.

    With ``crop`` only that half of the picture as shown is taken, and stretched to ``size``; where the two
    halves meet, scaling blends a pixel or two of one into the other.

    A file that is a single picture is on screen at all times.

    Args:
        path: the video file, or a picture's.
        n: how many frames.
        size: height and width of the result in pixels; by default those of the first frame, or of its half.
        start: begin of the segment in seconds of the file's clock; by default, or below zero, its zero.
        end: end of the segment in seconds; by default the end of the video.
        crop: the half of the picture to take; by default all of it.

    Returns:
        RGB frames (n, H, W, 3), uint8, in order of time. No more than these and one decoded picture are held
        at any moment.

    Raises:
        MediaError: if the file is missing, is no video, or has no frame in the segment.
        ValueError: if ``n`` or ``size`` is not positive.
    """
    if n < 1 or (size is not None and min(size) < 1):
        raise ValueError(f"at least one frame of at least one pixel can be read, not n={n}, size={size}")
    if is_still(path):
        return np.repeat(read_still(path, size=size, crop=crop)[None], n, axis=0)
    request = _Request(Path(path), *checked_segment(path, start, end), n, size, crop)
    known = _Known()
    while True:  # at most three turns: one that fails settles for good one of the two doubts in `known`
        try:
            with open_media(path) as container:
                return _Attempt(container, request, known).read()
        except LostFrameStepError:
            known.shortcuts_work = False
        except _EndsEarlyError as early:
            known.end, known.end_is_sure = early.time, True


class _EndsEarlyError(ReadAgainError):
    """The last frame comes well before the video was believed to end."""

    def __init__(self, time: float) -> None:
        self.time = time


@dataclass(frozen=True)
class _Request:
    path: Path
    begin: float
    finish: float
    n: int
    size: tuple[int, int] | None
    crop: Crop | None


@dataclass
class _Known:
    """What earlier attempts have found out about the video."""

    end: float | None = None  # seconds
    end_is_sure: bool = False  # all was decoded up to it
    shortcuts_work: bool = True


class _Selection:
    """Takes, from frames in order of time, those on screen at given times."""

    def __init__(
        self, times: Sequence[float], size: tuple[int, int] | None, crop: Crop | None = None
    ) -> None:
        self.times, self.size, self.crop = times, size, crop
        self.frames: NDArray[np.uint8] | None = None
        self.on_screen: VideoFrame | None = None
        self.since = -math.inf
        self._filled = 0
        self._taken: VideoFrame | None = None
        self._converter = VideoReformatter()  # kept, because setting one up costs more than using it

    @property
    def complete(self) -> bool:
        return self._filled == len(self.times)

    @property
    def target(self) -> float:
        return self.times[self._filled]

    def offer(self, time: float, frame: VideoFrame) -> None:
        """Show the next frame."""
        while not self.complete and time > self.target + SAME_TIME:
            self._take(frame if self.on_screen is None else self.on_screen)
        self.on_screen, self.since = frame, time

    def finish(self) -> None:
        """No frame follows: the last one stays on screen."""
        while not self.complete and self.on_screen is not None:
            self._take(self.on_screen)

    def _take(self, frame: VideoFrame) -> None:
        if self.frames is None:
            pixels = _rgb(frame, self.size, self.crop, self._converter)
            self.frames = np.empty((len(self.times), *pixels.shape), np.uint8)
            self.size = (pixels.shape[0], pixels.shape[1])
            self.frames[0] = pixels
        elif frame is self._taken:
            self.frames[self._filled] = self.frames[self._filled - 1]
        else:
            self.frames[self._filled] = _rgb(frame, self.size, self.crop, self._converter)
        self._taken = frame
        self._filled += 1


def _rgb(
    frame: VideoFrame, size: tuple[int, int] | None, crop: Crop | None, converter: VideoReformatter
) -> NDArray[np.uint8]:
    """A decoded picture, turned, mirrored, scaled and cropped: (H, W, 3)."""
    orientation = orientation_of(frame)
    height, width = size or orientation.size(frame.height, frame.width)
    if crop:
        # Frames cannot be cut before they are converted: both halves are scaled, to the size asked for each.
        half = width if size else max(1, width // 2)
        width = 2 * half
    stored = orientation.size(height, width)
    picture = converter.reformat(
        frame, width=stored[1], height=stored[0], format="rgb24", interpolation="BICUBIC", threads=1
    )
    pixels = orientation.shown(picture.to_ndarray().astype(np.uint8, copy=False))
    if not crop:
        return pixels
    return pixels[:, :half] if crop == "left" else pixels[:, half:]


class _Attempt:
    """One reading of the frames, in the light of what is known of the video."""

    def __init__(self, container: InputContainer, request: _Request, known: _Known) -> None:
        self.container, self.request, self.known = container, request, known
        self.stream = video_stream(container, request.path)
        # Where its time stamps are not to be believed, pictures follow each other at its rate.
        self.counted = not time_stamps_are_plausible(container, self.stream)

    def read(self) -> NDArray[np.uint8]:
        """The frames.

        Raises:
            LostFrameStepError: if a shortcut failed.
            _EndsEarlyError: if the video turned out to be shorter than known.
        """
        moved = self._measure_end()
        begin, finish = self.request.begin, self.request.finish
        if self.known.end is not None:
            finish = min(finish, self.known.end)
        if not begin < finish < math.inf:
            raise self._nothing_decoded()
        middles = begin + (np.arange(self.request.n) + 0.5) / self.request.n * (finish - begin)
        selection = _Selection(middles.tolist(), self.request.size, self.request.crop)
        for time, frame in self._frames(selection, moved):
            if selection.on_screen is None and time >= finish:
                what = f"the video begins at {time:.3f} s, but the segment ends at {finish:.3f} s"
                raise MediaError(self.request.path, "no-frames-in-segment", what)
            selection.offer(time, frame)
            if selection.complete:
                break
        else:
            self._check_end(selection, finish)
            selection.finish()
        if selection.frames is None:
            raise self._nothing_decoded()
        return selection.frames

    def _measure_end(self) -> bool:
        """Find out when the video ends, if that matters; True if the reading position was moved for it."""
        stated = stated_end(self.container, self.stream)
        if self.known.end is not None or (stated is not None and self.request.finish <= stated):
            return False
        if self.counted:  # from its beginning
            with reopened(self.container, self.stream) as (again, same):
                self.known.end = stream_end(again, same)
            return False
        self.known.end = stream_end(self.container, self.stream)
        return True

    def _frames(self, selection: _Selection, moved: bool) -> Iterable[tuple[float, VideoFrame]]:
        if self.counted or not self.known.shortcuts_work:
            return every_frame(self.container, self.stream, counted=self.counted)
        return NeededFrames(self.container, self.stream, selection, moved)

    def _check_end(self, selection: _Selection, finish: float) -> None:
        """The frames ran out: is that because the video ends before the segment?"""
        if selection.on_screen is None:
            if self.known.shortcuts_work:
                raise LostFrameStepError
            return
        shown = seconds_shown(selection.on_screen, self.stream)
        if not self.known.end_is_sure and selection.since + shown < finish - shown:
            raise _EndsEarlyError(selection.since + shown)

    def _nothing_decoded(self) -> MediaError:
        begin, known_end = self.request.begin, self.known.end
        stated = stated_end(self.container, self.stream)
        if known_end is None or (stated is not None and begin < stated):
            what = f"no picture from {begin:.3f} s on can be decoded: the file is cut off or damaged"
            return MediaError(self.request.path, "truncated", what)
        what = f"the segment begins at {begin:.3f} s, but the video ends at {known_end:.3f} s"
        return MediaError(self.request.path, "no-frames-in-segment", what)
