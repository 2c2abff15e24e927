import subprocess
import sys
from pathlib import Path

import pytest

from emofuse.errors import EmofuseError
from emofuse.runs.folder_lock import LOCK_FILE, locked_folder

HOLDER = """
import sys
from pathlib import Path
from emofuse.runs.folder_lock import locked_folder
with locked_folder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_job_is_refused_until_the_first_has_ended_however_it_ended(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(EmofuseError, match="another job is under way"), locked_folder(tmp_path):
            pass
    finally:
        holder.kill()
        holder.communicate()
    assert (tmp_path / LOCK_FILE).exists(), "left behind by the kill"
    with locked_folder(tmp_path):
        pass


def test_an_old_lock_file_locks_nothing(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).write_text("12345")
    with locked_folder(tmp_path):
        pass
