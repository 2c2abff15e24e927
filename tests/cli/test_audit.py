import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from tests.small_runs import text_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return text_corpus(tmp_path_factory.mktemp("corpus"))


def audit(corpus: Manifest, *arguments: object) -> tuple[int, dict]:
    manifest = str(corpus.root / "manifest.csv")
    result = CliRunner().invoke(app, ["audit", manifest, *map(str, arguments), "--json"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, json.loads(result.stdout)


def split_file(path: Path, **parts: list[str]) -> Path:
    path.write_text(json.dumps(parts), encoding="utf-8")
    return path


def turns(*dialogues: int) -> list[str]:
    return [f"d{dialogue}t{turn}" for dialogue in dialogues for turn in range(6)]


def test_a_clean_split_passes_and_a_leaky_one_fails_where_that_is_asked_for(corpus, tmp_path):
    clean = split_file(tmp_path / "clean.json", train=turns(0, 1, 2), dev=turns(3), test=turns(4, 5))
    leaky = split_file(tmp_path / "leaky.json", train=turns(0, 1), test=["d0t0", "d1t1", *turns(2)])
    code, found = audit(corpus, "--split", clean, "--strict", "--ignore", "long_texts")
    assert (code, found["leaks"], found["splits"][0]["warnings"]) == (0, False, [])
    assert audit(corpus, "--split", leaky)[0] == 0
    code, found = audit(corpus, "--split", clean, "--split", leaky, "--strict", "--ignore", "long_texts")
    assert (code, found["leaks"]) == (1, True)
    told = found["splits"][1]["warnings"]
    assert "train/test share 2 dialogues (2 utterances, 25.0 % of test)" in told
    assert "train/test share 2 ids (2 utterances, 25.0 % of test)" in told


def test_protocols_are_audited_over_all_their_folds(corpus):
    code, found = audit(
        corpus,
        "--protocol",
        "speaker",
        "--protocol",
        "random-kfold",
        "--folds",
        "3",
        "--ignore",
        "long_texts",
        "--strict",
    )
    speaker, random = found["splits"]
    assert code == 1
    assert len(speaker["folds"]) == 3
    assert (speaker["optimistic"], random["optimistic"]) == (False, True)
    assert speaker["warnings"] == []
    assert any("share dialogues in 3 of 3 folds" in line for line in random["warnings"])
    assert any("share speakers in 3 of 3 folds" in line for line in random["warnings"])


def test_ids_of_dialogues_stand_for_their_utterances(corpus, tmp_path):
    by_dialogue = split_file(tmp_path / "dialogues.json", train=["d0", "d1"], test=["d2", "nobody"])
    _, found = audit(corpus, "--split", by_dialogue)
    (split,) = found["splits"]
    assert split["note"] == "its ids are dialogues"
    assert split["folds"][0]["sizes"] == {"train": 12, "val": 0, "test": 7}
    assert split["folds"][0]["unknown_ids"] == ["nobody"]


def test_lists_of_ids_are_a_split(corpus, tmp_path):
    for name, ids in {"a": turns(0), "b": turns(1), "c": [*turns(2), "d0t0"]}.items():
        (tmp_path / f"{name}.txt").write_text("\n".join(ids) + "\n\n", encoding="utf-8")
    lists = f"train={tmp_path}/a.txt,Valid={tmp_path}/b.txt,test={tmp_path}/c.txt"
    _, found = audit(corpus, "--split", lists)
    assert found["splits"][0]["folds"][0]["sizes"] == {"train": 6, "val": 6, "test": 7}
    assert any("share 1 ids" in line for line in found["splits"][0]["warnings"])


def test_the_manifests_own_column_is_the_default(corpus, tmp_path):
    with pytest.raises(
        EmofuseError,
        match=r"manifest\.csv: its column split names fewer than two parts; .* --protocol speaker,",
    ):
        audit(corpus)
    # Two speakers leave nobody to validate on, and those of rows without a label count for nothing.
    for speakers, advised in (("a", "dialogue,"), ("ab", "dialogue,"), ("abc", "speaker --folds 3,")):
        names = [speakers[i % len(speakers)] for i in range(len(corpus))]
        frame = corpus.frame.assign(speaker=names)
        frame.loc[len(frame)] = {"id": "unlabelled", "dialogue": "z", "speaker": "z", "text": "Well."}
        some = Manifest.from_frame(frame, tmp_path)
        some.write(tmp_path / "manifest.csv")
        with pytest.raises(EmofuseError, match=f"--protocol {advised}"):
            audit(some)
    _, found = audit(some, "--protocol", "speaker", "--folds", "3")
    assert min(min(fold["sizes"].values()) for fold in found["splits"][0]["folds"]) > 0
    frame = corpus.frame.assign(split=["train"] * 60 + ["test"] * 12)
    other = Manifest.from_frame(frame, tmp_path)
    other.write(tmp_path / "manifest.csv")
    _, found = audit(other, "--ignore", "long_texts")
    assert found["splits"][0]["name"] == "column split"
    assert found["splits"][0]["folds"][0]["sizes"] == {"train": 60, "val": 0, "test": 12}
    assert not found["leaks"]


def test_media_need_not_be_there(tmp_path):
    rows = "id,dialogue,text,video,label,split\na,x,hello there you,clips/a.mp4,joy,train\nb,x,,clips/a.mp4,joy,test\n"
    (tmp_path / "manifest.csv").write_text(rows, encoding="utf-8")
    result = CliRunner().invoke(app, ["audit", str(tmp_path / "manifest.csv")])
    assert result.exit_code == 0, result.output
    assert "train/test share 1 media files" in result.stdout
    assert "leaks: 2" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--ignore", "people"], "--ignore: 'people' is none of dialogues, speakers"),
        (["--protocol", "luck"], "protocol: 'luck' is none of"),
        (["--split", "train=nowhere.txt"], "nowhere.txt: cannot be read"),
        (["--split", "training=x.txt"], "write train=FILE"),
        (["--split", "nowhere.json"], "cannot be read"),
    ],
)
def test_mistakes_are_one_line(corpus, arguments, line):
    with pytest.raises(EmofuseError, match=line) as told:
        audit(corpus, *arguments)
    assert "\n" not in str(told.value)


def test_texts_that_the_run_will_not_read_are_no_leak(corpus):
    assert audit(corpus, "--protocol", "speaker", "--folds", 3, "--strict")[0] == 1
    assert (
        audit(corpus, "--protocol", "speaker", "--folds", 3, "--strict", "--modalities", "audio,video")[0]
        == 0
    )
    with pytest.raises(EmofuseError, match="'sound' is none of text, audio, video"):
        audit(corpus, "--modalities", "sound")
