import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
import yaml
from typer.testing import CliRunner

from emofuse import EmofuseError, Manifest
from emofuse.cli import main
from emofuse.cli.main import VERBS, _Commands, app, run
from emofuse.cli.prediction_figure import timeline_positions
from emofuse.data.channels import CHANNELS_CANCEL
from emofuse.pipeline import EmotionSegment
from emofuse.recipes import list_recipes
from emofuse.runs.settings import RunSettings
from tests.data.material import encode_sound
from tests.forked_command import ForkedCommand
from tests.quick_figures import true_figures
from tests.small_corpus import SMALL_MODEL, make_corpus, tone_of


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return make_corpus(tmp_path_factory.mktemp("corpus with a space"))


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "small.yaml"
    settings = {
        "data": {"folds": 3, "workers": 0},
        "device": "cpu",
        "model": {"name": "deepmsi-mer", "preset": "tiny", "options": SMALL_MODEL},
        "optimiser": {"epochs": 2, "batch_size": 8, "learning_rate": 0.003},
    }
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(corpus: Manifest, recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "é run"
    manifest = str(corpus.root / "manifest.csv")
    arguments = ["train", manifest, "--out", str(out), "--recipe", str(recipe), "--json", "--quiet"]
    with true_figures():
        result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["protocol"] == "speaker"
    assert '/é run"' in result.stdout, "names stand as they are, as with the other verbs"
    return out


def test_the_verbs_that_are_documented_are_there() -> None:
    main = {
        "demo",
        "prepare",
        "extract",
        "finetune",
        "train",
        "evaluate",
        "compare",
        "predict",
        "models",
        "info",
    }
    assert main | {"import", "audit", "reproduce", "ablate", "sweep", "explain", "leaderboard"} <= set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    result = CliRunner().invoke(app, [verb, "--help"])
    assert result.exit_code == 0
    assert f"emofuse {verb}" in result.output


def test_training_leaves_a_report_that_says_what_was_done(trained: Path) -> None:
    page = (trained / "report.html").read_text(encoding="utf-8")
    assert "protocol" in page
    assert "speaker" in page
    assert (trained / "report.md").exists()
    for figure in ("confusion", "per-class", "learning-curves", "patches-1"):
        assert (trained / "figures" / f"{figure}.png").stat().st_size > 1000
        assert "<svg" in (trained / "figures" / f"{figure}.svg").read_text(encoding="utf-8")
    metrics = json.loads((trained / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["optimistic"] is False
    assert 0 <= metrics["test"]["weighted_f1"] <= 1
    table = pd.read_parquet(trained / "predictions.parquet")
    assert set(table["part"]) == {"val", "test"}


def test_a_clip_is_predicted_as_json_csv_and_picture(trained: Path, corpus: Manifest, tmp_path: Path) -> None:
    clip = str(next(iter(corpus.rows())).video)
    runner = CliRunner()
    result = runner.invoke(app, ["predict", str(trained), clip, "--text", "Ça va ?", "--json", "--quiet"])
    assert result.exit_code == 0, result.output
    [segment] = json.loads(result.stdout)
    assert segment["used"] == ["text", "audio", "video"]
    assert segment["label"] in segment["probabilities"]
    result = runner.invoke(app, ["predict", str(trained), clip, clip, "--csv", "--quiet"])
    assert result.stdout.splitlines()[0].startswith("id,start,end,speaker,label,p_anger")
    assert len(result.stdout.splitlines()) == 3
    picture = tmp_path / "timeline.png"
    with true_figures():
        result = runner.invoke(
            app,
            ["predict", str(trained), str(corpus.root / "manifest.csv"), "--figure", str(picture), "--quiet"],
        )
    assert result.exit_code == 0, result.output
    assert picture.stat().st_size > 1000
    assert len([line for line in result.stdout.splitlines() if " from text+audio+video" in line]) == len(
        corpus
    )


def test_clips_go_on_past_one_that_cannot_be_read_and_notes_are_told(
    trained: Path, corpus: Manifest, tmp_path: Path
) -> None:
    clip = str(next(iter(corpus.rows())).video)
    (tmp_path / "broken.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(40))
    voice = tone_of("joy", np.random.default_rng(0)).astype(np.float32)
    stereo = encode_sound(tmp_path / "stereo.wav", np.stack([voice, -voice]), 16000, "pcm_s16le")
    given = ["predict", str(trained), clip, str(tmp_path / "broken.mp4"), str(stereo), "--csv"]
    result = CliRunner().invoke(app, given)
    assert isinstance(result.exception, EmofuseError)
    assert str(result.exception).startswith(f"{tmp_path / 'broken.mp4'}: ")
    assert "\n" not in str(result.exception)
    assert [line.split(",")[0] for line in result.stdout.splitlines()] == [
        "id",
        Path(clip).name,
        "stereo.wav",
    ]
    assert f"note: in 1 of 2 predictions, audio: {CHANNELS_CANCEL}" in result.stderr


def test_a_picture_needs_times(trained: Path, tmp_path: Path) -> None:
    picture = tmp_path / "timeline.png"
    result = CliRunner().invoke(app, ["predict", str(trained), "--text", "Oh no!", "--figure", str(picture)])
    assert result.exit_code != 0
    assert "nothing says when text was said" in str(result.output) + str(result.exception)
    assert not picture.exists()


def test_a_picture_may_have_any_name_but_a_folders(trained: Path, tmp_path: Path) -> None:
    picture = tmp_path / "an été" / "my picture é.png"
    told = ["predict", str(trained), "--text", "Oh no!", "--start", "0", "--end", "1", "--quiet", "--figure"]
    result = CliRunner().invoke(app, [*told, str(picture)])
    assert result.exit_code == 0, result.output
    assert sorted(file.name for file in picture.parent.iterdir()) == [picture.name, "my picture é.svg"]
    with pytest.raises(EmofuseError, match="is a folder; name a file"):
        CliRunner().invoke(app, [*told, str(tmp_path)], catch_exceptions=False)


def test_recordings_follow_one_another_in_a_picture() -> None:
    def segment(start: float, end: float, recording: str) -> EmotionSegment:
        return EmotionSegment("u", start, end, "joy", {"joy": 1.0}, ("audio",), {}, recording=recording)

    told = [segment(0, 2, "a"), segment(2, 5, "a"), segment(1, 3, "b"), segment(0, 1, "c")]
    assert timeline_positions(told) == [(0, 2), (2, 5), (6, 8), (8, 9)]


def test_a_run_that_learnt_from_synthetic_clips_says_so_beside_a_prediction(
    trained: Path, corpus: Manifest, tmp_path: Path
) -> None:
    clip = str(next(iter(corpus.rows())).video)
    runner = CliRunner()
    assert "synthetic" not in runner.invoke(app, ["predict", str(trained), clip]).output
    drawn = tmp_path / "drawn"
    shutil.copytree(trained, drawn)
    record = json.loads((drawn / "run.json").read_text(encoding="utf-8"))
    (drawn / "run.json").write_text(json.dumps(record | {"synthetic": True}), encoding="utf-8")
    result = runner.invoke(app, ["predict", str(drawn), clip, "--json"])
    assert "synthetic" in result.stderr
    assert json.loads(result.stdout)


def test_one_bad_clip_among_good_ones_is_named_and_the_others_are_predicted(
    trained: Path, corpus: Manifest, tmp_path: Path
) -> None:
    bad = tmp_path / "bad clip.mp4"
    bad.write_bytes(b"nothing")
    good = str(next(iter(corpus.rows())).video)
    result = CliRunner().invoke(app, ["predict", str(trained), str(bad), good, "--json", "--quiet"])
    assert isinstance(result.exception, EmofuseError)
    assert "bad clip.mp4" in str(result.exception)
    assert len(json.loads(result.stdout)) == 1


def test_a_run_is_described_and_scored_on_another_manifest(trained: Path, corpus: Manifest) -> None:
    runner = CliRunner()
    assert "deepmsi-mer" in runner.invoke(app, ["info", str(trained)]).stdout
    assert json.loads(runner.invoke(app, ["info", str(trained), "--json"]).stdout)["labels"][0] == "anger"
    other = runner.invoke(
        app, ["evaluate", str(trained), "--data", str(corpus.root / "manifest.csv"), "--json", "--quiet"]
    )
    assert other.exit_code == 0, other.output
    found = json.loads(other.stdout)
    assert found["test"]["n"] == len(corpus)
    assert "training or validation part" in found["warnings"][0]
    again = runner.invoke(app, ["evaluate", str(trained), "--json", "--quiet"])
    metrics = json.loads((trained / "metrics.json").read_text(encoding="utf-8"))
    assert json.loads(again.stdout)["test"] == metrics["test"]


def test_unknown_labels_of_another_corpus_are_named(trained: Path, corpus: Manifest, tmp_path: Path) -> None:
    frame = corpus.frame.assign(label="awe", video=None)
    Manifest.from_frame(frame, tmp_path).write(tmp_path / "other.csv")
    result = CliRunner().invoke(
        app, ["evaluate", str(trained), "--data", str(tmp_path / "other.csv"), "--quiet"]
    )
    assert "does not know the labels awe" in str(result.exception)


def test_models_are_listed() -> None:
    names = [row["name"] for row in json.loads(CliRunner().invoke(app, ["models", "--json"]).stdout)]
    assert "deepmsi-mer" in names
    recipes = CliRunner().invoke(app, ["models", "--recipes"]).stdout.split()
    assert recipes == list_recipes()
    assert json.loads(CliRunner().invoke(app, ["models", "--recipes", "--json"]).stdout) == recipes


def test_the_help_of_train_names_the_defaults() -> None:
    settings = RunSettings()
    options = {option.opts[0]: str(getattr(option, "help", "")) for option in _Commands()["train"].params}
    for option, default in {
        "--model": settings.model.name,
        "--preset": settings.model.preset,
        "--protocol": settings.data.protocol,
        "--folds": settings.data.folds,
        "--fold": settings.data.fold,
        "--epochs": settings.optimiser.epochs,
        "--batch-size": settings.optimiser.batch_size,
        "--learning-rate": settings.optimiser.learning_rate,
    }.items():
        assert options[option].endswith(f"by default {default}"), option


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["info", "nowhere"], "no such run folder"),
        (["train", "nowhere.csv", "--out", "x"], "nowhere.csv"),
        (["predict", "nowhere", "clip.mp4"], "no such run folder"),
        (
            ["predict", "nowhere", "clip.mp4", "--precision", "64"],
            "--precision: '64' is none of 32, auto, bf16",
        ),
        (["prepare", "csv", "a.csv"], "a.csv: there is no such file"),
        (["train", "m.csv", "--out", "x", "--recipe", "none"], "no such recipe"),
        (
            ["train", "m.csv", "--out", "x", "--recipe", "deepmsi-mer/melt"],
            "deepmsi-mer/melt: no such recipe; perhaps 'deepmsi-mer/meld' or ",
        ),
        (
            ["train", "m.csv", "--out", "x", "--model", "deepmsi"],
            "there is no model named 'deepmsi'; perhaps 'deepmsi-mer'; `emofuse models` lists them",
        ),
        (["train", "m.csv", "--out", "x", "--set", "optimiser.epoch=3"], "optimiser.epoch"),
        (["train", "m.csv", "--out", "x", "--modalities", "smell"], "'smell' is none of"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(
    arguments: list[str],
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["emofuse", *arguments])
    with pytest.raises(SystemExit) as stopped:
        run()
    told = capsys.readouterr().err.strip().splitlines()
    assert stopped.value.code == 2
    assert len(told) == 1
    assert len(told[0]) < 300
    assert line in told[0]
    assert list(tmp_path.iterdir()) == []


def test_names_that_a_terminal_cannot_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise EmofuseError("a\x1b[2Jb.mp4: is wrong\n  row 1")

    monkeypatch.setattr(main, "app", fail)
    with pytest.raises(SystemExit):
        run()
    assert capsys.readouterr().err == "emofuse: a\\x1b[2Jb.mp4: is wrong\n  row 1\n"
    monkeypatch.setattr(main, "app", lambda: typer.echo("written: \udcff.vtt"))
    command = ForkedCommand([], tmp_path / "printed")
    assert os.waitstatus_to_exitcode(os.waitpid(command.pid, 0)[1]) == 0
    assert command.log.read_bytes() == b"written: \xff.vtt\n"


def test_a_table_becomes_a_manifest_and_a_text_run(tmp_path: Path, recipe: Path) -> None:
    words = {"joy": "lovely wonderful", "anger": "awful hateful", "sadness": "lonely tears"}
    rows = [
        {
            "Utterance": f"{text} day {i}",
            "Emotion": label,
            "Speaker": f"S{i % 5}",
            "Dialogue_ID": i // 4,
            "Utterance_ID": i % 4,
        }
        for i, (label, text) in enumerate([*words.items()] * 12)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "train.csv", index=False)
    pd.DataFrame(rows[:12]).to_csv(tmp_path / "dev.csv", index=False)
    mapping = "text=Utterance,label=Emotion,speaker=Speaker,dialogue=Dialogue_ID,turn=Utterance_ID"
    runner = CliRunner()
    result = runner.invoke(
        app,
        [
            "prepare",
            "csv",
            "--map",
            mapping,
            "--split",
            f"train={tmp_path}/train.csv,val={tmp_path}/dev.csv",
            "-o",
            str(tmp_path / "manifest.csv"),
        ],
    )
    assert result.exit_code == 0, result.output
    result = runner.invoke(
        app,
        [
            "train",
            str(tmp_path / "manifest.csv"),
            "--out",
            str(tmp_path / "run"),
            "--recipe",
            str(recipe),
            "--protocol",
            "official",
            "--epochs",
            "12",
            "--learning-rate",
            "0.04",
            "--set",
            "optimiser.patience=30",
            "--json",
            "--quiet",
        ],
    )
    assert result.exit_code == 0, result.output
    metrics = json.loads(result.stdout)
    assert metrics["modalities"] == ["text"]
    assert metrics["test"]["n"] == 12
    assert metrics["test"]["weighted_f1"] > 0.9


def test_importing_emofuse_is_light() -> None:
    code = "import sys, emofuse; sys.exit(any(m in sys.modules for m in ('torch', 'pandas', 'lightning')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_package_runs_as_a_module() -> None:
    told = subprocess.run([sys.executable, "-m", "emofuse", "models"], check=True, capture_output=True)
    assert b"deepmsi-mer" in told.stdout
