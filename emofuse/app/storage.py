"""Where uploads and pages lie: a folder of the server's own, which is gone when it ends and cleaned up when it was killed."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from emofuse.app.limits import MEGABYTE
from emofuse.app.refusals import RefusedError
from emofuse.data.atomic import name_aside
from emofuse.data.stills import STILL_SUFFIXES

_NAME = "emofuse-serve"


class Storage:
    """A folder for uploads and pages, and a count of what lies in it or is on its way there.

    Args:
        most: bytes of all of them together.
        where: the folder in which it is made; that of the system for temporary files by default.
    """

    def __init__(self, most: int, where: Path | None = None) -> None:
        self._most = most
        self._held = 0
        self._page = 0
        self._lock = threading.Lock()
        # Called with the bytes that are lacking, before anything is refused; it may release some.
        self.make_room: Callable[[int], None] = lambda _: None
        # The name says which process it belongs to; what a killed one left is taken away by the next one that begins.
        self.folder = name_aside((where or Path(tempfile.gettempdir())) / _NAME)
        self.folder.mkdir(mode=0o700)
        for name in ("jobs", "page", "scratch"):
            (self.folder / name).mkdir(mode=0o700)

    @property
    def held(self) -> int:
        """Bytes that are counted."""
        return self._held + self._page

    @property
    def page_folder(self) -> Path:
        """Of what the page uploads, before it becomes a job."""
        return self.folder / "page"

    @property
    def scratch(self) -> Path:
        """For what workers write down for a moment."""
        return self.folder / "scratch"

    def take(self, count: int) -> None:
        """Count bytes that have come.

        Raises:
            RefusedError: there is no room for them, and none can be made.
        """
        lacking = self._lacking(count)
        if lacking > 0:
            self.make_room(lacking)
            lacking = self._lacking(count)
        if lacking > 0:
            raise RefusedError(
                503,
                f"recordings and pages of {self._most / MEGABYTE:.0f} MB are here already: try again later",
            )

    def _lacking(self, count: int) -> int:
        """Count bytes if there is room for them; otherwise so many are lacking."""
        with self._lock:
            lacking = self._held + self._page + count - self._most
            if lacking <= 0:
                self._held += count
        return lacking

    def keep(self, count: int) -> None:
        """Count bytes that lie here already, whether there is room for them or not."""
        with self._lock:
            self._held += count

    def release(self, count: int) -> None:
        """Bytes that are gone."""
        with self._lock:
            self._held = max(0, self._held - count)

    def keep_for_page(self, count: int) -> None:
        """Bytes that stay in the page's folder until it is swept."""
        with self._lock:
            self._held = max(0, self._held - count)
            self._page += count

    def new_folder(self) -> Path:
        """An empty folder for one job."""
        folder = self.folder / "jobs" / secrets.token_hex(16)
        folder.mkdir(mode=0o700)
        return folder

    def sweep_page(self, seconds: float) -> None:
        """Remove what the page uploaded longer ago than this."""
        oldest, left = time.time() - seconds, 0
        for path in sorted(self.page_folder.rglob("*"), reverse=True):
            with suppress(OSError):  # it may be gone, or a folder that holds something
                about = path.lstat()
                if about.st_mtime >= oldest:
                    left += about.st_size if path.is_file() else 0
                elif path.is_dir():
                    path.rmdir()
                else:
                    path.unlink()
        with self._lock:
            self._page = left

    def close(self) -> None:
        """Remove it all."""
        shutil.rmtree(self.folder, ignore_errors=True)


def place_of_upload(folder: Path, client_name: str) -> Path:
    """Where an upload is kept: no part of the client's name is in it.

    Args:
        folder: of the job.
        client_name: only asked whether it is called a picture, since the project tells pictures by their suffix.
    """
    suffix = next((s for s in STILL_SUFFIXES if client_name.lower().endswith(s)), "")
    return folder / f"recording{suffix}"
