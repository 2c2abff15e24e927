"""A real server in a process of its own, as a user starts it."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path


class Serving:
    """``emofuse serve`` on a free port.

    Args:
        folder: for what it writes down, and for its output.
        arguments: after ``serve``.
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "emofuse", "serve", *arguments, "--port", "0", "--threads", "1"],
                stderr=log,
                stdout=log,
                env=os.environ | {"TMPDIR": str(self.temporary), "HF_HUB_OFFLINE": "1"},
            )
        self.address = self._address()

    def _address(self) -> str:
        until = time.monotonic() + 180
        while time.monotonic() < until and self.process.poll() is None:
            found = re.search(r"serving at (http://[^/]+)/", self.log.read_text("utf-8"))
            if found:
                return found[1]
            time.sleep(0.1)
        raise AssertionError(f"the server did not start: {self.log.read_text('utf-8')}")

    def workers(self) -> list[int]:
        """Process ids of its workers."""
        pid = self.process.pid
        children = [
            int(number)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for number in (task / "children").read_text().split()
        ]
        return [child for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]

    def stop(self) -> None:
        """End it, however it is."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
