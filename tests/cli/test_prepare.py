"""``emofuse prepare`` on every kind of corpus, as a user runs it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from emofuse.cli.main import app
from emofuse.data.manifest import Manifest, ManifestError
from emofuse.data.quarantine import Quarantine
from emofuse.errors import EmofuseError
from tests.corpora.layouts import CLIP_SECONDS, put


def emofuse(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def ravdess(tmp_path: Path) -> Path:
    put(tmp_path, "Actor_01/01-01-03-01-01-01-01.mp4")
    put(tmp_path, "Actor_01/03-01-03-01-01-01-01.wav")
    put(tmp_path, "Actor_02/01-01-05-02-02-02-02.mp4", b"broken")
    put(tmp_path, "Actor_02/01-02-05-02-02-02-02.mp4")
    return tmp_path


def test_a_corpus_of_recordings(ravdess: Path) -> None:
    result = emofuse("prepare", "ravdess", ravdess, "--quiet")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == f"2 utterances, 2 dialogues, 2 speakers, {CLIP_SECONDS / 3600:.2f} hours"
    assert "text: 2, audio: 1, video: 1" in lines
    assert "published (Livingstone and Russo 2018): speakers 2, 22 fewer than 24" in lines
    assert "left out, not speech: 1 utterance (02-05-02-02-02-02)" in lines
    assert "set aside, video not-media: 1 utterance (01-05-02-02-02-02)" in lines
    assert lines[-1] == f"written: {ravdess / 'manifest.csv'}"
    manifest = Manifest.read(ravdess / "manifest.csv").validate()
    assert [row.video is None for row in manifest.rows()] == [False, True]
    (entry,) = Quarantine(ravdess / "quarantine.csv").entries
    assert (entry.id, entry.modality, entry.reason) == ("01-05-02-02-02-02", "video", "not-media")

    put(ravdess, "Actor_02/01-01-05-02-02-02-02.mp4")
    assert emofuse("prepare", "ravdess", ravdess, "--quiet").exit_code == 0
    assert len(Quarantine(ravdess / "quarantine.csv")) == 0


def test_unchecked_and_as_json(ravdess: Path) -> None:
    out = ravdess / "m.jsonl"
    result = emofuse(
        "prepare", "ravdess", ravdess, "--option", "channel=song", "--no-check-media", "--json", "-o", out
    )
    assert result.exit_code == 0, result.output
    summary = json.loads(result.output)
    assert summary["manifest"] == str(out)
    assert summary["hours"] is None
    assert summary["labels"] == {"(none)": {"angry": 1}}
    assert summary["left_out"]["not song"] == ["01-03-01-01-01-01", "01-05-02-02-02-02"]
    assert summary["differences"][0] == {"what": "all", "found": 1, "published": 1012}
    assert Manifest.read(out).ids == ["02-05-02-02-02-02"]


def test_the_real_transcripts(shared_meld: Path, tmp_path: Path) -> None:
    for name in ("train_sent_emo.csv", "dev_sent_emo.csv"):
        (tmp_path / name).write_bytes((shared_meld / name).read_bytes())
    result = emofuse("prepare", "meld", tmp_path, "--option", "speakers=main")
    assert result.exit_code == 0, result.output
    manifest = Manifest.read(tmp_path / "manifest.csv").validate()
    assert len(manifest) == 9259
    assert manifest.frame["speaker"].nunique() == 6
    assert "left out, not spoken by one of the six main characters: 1839 utterances" in result.output


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_gets_the_manifest(shared_meld: Path, tmp_path: Path, there: bool) -> None:
    out = tmp_path / "meld"
    if there:
        out.mkdir()
    result = emofuse("prepare", "meld", shared_meld, "--out", out)
    assert result.exit_code == 0, result.output
    assert len(Manifest.read(out / "manifest.csv")) == 11098


def test_tables_by_folder_and_by_file(tmp_path: Path) -> None:
    put(tmp_path, "train.csv", "Utterance,Emotion\nhello,joy\n")
    result = emofuse("prepare", "tables", tmp_path)
    assert result.exit_code == 0, result.output
    assert "columns recognised by their names: text=Utterance,label=Emotion" in result.output
    assert Manifest.read(tmp_path / "manifest.csv").utterance("train_row1").split == "train"
    out = tmp_path / "other" / "manifest.csv"
    result = emofuse("prepare", "csv", tmp_path / "train.csv", "--map", "text=Emotion", "-o", out)
    assert result.exit_code == 0, result.output
    assert Manifest.read(out).frame["text"].tolist() == ["joy"]
    assert (
        emofuse("prepare", "tables", tmp_path, "--map", "text=Emotion,label=Emotion", "-o", out).exit_code
        == 0
    )
    assert Manifest.read(out).frame["split"].tolist() == ["train"]


def test_another_tables_manifest_is_not_replaced_unless_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "in/a.csv", "text,label\nhello,joy\nbye,sadness\n")
    put(tmp_path, "in/b.csv", "text,label\nno,anger\n")
    manifest = tmp_path / "manifest.csv"
    assert emofuse("prepare", "csv", "in/a.csv").exit_code == 0
    put(tmp_path, "in/a.csv", "text,label\nhello,anger\nbye,sadness\n")  # a correction
    assert emofuse("prepare", "csv", "in/a.csv").exit_code == 0
    assert Manifest.read(manifest).frame["label"].tolist() == ["anger", "sadness"]
    before = manifest.read_bytes()
    refused = emofuse("prepare", "csv", "in/b.csv")
    assert isinstance(refused.exception, EmofuseError)
    assert "manifest.csv: holds other utterances than these tables; name another with --out" in str(
        refused.exception
    )
    assert manifest.read_bytes() == before
    assert emofuse("prepare", "csv", "in/b.csv", "--out", "manifest.csv").exit_code == 0
    assert Manifest.read(manifest).frame["text"].tolist() == ["no"]


def test_a_table_with_the_names_of_a_manifest_needs_no_map(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", "id,text,label,split,crop,video,mood\na,hello,joy,dev,left,v.mp4,good\n")
    put(tmp_path, "b.csv", "id,label,text,video,crop,split\nb,anger,no,v.mp4,right,test\n")
    put(tmp_path, "v.mp4")
    out = tmp_path / "manifest.jsonl"
    result = emofuse("prepare", "csv", tmp_path / "a.csv", tmp_path / "b.csv", "-o", out)
    assert result.exit_code == 0, result.output
    assert (
        "note: columns taken by their names: id, text, video, label, split, crop; not taken: mood"
        in result.output
    )
    frame = Manifest.read(out).validate().frame
    assert frame[["label", "split", "crop"]].to_numpy().tolist() == [
        ["joy", "val", "left"],
        ["anger", "test", "right"],
    ]
    given = (
        f"train={tmp_path / 'a.csv'},test={tmp_path / 'b.csv'}"  # the parts that files are given for count
    )
    assert emofuse("prepare", "csv", "--split", given, "-o", out).exit_code == 0
    assert Manifest.read(out).frame["split"].tolist() == ["train", "test"]


def test_media_outside_are_told_once_and_before_they_are_opened(
    ravdess: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(*_: object, **__: object) -> None:
        raise AssertionError("recordings were opened")

    monkeypatch.setattr("emofuse.corpora.check_media", opened)
    out = ravdess / "elsewhere" / "manifest.csv"
    result = emofuse("prepare", "ravdess", ravdess, "-o", out, "--quiet")
    assert isinstance(result.exception, EmofuseError)
    assert str(result.exception).splitlines() == [
        f"{out}: cannot be written: 2 problems (rows are counted from 1, after the header)",
        f"  2 rows: video or audio lies outside {out.parent}; write the manifest to {ravdess.resolve()} or a folder "
        f"above, or put the media below {out.parent}",
        "    row 1 (id '01-03-01-01-01-01'), row 2 (id '01-05-02-02-02-02')",
    ]
    assert not out.parent.exists()


def test_a_manifest_that_cannot_be_written_is_told_before_recordings_are_opened(
    ravdess: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emofuse.corpora.check_media", None)
    (ravdess / "manifest.csv").mkdir()
    result = emofuse("prepare", "ravdess", ravdess)
    assert isinstance(result.exception, EmofuseError)
    assert str(result.exception) == f"{ravdess / 'manifest.csv'}: is a folder; name a file"


def test_a_manifest_that_is_wrong_is_told_before_recordings_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emofuse.corpora.check_media", None)
    put(tmp_path, "t.csv", "id,text,audio\na,x,s.wav\na,y,s.wav\n")
    put(tmp_path, "s.wav")
    result = emofuse("prepare", "tables", tmp_path, "-o", tmp_path / "manifest.csv")
    assert isinstance(result.exception, EmofuseError)
    assert "row 2 (id 'a'): has the same id as row 1" in str(result.exception)


def test_all_rows_that_lead_out_of_the_folder_are_listed_with_the_other_faults(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    for name in ("s.wav", "t.wav"):
        put(tmp_path, name)
        (corpus / name).parent.mkdir(exist_ok=True)
        (corpus / name).symlink_to(tmp_path / name)
    put(corpus, "t.csv", "id,text,audio\na,x,s.wav\nb,y,t.wav\nc,z,gone.wav\nc,z,\n")
    result = emofuse("prepare", "tables", corpus, "-o", corpus / "manifest.csv")
    assert isinstance(result.exception, ManifestError)
    problems = [(problem.row, "leads out of" in problem.what) for problem in result.exception.problems]
    assert problems == [(1, True), (2, True), (4, False)]


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (("melt", "."), "there is no corpus 'melt'; perhaps 'meld'"),
        (("meld",), "prepare meld: name the one folder"),
        (("meld", ".", "."), "prepare meld: name the one folder"),
        (("meld", "gone"), "gone: there is no such folder"),
        (("meld", ".", "--option", "speakers"), "--option 'speakers' is not of the form name=value"),
        (("meld", ".", "--option", "speaker=all"), "its options are speakers, target"),
        (("prepared", "."), "there is a manifest already; name another"),
        (("csv", "a.csv"), "a.csv: there is no such file"),
        (
            ("csv", "said.csv"),
            "said.csv: its columns are said, felt; say which column is what with --map, as in --map text=",
        ),
        (("csv", "meld.csv"), "as in --map text=Utterance,label=Emotion"),
        (("csv", "manifest.csv"), "manifest.csv: is one of the tables; name another file with --out"),
    ],
)
def test_mistakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], phrase: str
) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "manifest.csv", "id,text\na,x\n")
    put(tmp_path, "said.csv", "said,felt\nx,joy\n")
    put(tmp_path, "meld.csv", "Utterance,Emotion\nx,joy\n")
    result = emofuse("prepare", *arguments)
    assert isinstance(result.exception, EmofuseError)
    assert phrase in str(result.exception)
    assert (tmp_path / "manifest.csv").read_text() == "id,text\na,x\n"
