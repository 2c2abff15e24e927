import errno
import os
from pathlib import Path

import pytest

from emofuse.data.output_paths import check_new_file, check_new_folder, explain_os_error
from emofuse.errors import EmofuseError


def test_what_can_be_written_is_let_through(tmp_path: Path) -> None:
    check_new_folder(tmp_path)
    check_new_folder(tmp_path / "a" / "b")
    check_new_file(tmp_path / "a" / "b.png")
    (tmp_path / "old.csv").touch()
    check_new_file(tmp_path / "old.csv")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("check", [check_new_folder, check_new_file])
@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("file/inside", "choose another name"),
        ("x" * 300, "choose a shorter name"),
        ("nul\0", "no name for a file"),
    ],
)
def test_what_cannot_is_one_line(check, name: str, line: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "file").touch()
    with pytest.raises(EmofuseError, match=line) as caught:
        check(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_file_is_no_folder_and_a_folder_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmofuseError, match="is a file; name a folder"):
        check_new_folder(tmp_path / "file")
    with pytest.raises(EmofuseError, match="is a folder; name a file"):
        check_new_file(tmp_path)


def test_a_folder_that_cannot_be_written_is_said_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        os, "access", lambda path, mode: False
    )  # as on a read-only disk; root has every right
    with pytest.raises(EmofuseError, match="cannot be written in"):
        check_new_folder(tmp_path / "runs")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_the_systems_refusals_are_told_with_their_place(number: int) -> None:
    line = explain_os_error(OSError(number, os.strerror(number), "/data/run.json"))
    assert line.startswith(f"/data/run.json: {os.strerror(number)}")
    assert "\n" not in explain_os_error(OSError("two\nlines"))


def test_what_a_library_says_of_a_full_disk_is_said_in_the_systems_words() -> None:
    wrapped = OSError(errno.ENOSPC, "Error writing bytes to file. Detail: [errno 28] No space left on device")
    assert explain_os_error(wrapped).startswith("No space left on device; make room")
