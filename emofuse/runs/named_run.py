"""Which folder a run's name means: a folder, the starter, or a run on the hub."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True)
class ForeignRun(RunFolder):
    """A run that is no folder of the user's: what is found about it is written elsewhere.

    Attributes:
        place: the folder for it.
    """

    place: Path

    def inside(self, *names: str) -> Path:
        """The same below ``place``, such as ``starter-evaluations/NAME``."""
        return RunFolder(self.place).inside(*(names[1:] if names[:1] == ("evaluations",) else names))


def run_to_evaluate(run: Path | str) -> RunFolder:
    """A run that is scored on other data; of the starter and of a run of the hub ``NAME-evaluations`` takes the scores.

    Raises:
        EmofuseError: as :func:`run_folder_of`.
    """
    folder = run_folder_of(run)
    if not is_foreign(run):
        return folder
    return ForeignRun(folder.path, Path(f"{'-'.join(Path(run).parts)}-evaluations"))


def is_foreign(run: Path | str) -> bool:
    """Whether a name means the starter or a run of the hub, and no folder of the user's."""
    return is_starter(run) or is_hub_name(run)


def is_starter(run: Path | str) -> bool:
    """Whether the starter is meant, which comes by pip, and no folder of its name."""
    return str(run) == STARTER and not (Path(run) / "run.json").exists()
