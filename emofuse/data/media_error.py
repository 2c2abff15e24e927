"""The one error for media that cannot be used."""

from pathlib import Path
from typing import Literal

from emofuse.data.wording import shown
from emofuse.errors import EmofuseError

Reason = Literal[
    "missing-file",
    "not-downloaded",
    "unreadable",
    "empty-file",
    "not-media",
    "truncated",
    "no-video",
    "no-audio",
    "no-decoder",
    "undecodable",
    "bad-segment",
    "no-frames-in-segment",
    "no-samples-in-segment",
    "not-finite",
    "too-large",
    "out-of-memory",
    "bad-timestamps",
    "silent",
]


class MediaError(EmofuseError):
    """A media file, or the part of it asked for, cannot be used.

    Attributes:
        path: the file.
        reason: a short code, one of :data:`Reason`, for counting and for ``quarantine.csv``.
        what: the reason in words, one line.
    """

    def __init__(self, path: Path | str, reason: Reason, what: str) -> None:
        super().__init__(path, reason, what)  # all three, so that the error survives the way out of a worker
        self.path = Path(path)
        self.reason: Reason = reason
        self.what = " ".join(what.split())

    def __str__(self) -> str:
        # A file name need not be valid text, and a message must be printable.
        return shown(f"{self.path}: {self.what} [{self.reason}]")
