"""Options of ``emofuse train`` that do not go together."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from emofuse import EmofuseError
from emofuse.cli.main import app
from tests.small_runs import text_corpus


@pytest.mark.parametrize("options", [["--jobs", "2"], ["--jobs", "2", "--seeds", "2"], ["--ray", "local"]])
def test_one_split_is_not_spread(options: list[str], tmp_path: Path) -> None:
    corpus = text_corpus(tmp_path / "corpus")
    told = CliRunner().invoke(app, ["train", str(corpus.root), "--out", str(tmp_path / "out"), *options])
    assert isinstance(told.exception, EmofuseError)
    assert str(told.exception) == f"{options[0]} is for folds at once: add --all-folds"
    assert not (tmp_path / "out").exists()
