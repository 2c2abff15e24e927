"""Which folder a run's name means: a folder, the starter, or a run on the hub."""

from __future__ import annotations

from pathlib import Path

from emofuse.runs.hub import fetch_run, is_hub_name
from emofuse.runs.run_folder import RunFolder
from emofuse.starter import STARTER, starter_folder


def run_folder_of(run: Path | str, *, revision: str | None = None, token: str | None = None) -> RunFolder:
    """The folder of a run, of the starter, or of a run that is fetched from the hub.

    Args:
        run: a folder; where no folder has the name, ``"starter"`` for the starter, or ``"org/name"`` for one on the hub.
        revision: on the hub.
        token: for the hub.

    Raises:
        EmofuseError: there is none, or its training has not finished.
    """
    return RunFolder.open(run_place(run, revision, token))


def run_place(run: Path | str, revision: str | None = None, token: str | None = None) -> Path:
    """The folder that :func:`run_folder_of` opens."""
    if is_starter(run):
        return starter_folder()
    return fetch_run(str(run), revision=revision, token=token) if is_hub_name(run) else Path(run)


def is_starter(run: Path | str) -> bool:
    """Whether the starter is meant, which comes by pip, and no folder of its name."""
    return str(run) == STARTER and not (Path(run) / "run.json").exists()
