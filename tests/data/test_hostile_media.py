"""Small recordings whose time stamps lie: bounded in memory, and set aside where they cannot be read."""

import resource
import subprocess
import sys

import pytest

from tests.conftest import SHARED

READ = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
from emofuse.data.audio import read_audio
from emofuse.data.frames import read_frames
from emofuse.data.media_error import MediaError
for read in (read_audio, lambda path: read_frames(path, n=3, size=(32, 32))):
    try:
        print(read(Path(sys.argv[1])).nbytes)
    except MediaError as error:
        print(error.reason)
"""
LYING = ("gap599x100.mp4", "gap599x3_192k.mkv", "mjpegpcm-58-lie.avi", "h264frag-0-flip_head.mp4")


@pytest.mark.parametrize("name", LYING)
def test_a_recording_that_lies_about_its_time_takes_no_gigabytes(name: str) -> None:
    path = SHARED / "cases" / name
    if not path.exists():
        pytest.skip(f"the shared material {path} is not on this machine")
    done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    told = done.stdout.split()
    assert len(told) == 2
    for line in told:
        assert not line.isdigit() or int(line) < 200_000_000, told
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 2 << 20
