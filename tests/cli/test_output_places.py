"""Where nothing can be written is said before any work, in one line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.cli.prediction_figure import check_figure, draw_emotions
from emofuse.errors import EmofuseError
from tests.inference.timelines.made import LABELS, segment

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


@pytest.mark.parametrize(
    "arguments",
    [
        ["segment", "loop.mp4"],
        ["prepare", "csv", "loop.csv"],
        ["train", "loop.csv", "-o", "run"],
        ["benchmark", "loop.csv", "-o", "bench"],
    ],
)
def test_a_link_that_leads_in_a_circle_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("loop.mp4", "loop.csv"):
        Path(name).symlink_to(name)
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, EmofuseError), result.exception
    assert "loop" in str(result.exception)
    assert "\n" not in str(result.exception)


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


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            ["a.wav", "b.wav", "--subtitles", "talk.vtt"],
            "talk.vtt: belongs to one recording, and 2 are named",
        ),
        (["a.wav", "b.wav", "--tiers", "talk.eaf"], "talk.eaf: belongs to one recording, and 2 are named"),
        (["--text", "no", "--figure", "talk.png"], "--figure: nothing says when text was said; give --start"),
        (["--text", "no", "--subtitles", "talk.vtt"], "talk.vtt: nothing says when text was said"),
        (["--text", "no", "--tiers", "talk.TextGrid"], "talk.TextGrid: nothing says when text was said"),
        # These go as far as the run, which is not there.
        (["a.wav", "./a.wav", "--subtitles", "talk.vtt"], "no such run folder"),
        (["a.wav", "b.wav", "--figure", "talk.png", "--table", "talk.csv"], "no such run folder"),
        (
            ["--text", "no", "--end", "1", "--subtitles", "talk.vtt", "--figure", "talk.png"],
            "no such run folder",
        ),
    ],
)
def test_what_a_format_cannot_hold_is_refused_before_a_run_is_loaded(
    options: list[str], line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()  # so that none of it is looked for on the hub
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).touch()
    result = CliRunner().invoke(app, ["predict", "runs/none", *options])
    assert isinstance(result.exception, EmofuseError), result.output
    assert line in str(result.exception)


def test_both_files_of_a_figure_are_checked_under_the_names_that_are_drawn(tmp_path: Path) -> None:
    named = tmp_path / "talk.v2"
    (tmp_path / "talk.png").write_text("mine", encoding="utf-8")
    draw_emotions([segment(0.0, 1.0)], list(LABELS), named)
    assert (tmp_path / "talk.png").read_text("utf-8") == "mine"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["talk.png", "talk.v2.png", "talk.v2.svg"]
    for asked, other in (
        (named, "talk.v2.svg"),
        (tmp_path / "b.PNG", "b.svg"),
        (tmp_path / "c.svg", "c.png"),
    ):
        (tmp_path / other).unlink(missing_ok=True)
        check_figure(asked)
        (tmp_path / other).mkdir()
        with pytest.raises(EmofuseError, match="is a folder; name a file"):
            check_figure(asked)
    with pytest.raises(EmofuseError, match="is a folder; name a file"):
        check_figure(Path())
