"""Files are whole or not there, and what a kill leaves is taken away by the next process."""

import errno
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

from emofuse.data.atomic import (
    folder_written_aside,
    kept_if_complete,
    name_aside,
    write_text_aside,
    written_aside,
)
from emofuse.data.output_paths import explain_os_error

KILLED = """
import os, signal, sys
from pathlib import Path
from emofuse.data.atomic import name_aside, written_aside
folder = Path(sys.argv[1])
(name_aside(folder / "saving")).mkdir()
with written_aside(folder / "figure.png") as aside:
    aside.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def _write(folder: Path) -> None:
    write_text_aside(folder / "other.txt", "whole")


def test_what_a_killed_process_leaves_is_taken_away_by_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False)
    (folder / ".figure.0123456789ab.png").write_bytes(b"somebody else's")
    left = {file.name.split(".")[1] for file in folder.iterdir()}
    assert left == {"saving", "figure"}
    assert len(list(folder.iterdir())) == 3
    process = multiprocessing.get_context("spawn").Process(target=_write, args=(folder,))
    process.start()
    process.join()
    assert {file.name for file in folder.iterdir()} == {"other.txt", ".figure.0123456789ab.png"}


def test_a_leftover_of_a_process_that_no_system_has_stops_no_writing(tmp_path: Path) -> None:
    host = name_aside(tmp_path / "other" / "a.txt").name.split(".")[2].split("-")[0]
    strange = tmp_path / f".a.{host}-{10**30}-0123456789ab.txt"
    strange.touch()
    _write(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {strange.name, "other.txt"}


def test_what_a_living_process_is_writing_stays(tmp_path: Path) -> None:
    with written_aside(tmp_path / "a.txt") as aside:
        aside.write_text("half")
        process = multiprocessing.get_context("spawn").Process(target=_write, args=(tmp_path,))
        process.start()
        process.join()
        assert aside.read_text() == "half"
    assert {file.name for file in tmp_path.iterdir()} == {"a.txt", "other.txt"}


@pytest.mark.parametrize("source", [None, "/some/source"])
def test_a_full_disk_is_told_of_the_file_that_was_asked_for(tmp_path: Path, source: str | None) -> None:
    def write() -> None:
        with written_aside(tmp_path / "a.txt") as aside:
            aside.write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device", source)

    with pytest.raises(OSError, match="No space") as caught:
        write()
    assert explain_os_error(caught.value).startswith(f"{tmp_path / 'a.txt'}: No space left on device; make")
    assert not list(tmp_path.iterdir())


class FixedError(OSError):
    """As those of PyAV: what file it is of cannot be changed."""

    filename = property(lambda self: "/some/source")  # type: ignore[assignment]


@pytest.mark.parametrize("error", [OSError, FixedError])
def test_a_full_disk_leaves_nothing_of_a_file_or_a_folder(error: type[OSError], tmp_path: Path) -> None:
    def write_file() -> None:
        with written_aside(tmp_path / "clip.mp4"):
            raise error(errno.ENOSPC, "No space left on device")

    def write_folder() -> None:
        with folder_written_aside(tmp_path / "deep" / "program") as aside:
            (aside / "model.onnx").write_bytes(b"half")
            raise error(errno.ENOSPC, "No space left on device")

    for write, target in ((write_file, tmp_path / "clip.mp4"), (write_folder, tmp_path / "deep" / "program")):
        with pytest.raises(OSError, match="No space left") as caught:
            write()
        assert explain_os_error(caught.value).startswith(f"{target}: No space left on device; make room")
        assert not [file for file in target.parent.iterdir() if file.is_file() or file.name != "deep"]


def test_a_folder_written_aside_appears_when_it_is_whole(tmp_path: Path) -> None:
    with folder_written_aside(tmp_path / "program") as aside:
        (aside / "model.onnx").write_bytes(b"whole")
        assert not (tmp_path / "program").exists()
    assert [str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*")] == [
        "program",
        "program/model.onnx",
    ]


def test_a_name_as_long_as_the_system_takes(tmp_path: Path) -> None:
    target = tmp_path / ("é" * 125 + ".json")
    write_text_aside(target, "{}")
    assert target.read_text() == "{}"
    assert [file.name for file in tmp_path.iterdir()] == [target.name]


def test_a_name_aside_keeps_the_suffix(tmp_path: Path) -> None:
    aside = name_aside(tmp_path / "clip.mp4")
    assert (aside.suffix, aside.name[0], aside.parent) == (".mp4", ".", tmp_path)
    assert str(os.getpid()) in aside.name


def test_a_folder_of_a_failure_is_taken_away_if_it_was_not_there(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        with kept_if_complete(folder):
            (folder / "part").mkdir(parents=True)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail(tmp_path / "new" / "deep")
    assert not list(tmp_path.iterdir())
    (tmp_path / "old").mkdir()
    with pytest.raises(ValueError, match="no"):
        fail(tmp_path / "old")
    assert (tmp_path / "old" / "part").is_dir()


def test_a_read_only_disk_is_told_of_the_file_that_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, *arguments: object, **options: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))

    monkeypatch.setattr(Path, "write_text", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(OSError, match="Read-only") as caught:
        write_text_aside(tmp_path / "a.txt", "all")
    assert explain_os_error(caught.value) == f"{tmp_path / 'a.txt'}: Read-only file system; write elsewhere"


def test_a_name_that_is_too_long_is_told_as_it_was_asked_for(tmp_path: Path) -> None:
    target = tmp_path / ("a" * 251 + ".json")
    with pytest.raises(OSError, match="too long") as caught:
        write_text_aside(target, "{}")
    assert explain_os_error(caught.value) == f"{target}: File name too long; choose a shorter name"
    assert not list(tmp_path.iterdir())


def test_a_folder_that_another_process_has_written_meanwhile_is_told_by_its_name(tmp_path: Path) -> None:
    def write() -> None:
        with folder_written_aside(tmp_path / "exported"):
            (tmp_path / "exported").mkdir()
            (tmp_path / "exported" / "theirs").touch()

    with pytest.raises(OSError, match="not empty") as caught:
        write()
    told = explain_os_error(caught.value)
    assert told.startswith(f"{tmp_path / 'exported'}: ")
    assert "choose another name" in told
    assert [file.name for file in tmp_path.iterdir()] == ["exported"]
