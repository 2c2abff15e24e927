"""Which folders are exported runs, and where the program of one lies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from emofuse.errors import EmofuseError

EXPORT_FILE = "export.json"
PROGRAM_FILES: Mapping[str, str] = {"onnx": "model.onnx", "torch": "model.pt2"}


def is_export(folder: Path) -> bool:
    """Whether a folder is an exported run."""
    return (folder / EXPORT_FILE).is_file()


def exported_below(folder: Path) -> Path:
    """The exported run that a folder is, or holds as ``export``.

    Raises:
        EmofuseError: it is none and holds none.
    """
    for place in (folder, folder / "export"):
        if is_export(place):
            return place
    raise EmofuseError(
        f"{folder}: has not been exported; run `emofuse export {folder} -o {folder / 'export'}` and name either folder"
    )
