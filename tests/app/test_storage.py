import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emofuse.app.refusals import RefusedError
from emofuse.app.storage import Storage, place_of_upload
from emofuse.app.uploads import shown_name

KILLED = """
import os, sys
from pathlib import Path
from emofuse.app.storage import Storage
storage = Storage(100, Path(sys.argv[1]))
(storage.new_folder() / "recording").write_bytes(b"private")
print(storage.folder, flush=True)
os.kill(os.getpid(), 9)
"""


def test_what_a_killed_server_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], capture_output=True, text=True, check=False
    )
    left = Path(done.stdout.strip())
    assert [p.read_bytes() for p in left.rglob("recording")] == [b"private"]
    storage = Storage(100, tmp_path)
    assert not left.exists()
    assert storage.folder.stat().st_mode & 0o777 == 0o700
    storage.close()
    assert list(tmp_path.iterdir()) == []


def test_uploads_together_are_bounded_and_what_the_page_holds_counts(tmp_path: Path) -> None:
    storage = Storage(100, tmp_path)
    storage.take(60)
    with pytest.raises(RefusedError, match="try again later") as refused:
        storage.take(41)
    assert refused.value.status == 503
    storage.keep_for_page(60)
    (storage.page_folder / "x").mkdir()
    (storage.page_folder / "x" / "clip.mp4").write_bytes(bytes(60))
    storage.sweep_page(600)
    assert storage.held == 60
    os.utime(storage.page_folder / "x" / "clip.mp4", (time.time() - 700,) * 2)
    storage.sweep_page(600)
    assert storage.held == 0
    assert not list(storage.page_folder.rglob("*.mp4"))


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "C:\\evil\\a.mp4",
        "a\x00b.mp4",
        "x" * 5000,
        "/dev/stdin",
        "..",
        "",
        "https://a/b.m3u8",
    ],
)
def test_no_part_of_a_client_s_name_becomes_a_path(tmp_path: Path, name: str) -> None:
    assert place_of_upload(tmp_path, name) == tmp_path / "recording"
    shown = shown_name(name)
    assert shown
    assert not set(shown) & set("/\\\x00\n")
    assert len(shown) <= 100


def test_pictures_keep_their_suffix_since_they_are_known_by_it(tmp_path: Path) -> None:
    assert place_of_upload(tmp_path, "../Ü.JPG") == tmp_path / "recording.jpg"
