"""A program in a fork of this process, which has loaded everything: a fresh one takes seconds to start."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from emofuse.cli import main

_LONGEST = 100.0


class ForkedCommand:
    """``emofuse ARGUMENTS``, leader of a session of its own as in a terminal.

    Args:
        arguments: of the command line.
        log: file for what it prints; the errors go to the same name with ``.err``.
        program: what reads the arguments, of ``sys.argv``.
    """

    def __init__(self, arguments: list[object], log: Path, program: Callable[[], None] | None = None) -> None:
        self.program = program or main.run
        self.log, self.errors = log, log.with_name(f"{log.name}.err")
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self._run([str(each) for each in arguments])

    def _run(self, arguments: list[str]) -> None:
        code = 99
        try:
            os.setsid()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for number, file in ((1, self.log), (2, self.errors)):
                os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            sys.stdout, sys.stderr = open(1, "w"), open(2, "w")  # noqa: SIM115
            sys.argv = ["emofuse", *arguments]
            self.program()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def wait_until(self, ready: Callable[[], object]) -> None:
        """Go on once something is true of the running command."""
        deadline = time.monotonic() + _LONGEST
        while not ready():
            assert os.waitpid(self.pid, os.WNOHANG)[0] == 0, f"it has ended: {self.errors.read_text()}"
            assert time.monotonic() < deadline, "nothing happened"
            time.sleep(0.02)

    def end(self, number: int) -> tuple[int, str, str]:
        """Send a signal to the whole session, as Ctrl-C in a terminal does; the exit code and what was printed."""
        os.killpg(self.pid, number)
        return self.wait()

    def wait(self) -> tuple[int, str, str]:
        """The exit code and what was printed, once it has ended."""
        deadline = time.monotonic() + _LONGEST
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > deadline:
                os.killpg(self.pid, signal.SIGKILL)
            time.sleep(0.02)
        return os.waitstatus_to_exitcode(status), self.log.read_text(), self.errors.read_text()

    def alive(self) -> list[int]:
        """Processes of the session that are still there."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:  # it has ended
                    continue
                if int(fields[3]) == self.pid and fields[0] != "Z":
                    found.append(int(entry.name))
        return found
