"""Processes that work for another end with it, however it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

WORKERS = {"trainings": 1, "clips": 2}  # the first training runs alone


def alive(process: int) -> bool:
    try:
        # One that has ended stays in the list until somebody has asked for its exit code.
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to see other processes")
@pytest.mark.parametrize(
    ("kind", "number"),
    [("trainings", signal.SIGKILL), ("trainings", signal.SIGTERM), ("clips", signal.SIGKILL)],
)
def test_nothing_lives_on_when_the_parent_is_killed(tmp_path: Path, kind: str, number: int) -> None:
    command = [sys.executable, "-m", "tests.experiments.killed_pools", kind, str(tmp_path)]
    parent = subprocess.Popen(command, cwd=Path(__file__).parents[2], env=os.environ)
    workers: set[int] = set()
    deadline = time.monotonic() + 120
    while len(workers) < WORKERS[kind] and time.monotonic() < deadline:
        assert parent.poll() is None
        workers = {int(file.stem) for file in tmp_path.rglob("*.pid")}
        time.sleep(0.05)
    assert len(workers) == WORKERS[kind]
    assert all(map(alive, workers))
    parent.send_signal(number)
    parent.wait(timeout=30)
    deadline = time.monotonic() + 30
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    living = {process for process in workers if alive(process)}
    for process in living:
        os.kill(process, signal.SIGKILL)
    assert not living
