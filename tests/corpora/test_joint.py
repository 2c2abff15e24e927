"""Several corpora as one manifest."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from emofuse import EmofuseError, Manifest
from emofuse.cli.main import app
from emofuse.corpora.joint import join_corpora
from emofuse.data.media_writer import write_wav
from tests.small_runs import text_corpus


@pytest.fixture
def two(tmp_path: Path) -> dict[str, Manifest]:
    return {
        "a": text_corpus(tmp_path / "a", dialogues=4, turns=3),
        "b": text_corpus(tmp_path / "b", dialogues=6, turns=3, joy="happy"),
    }


def test_rows_of_all_with_names_that_cannot_clash(two: dict[str, Manifest], tmp_path: Path) -> None:
    joint = join_corpora(two, tmp_path, labels={"b": {"happy": "joy", "anger": ""}}).validate()
    assert len(joint) == 12 + 18
    assert joint.labels == ["anger", "joy", "sadness"]
    rows = {row.id: row for row in joint.rows()}
    assert rows["a-d0t0"].dialogue == "a-d0"
    assert rows["b-d0t0"].speaker == f"b-{two['b'].utterance('d0t0').speaker}"
    for row in two["b"].rows():
        expected = {"happy": "joy", "anger": None}.get(row.label or "", row.label)
        assert rows[f"b-{row.id}"].label == expected
        assert rows[f"b-{row.id}"].text == row.text
    assert joint.frame["corpus"].value_counts().to_dict() == {"a": 12, "b": 18}


def test_rows_that_lose_their_label_are_no_training_rows(two: dict[str, Manifest], tmp_path: Path) -> None:
    parts = {
        name: Manifest.from_frame(manifest.frame.assign(split="train"), manifest.root)
        for name, manifest in two.items()
    }
    frame = join_corpora(parts, tmp_path, labels={"b": {"happy": ""}}).validate().frame
    assert frame.loc[frame["label"].isna(), "split"].isna().all()
    assert frame.loc[frame["label"].notna(), "split"].eq("train").all()
    assert 0 < frame["label"].isna().sum() < 18
    # A value is something to learn.
    valued = parts["b"].frame.assign(valence=1.0)
    parts["b"] = Manifest.from_frame(valued, parts["b"].root)
    frame = join_corpora(parts, tmp_path, labels={"b": {"happy": ""}}).validate().frame
    assert frame["split"].eq("train").all()


def test_so_many_training_utterances_in_whole_dialogues(two: dict[str, Manifest], tmp_path: Path) -> None:
    frame = two["b"].frame.copy()
    frame["split"] = ["test" if dialogue == "d5" else "train" for dialogue in frame["dialogue"]]
    parts = {**two, "b": Manifest.from_frame(frame, two["b"].root)}
    joint = join_corpora(parts, tmp_path, take={"b": 7}, seed=3)
    kept = joint.frame[joint.frame["corpus"] == "b"]
    counts = kept[kept["split"] == "train"]["dialogue"].value_counts()
    assert counts.tolist() == [3, 3]
    assert (kept["split"] == "test").sum() == 3
    again = join_corpora(parts, tmp_path, take={"b": 7}, seed=3)
    assert again.ids == joint.ids


def test_media_are_found_from_the_new_folder(tmp_path: Path) -> None:
    parts = {}
    for name in ("a", "b"):
        write_wav(tmp_path / name / "x.wav", np.zeros(1600, np.float32), 16000)
        rows = pd.DataFrame([{"id": "1", "audio": "x.wav", "label": "joy"}])
        parts[name] = Manifest.from_frame(rows, tmp_path / name)
    joint = join_corpora(parts, tmp_path).validate()
    assert joint.frame["audio"].tolist() == ["a/x.wav", "b/x.wav"]
    inside = join_corpora(parts, tmp_path / "a")
    with pytest.raises(EmofuseError):
        inside.check_target(tmp_path / "a" / "joint.csv")


def test_what_cannot_be_joined_is_a_line(two: dict[str, Manifest], tmp_path: Path) -> None:
    with pytest.raises(EmofuseError, match="two corpora or more"):
        join_corpora({"a": two["a"]}, tmp_path)
    with pytest.raises(EmofuseError, match="a has no label 'happy'"):
        join_corpora(two, tmp_path, labels={"a": {"happy": "joy"}})
    with pytest.raises(EmofuseError, match="names the corpus c"):
        join_corpora(two, tmp_path, take={"c": 3})


def test_the_command(two: dict[str, Manifest], tmp_path: Path) -> None:
    out = tmp_path / "joint.csv"
    files = [f"{name}={manifest.root / 'manifest.csv'}" for name, manifest in two.items()]
    options = ["--labels", "b:happy=joy", "--take", "a=6", "-o", str(out)]
    result = CliRunner().invoke(app, ["prepare", "joint", *files, *options])
    assert result.exit_code == 0, result.output
    assert "a: 6 utterances" in result.output
    assert len(Manifest.read(out).validate()) == 24
    for wrong in (["--take", "a=x"], ["--labels", "b.happy"]):
        refused = CliRunner().invoke(app, ["prepare", "joint", *files, *wrong, "-o", str(out)])
        assert isinstance(refused.exception, EmofuseError)


@pytest.mark.parametrize("column", ["dialogue", "speaker"])
def test_names_that_would_be_those_of_two_corpora_are_refused(
    two: dict[str, Manifest], tmp_path: Path, column: str
) -> None:
    longer = two["b"]
    apart = {"a": two["a"], "a-b": longer}
    assert len(join_corpora(apart, tmp_path)) == len(two["a"]) + len(longer)
    frame = two["a"].frame.copy()
    frame[column] = f"b-{longer.frame[column].iloc[0]}"
    apart["a"] = Manifest.from_frame(frame, two["a"].root)
    with pytest.raises(EmofuseError, match=f"the corpora a and a-b would share the {column} 'a-b-"):
        join_corpora(apart, tmp_path)
