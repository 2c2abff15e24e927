"""Why a run of an experiment failed, kept in its folder."""

from __future__ import annotations

from pathlib import Path

from emofuse.data.atomic import write_text_aside
from emofuse.data.stored_files import stored_text
from emofuse.errors import EmofuseError

FAILURE_FILE = "failure.txt"


def note_failure(path: Path, reason: str, details: str = "") -> None:
    """Leave the reason of a failure, one line, and its details in a run's folder."""
    write_text_aside(path / FAILURE_FILE, f"{reason}\n\n{details}")


def failure_of(path: Path) -> str:
    """Why a run that is not finished is not, in one line."""
    try:
        return stored_text(path / FAILURE_FILE, "delete it").splitlines()[0]
    except (EmofuseError, IndexError):  # a damaged file tells nothing either
        return "it was interrupted"
