"""A job of which processes die; in a module of its own, since each process loads it."""

import os
import signal
from dataclasses import dataclass

from emofuse.errors import EmofuseError


@dataclass(frozen=True)
class DeadlyJob:
    """Tasks that say what they do: end well, fail, or kill their process."""

    begins: bool = True

    def begin(self) -> str:
        if not self.begins:
            raise EmofuseError("no such run")
        return "held"

    def do(self, held: str, task: str) -> None:
        if task == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if task == "fail":
            raise ValueError("two\nlines")
