"""A run that somebody else made: nothing is written outside of it, and no encoder is fetched without a word."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from emofuse.cli.main import app
from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError, EmofuseWarning
from emofuse.runs.run_folder import RunFolder
from emofuse.training.fit import fit_run
from tests.small_runs import text_corpus, text_settings


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, Manifest]:
    corpus = text_corpus(tmp_path_factory.mktemp("words"), dialogues=9)
    return fit_run(text_settings(corpus, optimiser__epochs=1), corpus, corpus.root / "run"), corpus


@pytest.fixture
def stranger(made: tuple[RunFolder, Manifest], tmp_path: Path) -> tuple[RunFolder, Path]:
    """The run, whose settings name folders of somebody's, and that somebody's folder with a file in it."""
    run = RunFolder(Path(shutil.copytree(made[0].path, tmp_path / "run")))
    home = tmp_path / "home"
    home.mkdir()
    (home / "precious").write_text("mine")
    places = {"data.features": home / "features", "data.frame_cache": home / "frames"}
    run.write_settings(run.read_settings().with_changes(places | {"data.stage_one": home / "encoders"}))
    return run, home


def untouched(home: Path) -> bool:
    return [(file.name, file.read_text()) for file in home.rglob("*")] == [("precious", "mine")]


def emofuse(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


WRITTEN = ["predictions.parquet", "metrics.json", "report.html", "report.md", "run.json"]


def linked(run: RunFolder, theirs: Path) -> dict[str, bytes]:
    """Put links in the place of what an evaluation writes; returns what they lead to."""
    theirs.mkdir()
    for name in WRITTEN:
        place = run.path / name
        (theirs / name).write_bytes(place.read_bytes() if place.exists() else b"{}")
        place.unlink(missing_ok=True)
        place.symlink_to(theirs / name)
    return {file.name: file.read_bytes() for file in theirs.iterdir()}


def test_what_it_names_is_not_written_to_and_links_in_it_are_replaced(
    stranger: tuple[RunFolder, Path], made: tuple[RunFolder, Manifest]
) -> None:
    run, home = stranger
    theirs = home.parent / "theirs"
    theirs_before = linked(run, theirs)
    before = sorted(made[1].root.rglob("*"))
    for arguments in (
        ("evaluate", run.path, "--calibrate", "--quiet"),
        ("predict", run.path, "--text", "I love it"),
        ("explain", run.path, "--text", "I love it"),
        ("info", run.path),
    ):
        result = emofuse(*arguments)
        assert result.exit_code == 0, (arguments, result.output, result.exception)
        assert untouched(home), arguments
    assert sorted(made[1].root.rglob("*")) == before
    assert {file.name: file.read_bytes() for file in theirs.iterdir()} == theirs_before
    assert list(run.features.rglob("*.arrow"))


@pytest.mark.parametrize("name", ["features", "features/digest", "quarantine.csv", "evaluations", ".lock"])
def test_a_folder_that_leads_out_of_it_is_refused(
    stranger: tuple[RunFolder, Path], made: tuple[RunFolder, Manifest], name: str
) -> None:
    run, home = stranger
    digest = run.read_record().encoders["text"].identity.digest
    place = run.path / name.replace("digest", digest)
    place.parent.mkdir(exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(home / "precious" if place.suffix == ".csv" or name == ".lock" else home)
    arguments: list[object] = ["evaluate", run.path, "--quiet"]
    if name == "evaluations":
        arguments += ["--data", made[1].root]
    if name == ".lock":
        arguments = ["train", made[1].root, "-o", run.path, "--recipe", run.path / "config.yaml", "--resume"]
    result = emofuse(*arguments)
    assert isinstance(result.exception, EmofuseError | OSError), result.output
    assert untouched(home)


def test_an_encoder_of_the_hub_is_named_before_it_is_fetched_and_can_be_refused(
    stranger: tuple[RunFolder, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, home = stranger
    record = json.loads(run.record_file.read_text())
    record["encoders"]["text"]["spec"]["name"] = "somebody/model"
    run.record_file.write_text(json.dumps(record))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.warns(EmofuseWarning, match="its text encoder is somebody/model, which is fetched from"):
        result = emofuse("predict", run.path, "--text", "I love it")
    assert isinstance(result.exception, EmofuseError)
    assert "\n" not in str(result.exception)
    assert untouched(home)
