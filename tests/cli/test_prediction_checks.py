"""What is said before a run is loaded; the run here is no more than the names of its files."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.data.manifest import Manifest
from emofuse.data.media_writer import write_wav
from emofuse.errors import EmofuseError
from emofuse.runs.corpus import choose_device
from emofuse.runs.run_folder import RunFolder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("mine", "two"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "run.json").touch()
        RunFolder(tmp_path / "runs" / name).weights_file.touch()
    (tmp_path / "empty").mkdir()
    for name in ("voice.wav", "other.wav"):
        write_wav(tmp_path / name, np.sin(np.arange(32000) / 9))
    (tmp_path / "voices.csv").write_text("id,audio\na,voice.wav\nb,other.wav\n", encoding="utf-8")
    (tmp_path / "words.csv").write_text("id,text\na,hello\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("runs/mine none.mp4", "none.mp4: there is no such file"),
        ("runs/mine none.csv", "none.csv: there is no such file"),
        ("runs/mine none.mp4 --segment auto", "none.mp4: there is no such file"),
        ("runs/mine voice.wav --audio none.wav", "none.wav: there is no such file"),
        ("runs/mine voice.wav --start 5", "voice.wav: ends at 2.00 s, and start is 5 s"),
        ("runs/mine voice.wav --start 5 --end 3", "--end is 3 s, and --start is 5 s: the utterance must end"),
        ("runs/mine voice.wav --every -3", "--every: a segment has a length above 0 seconds, not -3"),
        ("empty --out x --every -3", "--every: a segment has a length above 0 seconds, not -3"),
        (
            "runs/mine voice.wav --every 1 --text hi",
            "--every: the words of --text would count as said in each of 2",
        ),
        (
            "runs/mine voice.wav --segment vad --text hi --end 2",
            "--segment finds the utterances and what is said in them; leave out --text and --end",
        ),
        ("runs/mine voice.wav --speakers 2", "--speakers go with --segment"),
        (
            "runs/mine voice.wav --segment vad --speakers many",
            "--speakers: 'many' is none of auto, none, a number",
        ),
        ("runs/mine voice.wav --json --csv", "--json and --csv: only one"),
        ("runs/mine voice.wav --device gpu", "--device: 'gpu' is none of auto, cpu, cuda"),
        ("runs/mine voice.wav --modalities smell", "'smell' is none of"),
        ("runs/mine --text=", "nothing to predict: name a clip"),
        (
            "runs/nothing voice.wav",
            "runs/nothing: there is no such run folder; runs: it holds 2 runs (mine, two)",
        ),
        ("empty", "empty: holds no recording and is no run folder; name a recording"),
        ("voice.wav runs/mine", "runs/mine: holds no recording, it is a run; the run is named first"),
        ("angry", "'angry' is neither a file nor a run; for words: --text angry"),
        ("runs/mine voices.csv --subtitles x.vtt", "x.vtt: belongs to one recording, and 2 are named"),
        ("runs/mine voices.csv --tiers x.eaf", "x.eaf: belongs to one recording, and 2 are named"),
        ("runs/mine words.csv --figure x.png", "--figure: nothing says when a of words.csv was said"),
        ("runs/mine voice.wav --page /proc/nope/x.html", "the file cannot be written in /proc"),
    ],
)
def test_what_cannot_be_predicted_is_said_before_the_run_is_loaded(place: Path, said: str, line: str) -> None:
    result = CliRunner().invoke(app, ["predict", *said.split()])
    assert isinstance(result.exception, EmofuseError), result.output
    assert line in str(result.exception)
    assert "note:" not in result.output


def test_a_manifest_is_read_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    run = SimpleNamespace(
        record=SimpleNamespace(task="classification"),
        predict_manifest=lambda manifest, **options: given.append(manifest) or [],
    )
    monkeypatch.setattr("emofuse.cli.prediction_clips.open_pipeline", lambda *said, **options: run)
    read, real = [], Manifest.read
    monkeypatch.setattr(Manifest, "read", lambda path: read.append(path) or real(path))
    result = CliRunner().invoke(app, ["predict", "runs/mine", "voices.csv", "--figure", "x.png"])
    assert result.exception is None, result.exception
    assert (len(given), read) == (1, [Path("voices.csv")])


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("runs/mine none.mp4", "none.mp4: there is no such file"),
        ("runs/mine voice.wav --device gpu", "--device: 'gpu' is none of auto, cpu, cuda"),
        ("runs/mine voice.wav --start 5 --end 3", "--end is 3 s, and --start is 5 s"),
        ("voice.wav voice.wav", "voice.wav: is no run; name a run first, such as starter"),
        ("none.mp4 -o why", "none.mp4: there is no such file"),  # of the starter, as with predict
    ],
)
def test_so_it_is_with_an_explanation(place: Path, said: str, line: str) -> None:
    result = CliRunner().invoke(app, ["explain", *said.split()])
    assert isinstance(result.exception, EmofuseError), result.output
    assert line in str(result.exception)


def test_a_server_is_not_begun_for_a_device_that_is_none() -> None:
    result = CliRunner().invoke(app, ["serve", "--device", "gpu"])
    assert str(result.exception) == "--device: 'gpu' is none of auto, cpu, cuda, cuda:1 and so on"


@pytest.mark.parametrize("name", ["gpu", "", "cuda:", "cpu:0", "CPU"])
def test_a_device_that_is_none_is_one_line(name: str) -> None:
    with pytest.raises(EmofuseError, match=f"device: {name!r} is none of auto, cpu, cuda"):
        choose_device(name)


def test_one_of_several_gpus_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert choose_device("cuda:1") == "cuda:1"
    with pytest.raises(EmofuseError, match=r"cuda:2 was asked for, and there are 2, from cuda:0"):
        choose_device("cuda:2")
