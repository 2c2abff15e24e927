"""The manifest that lies where a new one is to be written."""

from __future__ import annotations

from pathlib import Path

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError


def replaced_manifest(target: Path, option: str) -> Manifest | None:
    """Read it; None where nothing lies there.

    Args:
        target: the file to be written.
        option: how the command line names another file.

    Raises:
        EmofuseError: something else lies there, which would be lost.
    """
    if not target.exists():
        return None
    try:
        return Manifest.read(target)
    except EmofuseError:
        raise EmofuseError(
            f"{target}: is there already and is no manifest; name another file with {option}"
        ) from None
