import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.evaluation.protocols.label_map_files import read_label_map
from emofuse.runs.ensemble_folder import write_ensemble
from emofuse.runs.run_folder import RunFolder
from tests.small_runs import text_corpus, text_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    corpus = text_corpus(tmp_path_factory.mktemp("own corpus"))
    return text_run(corpus, tmp_path_factory.mktemp("runs") / "words").path


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another corpus with names of its own for two of the labels."""
    folder = tmp_path_factory.mktemp("other corpus")
    text_corpus(folder, dialogues=4, joy="happy", sadness="awe")
    return folder / "manifest.csv"


def evaluate(*arguments: object) -> dict:
    result = CliRunner().invoke(app, ["evaluate", *map(str, arguments), "--json", "--quiet"])
    if result.exception is not None:
        raise result.exception
    return json.loads(result.stdout)


def test_labels_that_do_not_map_are_named(run: Path, other: Path) -> None:
    with pytest.raises(
        EmofuseError, match="does not know the labels awe, happy; the run knows anger, joy, sadness"
    ):
        evaluate(run, "--data", other)


def test_a_guessed_map_is_written_changed_and_used(run: Path, other: Path, tmp_path: Path) -> None:
    file = tmp_path / "map.yaml"
    guessed = evaluate(run, "--data", other, "--write-label-map", file)
    assert guessed["data"] == {"anger": "anger", "awe": None, "happy": "joy"}
    assert read_label_map(str(file)).data == guessed["data"]
    found = evaluate(run, "--data", other, "--label-map", file)
    assert found["test"]["n"] == 16
    assert found["left_out"] == 8
    assert "awe: left out (8 utterances)" in found["label_map"]
    file.write_text(
        file.read_text(encoding="utf-8").replace('"awe": null', '"awe": "sadness"'), encoding="utf-8"
    )
    changed = evaluate(run, "--data", other, "--label-map", file)
    assert changed["test"]["n"] == 24
    assert changed["left_out"] == 0
    kept = sorted((run / "evaluations").glob("*/label-map.yaml"))
    assert len(kept) == 2, "each map has a folder of its own"


def test_merged_answers_are_scored_as_one(run: Path, other: Path) -> None:
    words = "happy=fine,awe=fine,anger=bad,run:joy=fine,run:sadness=fine,run:anger=bad"
    found = evaluate(run, "--data", other, "--label-map", words)
    assert found["test"]["labels"] == ["bad", "fine"]
    tables = [pd.read_parquet(file) for file in (run / "evaluations").glob("*/predictions.parquet")]
    (table,) = [table for table in tables if "p_fine" in table]
    assert set(table["predicted"]) <= {"bad", "fine"}
    assert set(table["own_label"]) == {"anger", "awe", "happy"}
    assert (table[["p_bad", "p_fine"]].sum(axis=1) - 1).abs().max() < 1e-6
    right = (table["label"] == table["predicted"]).mean()
    assert found["test"]["accuracy"] == pytest.approx(right)


def test_a_map_that_leaves_everything_out_scores_nothing(run: Path, other: Path) -> None:
    with pytest.raises(EmofuseError, match="leaves every labelled row out"):
        evaluate(run, "--data", other, "--label-map", "happy=,awe=,anger=")


def test_a_label_map_without_data_is_a_mistake(run: Path) -> None:
    with pytest.raises(EmofuseError, match="give it too"):
        evaluate(run, "--label-map", "a=b")


@pytest.mark.parametrize("option", ["--split", "--label-map", "--write-label-map"])
def test_what_reads_other_data_is_refused_of_an_ensemble(run: Path, tmp_path: Path, option: str) -> None:
    write_ensemble(tmp_path, ["seed-0", "seed-1"])
    with pytest.raises(EmofuseError, match=f"an ensemble is scored on its own test part alone.*{option}"):
        evaluate(tmp_path, option, tmp_path / "map.yaml")
    assert not (tmp_path / "map.yaml").exists()


def test_synthetic_data_say_so(run: Path, other: Path, tmp_path: Path) -> None:
    manifest = Manifest.read(other)
    frame = manifest.frame.assign(corpus="emofuse demo corpus (synthetic)")
    Manifest.from_frame(frame, tmp_path).write(tmp_path / "manifest.csv")
    words = "happy=joy,awe=sadness"
    assert evaluate(run, "--data", tmp_path / "manifest.csv", "--label-map", words)["synthetic"]
    assert not evaluate(run, "--data", other, "--label-map", words)["synthetic"]


def test_the_starter_is_taken_by_name_and_never_written_to(
    run: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emofuse.runs.named_run.starter_folder", lambda: run)
    monkeypatch.chdir(tmp_path)
    before = {file: file.stat().st_mtime_ns for file in run.rglob("*")}
    shown = CliRunner().invoke(
        app, ["evaluate", "starter", "--data", str(other), "--label-map", "happy=joy,awe=sadness"]
    )
    assert shown.exit_code == 0, shown.output
    (written,) = tmp_path.glob("starter-evaluations/*/metrics.json")
    assert str(written.relative_to(tmp_path)) in shown.output
    with pytest.raises(EmofuseError, match=r"starter: its own test part is not here; .* with --data"):
        evaluate("starter")
    described = CliRunner().invoke(app, ["info", "starter"])
    assert "system      deepmsi-mer" in described.output
    exported: list[Path] = []

    def export(folder: RunFolder, *where: object) -> None:
        exported.append(folder.path)
        raise EmofuseError("enough")

    monkeypatch.setattr("emofuse.inference.exporting.folder.export_run", export)
    CliRunner().invoke(app, ["export", "starter", "-o", "exported"])
    assert exported == [run]
    assert {file: file.stat().st_mtime_ns for file in run.rglob("*")} == before
