"""An executor without processes: what it is handed, it does at once, from what the task itself carries."""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

from emofuse.runs.executor import Finished
from emofuse.runs.processes import Task
from emofuse.runs.settings import RunSettings


class InTurn:
    """Kills the tasks whose folder has the name of a victim."""

    at_once = 2

    def __init__(self, victim: str = "") -> None:
        self.victim, self.ran = victim, list[str]()

    def prepare(self, *arguments: object) -> None:
        """Nothing to prepare."""

    def run(
        self, tasks: Mapping[Path, Task], settings: Sequence[RunSettings], folder: Path, *, finished: Finished
    ) -> None:
        for path, task in tasks.items():
            self.ran.append(path.relative_to(folder).as_posix())
            if self.victim and self.victim in path.parts:
                finished(path, "its process died")
                continue
            pickle.loads(pickle.dumps(task))(path)
            finished(path, None)
