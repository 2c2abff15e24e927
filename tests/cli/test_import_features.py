"""``emofuse import``, as a user runs it."""

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from emofuse.cli.main import app
from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.features import FeatureStore
from tests.features.importers.files import dump, iemocap, unaligned
from tests.forked_command import ForkedCommand


def emofuse(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_mmsa(tmp_path: Path) -> None:
    file = dump(tmp_path / "unaligned_50.pkl", unaligned())
    result = emofuse("import", "mmsa", file, "--out", tmp_path / "mosi", "--pooling", "tokens")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0].split() == ["split", "utterances", "negative", "neutral", "positive"]
    assert lines[1].split() == ["train", "3", "1", "1", "1"]
    assert any(line.startswith("audio: 3 numbers (mmsa/audio, ") for line in lines)
    assert "note: video: 3 of 4 utterances, 1 to 8 steps" in lines
    manifest = Manifest.read(tmp_path / "mosi" / "manifest.csv").validate()
    assert manifest.frame["features"].tolist() == ["text audio video"] * 3 + ["text audio"]
    store = FeatureStore(tmp_path / "mosi" / "features")
    assert {identity.modality for identity in store.identities()} == {"text", "audio", "video"}


def test_json_and_labels(tmp_path: Path) -> None:
    file = dump(tmp_path / "f.pkl", iemocap())
    result = emofuse(
        "import", "conv-emotion", file, "-o", tmp_path / "out", "--labels", "h, s,n,a,e,f", "--json"
    )
    assert result.exit_code == 0, result.output
    summary = json.loads(result.output)
    assert summary["labels"] == {"train": {"f": 1, "n": 1}, "test": {"h": 1}}
    assert summary["features"]["video"]["dim"] == 2
    assert summary["features"]["video"]["kind"] == "imported"


def test_the_real_file(shared_mosi: Path, tmp_path: Path) -> None:
    result = emofuse("import", "mmsa", shared_mosi, "--out", tmp_path / "mosi")
    assert result.exit_code == 0, result.output
    assert len(Manifest.read(tmp_path / "mosi" / "manifest.csv").validate()) == 1447


class Hostile:
    """What would run a command when it is loaded freely."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("style", ["mmsa", "conv-emotion", "multiemo"])
def test_a_hostile_file_is_refused_and_nothing_in_it_has_run(tmp_path: Path, style: str) -> None:
    mark = tmp_path / "ran"
    content = {"train": {"id": ["a"], "text": Hostile(mark)}}
    file = dump(tmp_path / "Speakers.pkl", content)
    code, _, errors = ForkedCommand(
        ["import", style, file, "--out", tmp_path / "out"], tmp_path / "printed"
    ).wait()
    assert code == 2
    (line,) = errors.splitlines()
    assert line.startswith(f"emofuse: {file}: not loaded: it asks for 'posix.system'")
    assert not mark.exists()
    assert not (tmp_path / "out").exists()
    pickle.loads(file.read_bytes())  # to be sure that it was one
    assert mark.exists()


def test_a_failure_leaves_no_folder_that_was_not_there(tmp_path: Path) -> None:
    content = iemocap()
    features = content[4]
    features["Ses05M_impro02"] = [features["Ses05M_impro02"][0][:1]]  # audio of two sizes, text of one
    file = dump(tmp_path / "f.pkl", content)
    result = emofuse("import", "conv-emotion", file, "--out", tmp_path / "new" / "iemocap")
    assert "has not one size for all utterances" in str(result.exception)
    assert not (tmp_path / "new").exists()
    (tmp_path / "there").mkdir()
    emofuse("import", "conv-emotion", file, "--out", tmp_path / "there")
    assert not list((tmp_path / "there").iterdir())


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (("mmsb", "f.pkl"), "there is no style 'mmsb'; perhaps 'mmsa'"),
        (("mmsa", "gone.pkl"), "gone.pkl: there is no such file"),
        (("mmsa", "f.pkl", "--pooling", "max"), "--pooling: 'max' is none of mean, tokens"),
        (("mmsa", "."), "cannot be read"),
        (("csv", "f.pkl"), "is no table by its suffix"),
        (("mmsa", "f.pkl"), "is not a pickle, or is damaged"),
    ],
)
def test_mistakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], phrase: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("f.pkl").write_bytes(b"no pickle")
    result = emofuse("import", *arguments, "--out", "out")
    assert isinstance(result.exception, EmofuseError)
    assert phrase in str(result.exception)
    assert not Path("out").exists()
