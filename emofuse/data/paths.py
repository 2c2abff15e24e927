"""Paths that a file names, resolved so that none leaves the folder of that file."""

# os.path answers False where Path raises (names too long for the system), and is quick on 100,000 paths.
# ruff: noqa: PTH112, PTH113, PTH114, PTH118

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

from emofuse.errors import EmofuseError

ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:[/\\]|[A-Za-z][A-Za-z0-9+.-]+://")
PARENT = re.compile(r"(?:^|[/\\])\.\.(?:[/\\]|$)")


class ContainedPaths:
    """Resolves relative paths against a folder and refuses those that leave it.

    A path must be relative and without ``..``, and what it leads to, symbolic links followed, must lie
    in the folder.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = os.path.realpath(root)
        self._prefix = self.root if self.root.endswith(os.sep) else self.root + os.sep
        self._parents: dict[str, str] = {}

    def resolve(self, relative: str) -> Path:
        """The absolute path; the file need not exist.

        Raises:
            EmofuseError: the path is absolute, has ``..`` or leads out of the folder.
        """
        reason = self.refusal(relative)
        if reason:
            raise EmofuseError(f"path {relative!r} {reason}")
        return Path(self._follow(relative))

    def refusal(self, relative: str) -> str | None:
        """Why a path must not be followed, or None."""
        reason = lexical_refusal(relative)
        if reason is None and not (self._follow(relative) + os.sep).startswith(self._prefix):
            reason = (
                f"leads out of {self.root} (through a link, if it looks inside); "
                "put the file itself there, or keep the manifest in a folder above both"
            )
        return reason

    def file_problem(self, relative: str) -> str | None:
        """Why a path cannot be read as a file of the folder, or None."""
        reason = self.refusal(relative)
        if reason:
            return reason
        target = self._follow(relative)
        if os.path.isfile(target):
            return None
        if os.path.isdir(target):
            return "is a folder, not a file"
        return f"does not exist in {self.root}{self._spelled_otherwise(relative)}"

    def _follow(self, relative: str) -> str:
        # Many files share a folder: links in the folder's own path are followed once.
        folder, name = os.path.split(os.path.join(self.root, relative))
        if folder not in self._parents:
            self._parents[folder] = os.path.realpath(folder)
        target = os.path.join(self._parents[folder], name)
        return os.path.realpath(target) if os.path.islink(target) or name in ("", ".") else target

    def _spelled_otherwise(self, relative: str) -> str:
        variants = {relative.replace("\\", "/"): "with / instead of \\"}
        for form in ("NFC", "NFD"):
            variants[unicodedata.normalize(form, relative)] = f"in Unicode form {form}"
        variants.pop(relative, None)
        for variant, how in variants.items():
            if not self.refusal(variant) and os.path.isfile(self._follow(variant)):
                return f"; the file is there when the path is written {how}"
        return ""


def real_path(path: Path) -> Path:
    """The absolute path, links followed. One that leads in a circle stays as it is: what opens it says what is wrong."""
    return Path(os.path.realpath(path))  # Path.resolve() raises a RuntimeError there, until Python 3.13


def lexical_refusal(relative: str) -> str | None:
    """Why a path is refused by its spelling alone, whatever is on the disk, or None."""
    if ABSOLUTE.match(relative):
        return "is absolute; give it relative to the manifest's folder"
    if PARENT.search(relative):
        return "has '..'; paths must stay in the manifest's folder"
    if "\0" in relative:
        return "holds a NUL character"
    return None
