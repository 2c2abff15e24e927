"""Where nothing can be written is said before any work, in one line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.errors import EmofuseError

# None of the corpora and runs is there: the place to write to comes first.
FOLDERS = {
    "ablate": ["ablate", "deepmsi-mer", "none.csv", "-o"],
    "demo-data": ["demo-data", "--clips", "40"],
    "finetune": ["finetune", "text", "none.csv", "--model", "none", "--cross-fit", "2", "-o"],
    "reproduce": ["reproduce", "mfcre", "--corpus", "meld", "--root", "none", "-o"],
    "sweep": ["sweep", "mfcre", "none.csv", "--grid", "model.options.mu1=0.1,0.2", "-o"],
}
FILES = {
    "card": ["card", "none", "-o"],
    "joint": ["prepare", "joint", "a=none.csv", "b=none.csv", "-o"],
    "segment": ["segment", "none.mp4", "-o"],
}


@pytest.mark.parametrize("verb", [*FOLDERS, *FILES])
@pytest.mark.parametrize(
    ("place", "line"), [("file/x", "choose another name"), ("n" * 300, "choose a shorter name")]
)
def test_a_place_that_cannot_be_written_is_refused_first(
    verb: str, place: str, line: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(app, [*(FOLDERS | FILES)[verb], str(tmp_path / place)])
    assert isinstance(result.exception, EmofuseError), result.output
    assert line in str(result.exception)
    assert "\n" not in str(result.exception)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("verb", FOLDERS)
def test_a_file_is_no_folder(verb: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    result = CliRunner().invoke(app, [*FOLDERS[verb], str(tmp_path / "file")])
    assert "is a file; name a folder" in str(result.exception)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_manifest_without_a_suffix_is_refused_before_the_recording_is_heard(tmp_path: Path) -> None:
    (tmp_path / "talk.mp4").touch()
    result = CliRunner().invoke(
        app, ["segment", str(tmp_path / "talk.mp4"), "-o", str(tmp_path / "utterances")]
    )
    assert "no manifest by its suffix" in str(result.exception)
