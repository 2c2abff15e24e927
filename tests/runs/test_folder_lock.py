import errno
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock, LeaseCompromise

from emofuse.errors import EmofuseError, EmofuseWarning
from emofuse.runs import folder_lock
from emofuse.runs.folder_lock import LOCK_FILE, locked_folder
from tests.forked_command import ForkedCommand


def hold() -> None:
    with locked_folder(Path(sys.argv[1])):
        print("held", flush=True)
        time.sleep(100)


def test_a_second_job_is_refused_until_the_first_has_ended_however_it_ended(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    holder = ForkedCommand([folder], tmp_path / "printed", hold)
    try:
        holder.wait_until(lambda: holder.log.exists() and holder.log.read_text() == "held\n")
        with pytest.raises(EmofuseError, match="another job is under way"), locked_folder(folder):
            pass
    finally:
        holder.end(signal.SIGKILL)
    assert (folder / LOCK_FILE).exists(), "left behind by the kill"
    with locked_folder(folder):
        pass


@pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="only Linux tells what has become of a process"
)
def test_a_job_that_was_killed_and_that_nobody_has_waited_for_is_no_other_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_lock, "LEASE_SECONDS", 0.5)
    folder = tmp_path / "run"
    folder.mkdir()
    holder = ForkedCommand([folder], tmp_path / "printed", hold)
    holder.wait_until(lambda: holder.log.exists() and holder.log.read_text() == "held\n")
    os.kill(holder.pid, signal.SIGKILL)
    os.waitid(
        os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT
    )  # it has ended, and stays in the list of processes
    try:
        with locked_folder(folder):
            pass
    finally:
        holder.wait()


@pytest.mark.parametrize("left", ["12345", ""])
def test_an_old_lock_file_locks_nothing(tmp_path: Path, left: str) -> None:
    (tmp_path / LOCK_FILE).write_text(left)
    os.utime(tmp_path / LOCK_FILE, (1, 1))
    with locked_folder(tmp_path):
        assert (tmp_path / LOCK_FILE).read_text() not in {left, ""}


def test_a_claim_whose_record_is_not_written_yet_is_not_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The other job is between making its claim and writing its record.
    (tmp_path / LOCK_FILE).touch()
    made = (tmp_path / LOCK_FILE).stat().st_ino
    monkeypatch.setattr(folder_lock, "_patience", lambda lock: 0)
    with pytest.raises(EmofuseError, match="another job is under way"), locked_folder(tmp_path):
        pass
    assert (tmp_path / LOCK_FILE).stat().st_ino == made


def test_an_empty_file_is_waited_for_and_then_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_lock, "_NOBODYS_SECONDS", 0.3)
    (tmp_path / LOCK_FILE).touch()
    with locked_folder(tmp_path):
        assert (tmp_path / LOCK_FILE).stat().st_size > 0


def lose_claim(folder: Path, taken: bool) -> None:
    with locked_folder(folder):
        file = folder / LOCK_FILE
        if taken:
            claim = re.sub(r"token=\w+", "token=another", file.read_text())
            (folder / "other").write_text(claim)
            (folder / "other").replace(file)
        else:
            file.unlink()
        for _ in range(1000):
            time.sleep(0.01)


@pytest.mark.parametrize("taken", [True, False])
def test_a_job_whose_claim_another_has_taken_is_interrupted_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    monkeypatch.setattr(folder_lock, "LEASE_SECONDS", 0.3)
    with pytest.warns(EmofuseWarning, match=r"another job has taken this folder.*this job stops"):  # noqa: SIM117
        with pytest.raises(KeyboardInterrupt):
            lose_claim(tmp_path, taken)


def test_a_job_whose_claim_has_got_another_number_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setattr(folder_lock, "LEASE_SECONDS", 0.3)
    asked = threading.Event()
    is_ours = folder_lock._is_ours

    def look(lost: LeaseCompromise) -> bool:
        asked.set()
        return is_ours(lost)

    monkeypatch.setattr(folder_lock, "_is_ours", look)
    with locked_folder(tmp_path):
        (tmp_path / "copy").write_text((tmp_path / LOCK_FILE).read_text())
        (tmp_path / "copy").replace(tmp_path / LOCK_FILE)
        assert asked.wait(10)
        time.sleep(0.1)
    assert not [each for each in recwarn if issubclass(each.category, EmofuseWarning)]


def test_a_job_of_an_earlier_version_counts_while_it_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_lock, "_NOBODYS_SECONDS", 0.1)
    refused = pytest.raises(EmofuseError, match="another job is under way")
    with FileLock(tmp_path / LOCK_FILE), refused, locked_folder(tmp_path):
        pass
    with locked_folder(tmp_path):
        pass


def test_a_job_on_another_machine_counts_until_it_has_not_renewed_its_claim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_lock, "LEASE_SECONDS", 0.3)
    file = tmp_path / LOCK_FILE
    with locked_folder(tmp_path):
        claim, host = file.read_text(), folder_lock._this_host()
    assert host in claim
    assert not file.exists()
    file.write_text(claim.replace(host, "another-machine"))
    began = time.monotonic()
    with locked_folder(tmp_path):
        assert 0.3 <= time.monotonic() - began < 30


def test_an_empty_file_of_a_clock_that_was_ahead_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_lock, "_NOBODYS_SECONDS", 0.3)
    (tmp_path / LOCK_FILE).touch()
    os.utime(tmp_path / LOCK_FILE, (time.time() + 1e6,) * 2)
    with locked_folder(tmp_path):
        assert (tmp_path / LOCK_FILE).stat().st_size > 0


def test_a_claim_that_is_renewed_in_another_time_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / LOCK_FILE
    with locked_folder(tmp_path):
        claim = file.read_text().replace(folder_lock._this_host(), "another-machine")
    file.write_text(re.sub(r"duration=.*", "duration=30.0", claim))
    with pytest.raises(EmofuseError, match=r"\.lock: .* remove it") as told, locked_folder(tmp_path):
        pass
    assert "\n" not in str(told.value)


def test_a_full_disk_is_told_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(folder_lock.SoftFileLease, "acquire", full)
    with pytest.raises(OSError, match="No space left") as caught, locked_folder(tmp_path):
        pass
    assert caught.value.filename == str(tmp_path / LOCK_FILE)


def test_who_waits_goes_on_after_the_first(tmp_path: Path) -> None:
    order = []

    def wait() -> None:
        with locked_folder(tmp_path, wait=True):
            order.append("second")

    with locked_folder(tmp_path):
        second = threading.Thread(target=wait)
        second.start()
        time.sleep(0.3)
        order.append("first")
    second.join()
    assert order == ["first", "second"]
