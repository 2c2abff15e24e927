import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from emofuse import EmofuseError
from emofuse.cli.main import app
from tests.small_corpus import SMALL_MODEL, make_corpus


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("corpus")
    corpus = make_corpus(folder)
    recipe = folder / "small.yaml"
    settings = {
        "data": {"folds": 3, "workers": 0},
        "device": "cpu",
        "model": {"preset": "tiny", "modalities": ["text"], "options": SMALL_MODEL},
        "optimiser": {"epochs": 1},
    }
    recipe.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return ["train", str(corpus.root / "manifest.csv"), "--recipe", str(recipe), "--all-folds", "--quiet"]


def test_all_folds_of_the_papers_protocol_are_one_command_and_one_report(
    arguments: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "cv"
    command = [*arguments, "--out", str(out), "--protocol", "random-kfold", "--folds", "3"]
    result = CliRunner().invoke(app, [*command, "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [fold["run"] for fold in found["folds"]] == ["fold-00", "fold-01", "fold-02"]
    assert all((out / fold["run"] / "report.html").exists() for fold in found["folds"])
    assert "Optimistic protocol" in (out / "report.md").read_text(encoding="utf-8")
    assert found["mean_sd"]["runs"] == 3
    assert found["optimistic"]
    again = CliRunner().invoke(app, [*command, "--resume"])
    assert "mean ± sd over 3 folds, protocol random-kfold (optimistic): " in again.stdout
    taken = CliRunner().invoke(app, command)
    assert isinstance(taken.exception, EmofuseError)


def test_one_fold_or_all_of_them(arguments: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "cv"), "--fold", "1"])
    assert isinstance(result.exception, EmofuseError)
    assert "exclude each other" in str(result.exception)
