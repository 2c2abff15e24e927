"""Why a run has failed, as its folder says."""

import os
from pathlib import Path

import pytest

from emofuse.experiments.failures import FAILURE_FILE, failure_of, note_failure


@pytest.mark.timeout(20)  # who opens a pipe waits
def test_what_cannot_be_read_is_an_interruption(tmp_path: Path) -> None:
    file = tmp_path / FAILURE_FILE
    assert failure_of(tmp_path) == "it was interrupted"
    note_failure(tmp_path, "the disk is full", "details")
    assert failure_of(tmp_path) == "the disk is full"
    file.write_bytes(b"\xff\xfe no text")
    assert failure_of(tmp_path) == "it was interrupted"
    file.unlink()
    os.mkfifo(file)
    assert failure_of(tmp_path) == "it was interrupted"
