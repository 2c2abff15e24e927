import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.experiments.leaderboard.rank import read_leaderboard
from emofuse.experiments.leaderboard.tables import leaderboard_tables
from tests.small_runs import text_corpus, text_run


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return text_corpus(tmp_path_factory.mktemp("a corpus"))


@pytest.fixture(scope="module")
def runs(corpus: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for fold in (0, 1):
        text_run(corpus, folder / "cv" / f"fold-{fold:02d}", data__fold=fold)
    text_run(corpus, folder / "short", optimiser__epochs=1)
    text_run(corpus, folder / "deep" / "flattered", data__protocol="random-kfold", optimiser__epochs=1)
    return folder


def test_runs_at_any_depth_stand_in_a_table_for_each_protocol(runs: Path) -> None:
    board = read_leaderboard(runs)
    assert {row.run for row in board.rows} == {"cv/fold-00", "cv/fold-01", "short", "deep/flattered"}
    tables = leaderboard_tables(board)
    assert [table.title.split(", ")[1] for table in tables] == ["protocol dialogue", "protocol random-kfold"]
    dialogue = [row for row in board.rows if row.protocol == "dialogue"]
    values = [row.metrics["weighted_f1"].value for row in dialogue]
    assert values == sorted(values, reverse=True)
    metrics = json.loads((runs / "short" / "metrics.json").read_text(encoding="utf-8"))["test"]
    short = next(row for row in board.rows if row.run == "short")
    assert short.metrics["uar"].value == metrics["uar"]
    assert short.n == metrics["n"]


def test_optimistic_numbers_say_so_beside_them(runs: Path) -> None:
    (table,) = [t for t in leaderboard_tables(read_leaderboard(runs)) if "random" in t.title]
    assert [cell.flags for cell in table.rows[0][6:10]] == ["†"] * 4
    assert any("optimistic" in note for note in table.footnotes)


def test_folds_become_one_row_on_request(runs: Path) -> None:
    alone = {row.run: row for row in read_leaderboard(runs).rows}
    together = {row.run: row for row in read_leaderboard(runs, by_method=True).rows}
    assert set(together) == {"cv", "short", "deep/flattered"}
    folds = [alone["cv/fold-00"].metrics["accuracy"].value, alone["cv/fold-01"].metrics["accuracy"].value]
    assert together["cv"].runs == 2
    assert together["cv"].metrics["accuracy"].value == pytest.approx(sum(folds) / 2)
    assert together["cv"].metrics["accuracy"].sd == pytest.approx(abs(folds[0] - folds[1]) / 2**0.5)
    assert together["cv"].n == 48


def test_the_table_follows_the_runs(runs: Path, corpus: Manifest, tmp_path: Path) -> None:
    shutil.copytree(runs, tmp_path / "r")
    shutil.rmtree(tmp_path / "r" / "cv")
    assert {row.run for row in read_leaderboard(tmp_path / "r").rows} == {"short", "deep/flattered"}
    (tmp_path / "r" / "short" / "metrics.json").unlink()
    (tmp_path / "r" / "deep" / "flattered" / "run.json").write_text("{", encoding="utf-8")
    (tmp_path / "r" / "begun").mkdir()
    (tmp_path / "r" / "begun" / "run.json").write_text("{}", encoding="utf-8")
    board = read_leaderboard(tmp_path / "r")
    assert board.rows == []
    assert "emofuse evaluate" in board.unfinished["short"]
    assert "damaged" in board.unfinished["deep/flattered"]
    assert "has not finished" in board.unfinished["begun"]
    (table,) = leaderboard_tables(board)
    assert table.title == "Not scored"


def test_scores_on_other_corpora_have_a_table_of_their_own(
    runs: Path, corpus: Manifest, tmp_path: Path
) -> None:
    shutil.copytree(runs / "short", tmp_path / "r")
    manifest = str(corpus.root / "manifest.csv")
    result = CliRunner().invoke(app, ["evaluate", str(tmp_path / "r"), "--data", manifest, "--quiet"])
    assert result.exit_code == 0, result.output
    rows = read_leaderboard(tmp_path).rows
    assert [row.evaluated_on for row in rows] == ["test", f"{corpus.root.name} (all)"]
    assert rows[1].optimistic, "it was trained on some of them"
    assert not rows[0].optimistic


def test_it_prints_writes_and_sorts(runs: Path, tmp_path: Path) -> None:
    for suffix, sign in ((".md", "| Run"), (".html", "<table>"), (".tex", r"\toprule"), (".csv", "run,runs")):
        file = tmp_path / f"board{suffix}"
        result = CliRunner().invoke(app, ["leaderboard", str(runs), "-o", str(file), "--by-method"])
        assert result.exit_code == 0, result.output
        assert sign in file.read_text(encoding="utf-8")
        assert "cv (2 runs)" in result.stdout
    result = CliRunner().invoke(app, ["leaderboard", str(runs), "--json", "--sort", "ece"])
    rows = [row for row in json.loads(result.stdout)["runs"] if row["protocol"] == "dialogue"]
    errors = [row["metrics"]["ece"]["value"] for row in rows]
    assert errors == sorted(errors)


def test_mistakes_are_named(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(EmofuseError, match="there is no such folder"):
        read_leaderboard(tmp_path / "nowhere")
    with pytest.raises(EmofuseError, match="holds no runs"):
        read_leaderboard(tmp_path)
    with pytest.raises(EmofuseError, match="--sort luck: the runs have weighted_f1"):
        read_leaderboard(runs, sort="luck")
    result = CliRunner().invoke(app, ["leaderboard", str(runs), "-o", "board.docx"])
    assert isinstance(result.exception, EmofuseError)
