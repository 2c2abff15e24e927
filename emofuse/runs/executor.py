"""Where many runs are made: in processes of this machine, or on a cluster. Experiments know this interface alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from emofuse.runs.corpus import Progress
from emofuse.runs.processes import Task, death_of, run_in_processes
from emofuse.runs.settings import RunSettings

if TYPE_CHECKING:
    from emofuse.data.manifest import Manifest

Finished = Callable[[Path, str | None], None]


class Executor(Protocol):
    """Runs tasks, each in a process of its own. A task that dies takes no other with it."""

    @property
    def at_once(self) -> int:
        """Most tasks at once."""

    def prepare(
        self, settings: Sequence[RunSettings], manifest: Manifest, folder: Path, progress: Progress
    ) -> None:
        """Make the features that the tasks have in common, where they would all make them at the same time.

        Args:
            settings: of the tasks.
            manifest: their corpus.
            folder: gets the list of what cannot be encoded.
            progress: called with (done, total, what).
        """

    def run(
        self, tasks: Mapping[Path, Task], settings: Sequence[RunSettings], folder: Path, *, finished: Finished
    ) -> None:
        """Run each task.

        Args:
            tasks: run folder → what is to be done there; it is called with the folder and must be picklable.
            settings: of the tasks; they say which threads and devices these take.
            folder: holds the run folders.
            finished: called with the run folder, and with the reason where the task died.
        """


@dataclass(frozen=True)
class LocalProcesses:
    """Processes of this machine.

    Attributes:
        jobs: most at once, as far as memory allows.
    """

    jobs: int

    @property
    def at_once(self) -> int:
        """Most tasks at once."""
        return self.jobs

    def prepare(
        self, settings: Sequence[RunSettings], manifest: Manifest, folder: Path, progress: Progress
    ) -> None:
        """Nothing: the first task runs alone, and the others find the features that it has made."""

    def run(
        self, tasks: Mapping[Path, Task], settings: Sequence[RunSettings], folder: Path, *, finished: Finished
    ) -> None:
        """Run each task; see `Executor`."""
        run_in_processes(
            tasks, self.jobs, finished=lambda path, code: finished(path, death_of(code) if code else None)
        )
