"""Which folders are exported runs."""

from __future__ import annotations

from pathlib import Path

from emofuse.errors import EmofuseError

EXPORT_FILE = "export.json"


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
