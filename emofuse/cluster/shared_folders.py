"""Whether a node sees the folders that the command works with. All nodes need them under the same names."""

from __future__ import annotations

import os
import platform
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from emofuse.errors import EmofuseError

_PATIENCE_SECONDS = 5.0  # a network file system may show a new file late


class UnseenFolderError(EmofuseError):
    """A node lacks a folder; every task would fail there."""


@dataclass(frozen=True)
class SharedFolders:
    """What a node must see, as plain data.

    Attributes:
        working: folder that the command was started in; paths may be relative to it.
        mark: a file that the command has just made where results go, so that the folder is the same and not just called
            the same.
        read: files and folders that are read.
    """

    working: str
    mark: str
    read: tuple[str, ...]

    def enter(self) -> None:
        """Work in the command's own folder.

        Raises:
            UnseenFolderError: this node does not see something.
        """
        try:
            os.chdir(self.working)
        except OSError:
            raise _unseen(self.working) from None
        for path in self.read:
            if not Path(path).exists():
                raise _unseen(path)
        last = time.monotonic() + _PATIENCE_SECONDS
        while not Path(self.mark).exists():
            if time.monotonic() > last:
                raise _unseen(str(Path(self.mark).parent))
            time.sleep(0.1)


def _unseen(path: str) -> UnseenFolderError:
    return UnseenFolderError(
        f"node {platform.node()} does not see {path} as this machine does; every node needs the same folders under the same "
        "names, on a shared file system"
    )


@contextmanager
def shared_folders(results: Path, read: Iterable[Path]) -> Iterator[SharedFolders]:
    """What the nodes must see while the command works.

    Args:
        results: folder that they write into; made if need be.
        read: files and folders that they read.
    """
    results = results.absolute()
    results.mkdir(parents=True, exist_ok=True)
    mark = results / f".seen-{uuid.uuid4().hex[:12]}"
    mark.touch()
    try:
        yield SharedFolders(str(Path.cwd()), str(mark), tuple(str(path.absolute()) for path in read))
    finally:
        mark.unlink(missing_ok=True)
