"""The list of media set aside survives interruptions and never holds one thing twice."""

from pathlib import Path

import pytest

from emofuse.data.quarantine import COLUMNS, Quarantine
from emofuse.errors import EmofuseError


def test_no_entry_no_file(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "quarantine.csv")
    assert len(quarantine) == 0
    assert quarantine.summary() == "nothing set aside"
    assert list(tmp_path.iterdir()) == []


def test_entries_are_on_disk_at_once(tmp_path: Path) -> None:
    path = tmp_path / "run" / "quarantine.csv"
    quarantine = Quarantine(path)
    quarantine.add("d1_u1", "video", Path("clips/süß, 1.mp4"), "truncated", "cut off\nat 3 s")
    assert path.read_text("utf-8").splitlines() == [
        ",".join(COLUMNS),
        'd1_u1,video,"clips/süß, 1.mp4",truncated,cut off at 3 s',
    ]
    assert [entry.file for entry in Quarantine(path).entries] == ["clips/süß, 1.mp4"]


def test_same_medium_is_listed_once_with_its_latest_reason(tmp_path: Path) -> None:
    path = tmp_path / "quarantine.csv"
    first = Quarantine(path)
    for _ in range(3):
        first.add("u1", "video", "a.mp4", "missing-file", "there is no such file")
    first.add("u1", "audio", "a.mp4", "no-audio", "it holds no sound")
    assert len(first) == 2
    assert len(path.read_text().splitlines()) == 3
    resumed = Quarantine(path)
    resumed.add("u1", "video", "a.mp4", "truncated", "cut off")
    again = Quarantine(path)
    assert [(e.id, e.modality, e.reason) for e in again.entries] == [
        ("u1", "video", "truncated"),
        ("u1", "audio", "no-audio"),
    ]
    assert len(path.read_text().splitlines()) == 3, "reading the list again leaves out what was replaced"


def test_what_was_replaced_goes_from_the_file_when_the_work_is_done(tmp_path: Path) -> None:
    path = tmp_path / "quarantine.csv"
    Quarantine(path).add("u1", "video", "a.mp4", "no-video", "has no video stream")
    second, other = Quarantine(path), Quarantine(path)
    second.add("u1", "video", "a.mp4", "no-video", "it holds no video")
    other.add("u2", "video", "b.mp4", "truncated", "cut off")
    second.tidy()
    assert path.read_text().splitlines()[1:] == [
        "u1,video,a.mp4,no-video,it holds no video",
        "u2,video,b.mp4,truncated,cut off",
    ]


def test_two_programs_may_share_the_file(tmp_path: Path) -> None:
    one, two = Quarantine(tmp_path / "quarantine.csv"), Quarantine(tmp_path / "quarantine.csv")
    for number in range(5):
        one.add(f"a{number}", "video", "a.mp4", "truncated", "cut off")
        two.add(f"b{number}", "video", "b.mp4", "truncated", "cut off")
    assert len(Quarantine(tmp_path / "quarantine.csv")) == 10


def test_an_interrupted_write_costs_one_entry_only(tmp_path: Path) -> None:
    path = tmp_path / "quarantine.csv"
    quarantine = Quarantine(path)
    for number in range(3):
        quarantine.add(f"u{number}", "video", "a.mp4", "truncated", 'cut off, "früh"')
    whole = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        resumed = Quarantine(path)
        complete = sum(end <= length for end in ends)
        assert [entry.id for entry in resumed.entries] == ["u0", "u1", "u2"][: max(0, complete - 1)]
        resumed.add("u9", "audio", "a.mp4", "no-audio", "it holds no sound")
        assert Quarantine(path).entries == resumed.entries


def test_discard_takes_an_entry_back(tmp_path: Path) -> None:
    path = tmp_path / "quarantine.csv"
    quarantine = Quarantine(path)
    quarantine.add("u1", "video", "a.mp4", "truncated", "cut off")
    quarantine.add("u2", "video", "b.mp4", "truncated", "cut off")
    quarantine.discard("u1", "video")
    quarantine.discard("u1", "audio")
    assert [entry.id for entry in Quarantine(path).entries] == ["u2"]


def test_summary_counts_reasons(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "quarantine.csv")
    for number, reason in enumerate(["no-audio", "truncated", "truncated"]):
        quarantine.add(f"u{number}", "video", "a.mp4", reason, "words")
    assert quarantine.reasons() == {"truncated": 2, "no-audio": 1}
    assert quarantine.summary() == f"3 set aside (2 truncated, 1 no-audio): {quarantine.path}"


def test_a_name_that_is_no_text_is_written_readably(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "quarantine.csv")
    quarantine.add("u1", "video", b"\xff.mp4".decode(errors="surrogateescape"), "not-media", "words")
    assert Quarantine(tmp_path / "quarantine.csv").entries[0].file == "\\udcff.mp4"


@pytest.mark.parametrize("content", [b"id,text\n1,hello\n", b"\xff\xfe\x00", b"no list at all"])
def test_refuses_another_file_and_leaves_it_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "quarantine.csv"
    path.write_bytes(content)
    with pytest.raises(EmofuseError, match=r"quarantine\.csv: not a list"):
        Quarantine(path)
    assert path.read_bytes() == content
