import json
import signal
from collections import Counter
from functools import partialmethod
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.ipc
import pytest
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.data.manifest import Manifest
from emofuse.encoders.hashed_text import HashedTextEncoder
from emofuse.errors import EmofuseError
from emofuse.features import FeatureStore
from tests.forked_command import ForkedCommand


def manifest_of(folder: Path, rows: int, words: int = 3) -> Path:
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyzé"))
    drawn = rng.choice(letters, (rows, words, 6))
    texts = [" ".join("".join(word) for word in row) for row in drawn]
    frame = pd.DataFrame({"id": [f"u{i:05d}" for i in range(rows)], "text": texts, "label": "joy"})
    Manifest.from_frame(frame, folder).write(folder / "manifest.csv")
    return folder / "manifest.csv"


def extract(manifest: Path, *arguments: object) -> dict:
    given = ["extract", str(manifest), "--modality", "text", *map(str, arguments), "--json", "--quiet"]
    result = CliRunner().invoke(app, given)
    if result.exception is not None:
        raise result.exception
    return json.loads(result.stdout)


def stored(folder: Path) -> list[str]:
    files = sorted(folder.glob("features/*/[0-9]*.arrow"))
    return [
        id for file in files for id in pyarrow.ipc.open_file(file.read_bytes()).read_all()["id"].to_pylist()
    ]


def test_parts_fill_one_store(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, 11)
    found = [extract(manifest, "--shard", f"{part}/3") for part in (2, 0, 1)]
    assert [each["done"] for each in found] == [3, 4, 4]
    assert [each["held"] for each in found] == [3, 7, 11]
    assert sorted(stored(tmp_path)) == Manifest.read(manifest).ids
    assert extract(manifest)["skipped"] == 11


def test_parts_keep_lists_of_their_own_of_what_could_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"nothing")
    rows = {"id": ["a", "b"], "audio": ["broken.wav", "broken.wav"], "label": ["joy", "joy"]}
    Manifest.from_frame(pd.DataFrame(rows), tmp_path).write(tmp_path / "manifest.csv")
    for part in (0, 1):
        given = [
            "extract",
            str(tmp_path / "manifest.csv"),
            "--modality",
            "audio",
            "--shard",
            f"{part}/2",
            "--quiet",
        ]
        result = CliRunner().invoke(app, given)
        assert result.exit_code == 0, result.output
        assert "1 set aside" in result.stdout
    names = {file.name for file in tmp_path.glob("quarantine*")}
    assert names == {"quarantine-0-of-2.csv", "quarantine-1-of-2.csv"}


def test_the_list_of_what_could_not_be_read_is_named_for_its_own_modality_alone(tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"nothing")
    rows = {"id": ["a"], "text": ["some words"], "audio": ["broken.wav"], "label": ["joy"]}
    Manifest.from_frame(pd.DataFrame(rows), tmp_path).write(tmp_path / "manifest.csv")
    given = ["extract", str(tmp_path / "manifest.csv"), "--quiet", "--modality"]
    assert "quarantine.csv" in CliRunner().invoke(app, [*given, "audio"]).stdout
    result = CliRunner().invoke(app, [*given, "text"])
    assert "1 encoded" in result.stdout, result.output
    assert "quarantine.csv" not in result.stdout


def test_settings_of_the_encoder_can_be_given(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, 2)
    small, usual = extract(manifest, "--set", "dim=16"), extract(manifest)
    assert small["digest"] != usual["digest"]
    dims = {identity.dim for identity in FeatureStore(tmp_path / "features").identities()}
    assert 16 in dims
    assert len(dims) == 2


def test_killed_at_any_moment_what_was_finished_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, shard = 3000, 256
    manifest = manifest_of(tmp_path, rows, words=12)
    monkeypatch.setattr(FeatureStore, "__init__", partialmethod(FeatureStore.__init__, shard_rows=shard))
    arguments: list[object] = ["extract", manifest, "--modality", "text", "--quiet"]
    for shards in (1, 3):
        command = ForkedCommand(arguments, tmp_path / "printed")
        command.wait_until(lambda most=shards: len(list(tmp_path.glob("features/*/[0-9]*.arrow"))) >= most)
        assert command.end(signal.SIGKILL)[0] == -signal.SIGKILL
    kept = stored(tmp_path)
    assert 3 * shard <= len(kept) < rows
    found = extract(manifest)
    assert (found["skipped"], found["done"], found["held"]) == (len(kept), rows - len(kept), rows)
    assert set(Counter(stored(tmp_path)).values()) == {1}, "nothing is encoded twice"
    encoder = HashedTextEncoder()
    reader = FeatureStore(tmp_path / "features").reader(encoder.identity)
    some = list(Manifest.read(manifest).rows())[::199]
    expected = encoder.encode([row.text for row in some])
    np.testing.assert_array_equal(reader.matrix([row.id for row in some]), expected)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--shard", "4/4"], "numbered from 0"),
        (["--shard", "one"], "write i/n"),
        (["--shard", "0/0"], "numbered from 0"),
        (["--set", "rate=5"], "has no use for rate"),
        (["--set", "speed=5"], "speed"),
        (["--modality", "smell"], "--modality: 'smell' is none of text, audio, video"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, arguments: list[str], line: str) -> None:
    with pytest.raises(EmofuseError, match=line) as told:
        extract(manifest_of(tmp_path, 1), *arguments)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "features").exists()
