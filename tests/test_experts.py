"""Named classifiers in a late fusion: what they say is what their library says, and what a class counts as is seen."""

import json
import pickle
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoFeatureExtractor,
    AutoModelForAudioClassification,
    AutoModelForImageClassification,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertModel,
)
from typer.testing import CliRunner

from emofuse import EmofuseError, EmotionPipeline, Manifest
from emofuse.cli.main import app
from emofuse.data.audio import read_audio
from emofuse.data.frames import read_frames
from emofuse.errors import EmofuseWarning
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.settings import RunSettings
from emofuse.training.fit import fit_run
from tests.small_experts import save_audio_expert, save_text_expert, save_video_expert, text_model

# The order of one published classifier of words, and the short names of one of voices and of one of faces.
TEXT = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
AUDIO = ("neu", "hap", "ang", "sad")
VIDEO = ("sad", "disgust", "angry", "neutral", "fear", "surprise", "happy")
SAID = "i am so happy today !"


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_text_expert(tmp_path_factory.mktemp("text"), TEXT))


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_audio_expert(tmp_path_factory.mktemp("audio"), AUDIO, rate=8000))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_video_expert(tmp_path_factory.mktemp("video"), VIDEO))


@pytest.fixture(scope="module")
def clip(corpus: Manifest) -> Path:
    path = next(corpus.rows()).video
    assert path is not None
    return path


@pytest.fixture(scope="module")
def run(corpus: Manifest, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A late fusion of words and voices over anger, joy and sadness."""
    settings = RunSettings().with_changes(
        {
            "data.manifest": str(corpus.root / "manifest.csv"),
            "data.workers": 0,
            "data.val_fraction": 0.25,
            "device": "cpu",
            "threads": 1,
            "encoders.text": {"modality": "text", "name": "hashed-ngrams", "dim": 64},
            "encoders.audio": {"modality": "audio", "name": "logmel-functionals"},
            "model.name": "late-fusion",
            "model.modalities": ["text", "audio"],
            "optimiser.epochs": 3,
            "optimiser.learning_rate": 0.03,
        }
    )
    return fit_run(settings, corpus, tmp_path_factory.mktemp("late") / "run")


def text_says(folder: str, words: str) -> np.ndarray:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        return model(**tokenizer(words, return_tensors="pt")).logits[0].softmax(-1).numpy()


def audio_says(folder: str, clip: Path) -> np.ndarray:
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    model = AutoModelForAudioClassification.from_pretrained(folder).eval()
    sound = read_audio(clip, rate=extractor.sampling_rate)
    with torch.no_grad():
        inputs = extractor(sound, sampling_rate=8000, return_tensors="pt")
        return model(**inputs).logits[0].softmax(-1).numpy()


def video_says(folder: str, clip: Path) -> np.ndarray:
    model = AutoModelForImageClassification.from_pretrained(folder).eval()
    pictures = read_frames(clip, n=8, size=(32, 32)) / 255
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    pixels = torch.tensor((pictures - mean) / deviation).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        return model(pixel_values=pixels).logits.softmax(-1).mean(0).numpy()


def test_a_classifier_alone_says_what_its_library_says(text: str, audio: str, video: str, clip: Path) -> None:
    (segment,) = EmotionPipeline.from_experts(text=text, run=None)(text=SAID)
    assert segment.probabilities == pytest.approx(
        dict(zip(TEXT, text_says(text, SAID), strict=True)), abs=1e-4
    )
    (segment,) = EmotionPipeline.from_experts(audio=audio, run=None)(clip)
    heard = dict(zip(("neutral", "joy", "anger", "sadness"), audio_says(audio, clip), strict=True))
    assert segment.probabilities == pytest.approx(heard, abs=2e-3)
    (segment,) = EmotionPipeline.from_experts(video=video, run=None, faces=False)(clip)
    names = ("sadness", "disgust", "anger", "neutral", "fear", "surprise", "joy")
    seen = dict(zip(names, video_says(video, clip), strict=True))
    assert segment.probabilities == pytest.approx(seen, abs=2e-3)
    assert max(seen.values()) - min(seen.values()) > 0.05


def test_together_they_are_the_pool_and_an_unknown_label_is_left_where_it_was(
    text: str, audio: str, clip: Path
) -> None:
    pipe = EmotionPipeline.from_experts(text=text, audio=audio, run=None, trust={"audio": 0.5})
    (segment,) = pipe(clip, text=SAID, by_modality=True)
    assert segment.used == ("text", "audio")
    heard = dict(zip(("neutral", "joy", "anger", "sadness"), audio_says(audio, clip), strict=True))
    mean = np.exp(np.mean(np.log(list(heard.values()))))  # what leaves a label where the words put it
    said = dict(zip(TEXT, text_says(text, SAID), strict=True))
    product = {label: said[label] * heard.get(label, mean) ** 0.5 for label in TEXT}
    total = sum(product.values())
    assert segment.probabilities == pytest.approx({k: v / total for k, v in product.items()}, abs=2e-3)
    assert segment.by_modality["text"] == pytest.approx(said, abs=1e-4)


def test_in_the_place_of_a_modality_of_a_run(text: str, run: RunFolder, clip: Path) -> None:
    own = EmotionPipeline.from_pretrained(run.path, device="cpu")
    label_map = dict.fromkeys(("disgust", "fear", "neutral", "surprise"), "drop")
    pipe = EmotionPipeline.from_experts(text=text, run=run.path, label_map=label_map, device="cpu")
    assert pipe.labels == own.labels == ["anger", "joy", "sadness"]
    (mixed,) = pipe(clip, text=SAID, by_modality=True)
    (before,) = own(clip, text=SAID, by_modality=True)
    assert mixed.by_modality["audio"] == pytest.approx(before.by_modality["audio"])
    said = text_says(text, SAID)[[0, 3, 5]]
    trust = torch.nn.functional.softplus(own.model.trust["text"]).item()
    told = said**trust / (said**trust).sum()
    assert list(mixed.by_modality["text"].values()) == pytest.approx(list(told), abs=1e-4)
    product = told * np.array(list(before.by_modality["audio"].values()))
    assert list(mixed.probabilities.values()) == pytest.approx(list(product / product.sum()), abs=1e-4)
    assert set(mixed.novelty) <= {"audio"}


def test_classes_that_do_not_exclude_each_other(tmp_path: Path) -> None:
    labels = ("love", "optimism", "anger", "contempt")
    folder = save_text_expert(tmp_path, labels, problem_type="multi_label_classification")
    pipe = EmotionPipeline.from_experts(text=str(folder), run=None, label_map="contempt=")
    (segment,) = pipe(text=SAID)
    tokens = AutoTokenizer.from_pretrained(folder)(SAID, return_tensors="pt")
    with torch.no_grad():
        said = text_model(labels)(**tokens).logits[0].sigmoid()
    joy, anger = said[:2].max().item(), said[2].item()
    assert segment.probabilities == pytest.approx(
        {"joy": joy / (joy + anger), "anger": anger / (joy + anger)}, abs=1e-4
    )


def test_a_class_that_is_not_understood_is_named_with_the_way_out(tmp_path: Path) -> None:
    folder = save_text_expert(tmp_path / "model", ("happy", "contempt", "LABEL_2"))
    with pytest.raises(EmofuseError, match=r"'contempt', 'LABEL_2' is none of .*--label-map contempt=drop"):
        EmotionPipeline.from_experts(text=str(folder), run=None)
    file = tmp_path / "map.yaml"
    file.write_text("contempt: drop\ntext:LABEL_2: fear\n")
    pipe = EmotionPipeline.from_experts(text=str(folder), run=None, label_map=file)
    assert pipe.labels == ["fear", "joy"]
    assert pipe.expert_lines == (
        f"text expert {folder} says fear (LABEL_2), joy (happy)",
        f"text expert {folder}: left out: contempt",
    )
    for given, what in (
        ("contempt=drop,LABEL_2=rage", "'rage', which is none of"),
        ("hapy=joy", "'hapy' is no class"),
    ):
        with pytest.raises(EmofuseError, match=what):
            EmotionPipeline.from_experts(text=str(folder), run=None, label_map=given)


def test_the_command_prints_the_map_and_predicts(text: str, audio: str, clip: Path, tmp_path: Path) -> None:
    arguments = ["predict", str(clip), "--no-starter", "--experts", f"text={text},audio={audio}"]
    result = CliRunner().invoke(app, [*arguments, "--text", SAID, "--trust", "text=2", "--json"])
    assert result.exit_code == 0, result.output
    (told,) = json.loads(result.stdout)
    assert told["used"] == ["text", "audio"]
    assert "joy (hap), neutral (neu)" in result.stderr
    assert "has no say on disgust, fear, surprise" in result.stderr
    assert "CC BY-NC-SA" not in result.stderr
    for wrong, what in (
        (["predict", str(clip), "--no-starter"], "go with --experts"),
        (["predict", str(tmp_path), str(clip), *arguments[2:]], "leave out"),
        ([*arguments[:-1], "words=x"], "write text=…, audio=… or video=…"),
        ([*arguments, "--coverage", "0.9"], "validation part"),
    ):
        failed = CliRunner().invoke(app, wrong)
        assert isinstance(failed.exception, EmofuseError)
        assert what in str(failed.exception)


def test_faces_are_what_an_image_classifier_is_shown(video: str, shared_media: Path) -> None:
    pytest.importorskip("lz4")
    clip = shared_media / "talking_head_1.mp4"
    faces = EmotionPipeline.from_experts(video=video, run=None)(clip, end=0.5)
    whole = EmotionPipeline.from_experts(video=video, run=None, faces=False)(clip, end=0.5)
    assert faces[0].used == whole[0].used == ("video",)
    assert faces[0].probabilities != pytest.approx(whole[0].probabilities, abs=1e-3)


class Trap:
    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("sprung"),)


def test_pickled_weights_are_tensors_or_nothing(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "pickled"
    save_text_expert(folder, TEXT)
    (folder / "model.safetensors").unlink()
    torch.save(text_model(TEXT).state_dict(), folder / "pytorch_model.bin")
    (segment,) = EmotionPipeline.from_experts(text=str(folder), run=None)(text=SAID)
    assert segment.probabilities == pytest.approx(
        dict(zip(TEXT, text_says(text, SAID), strict=True)), abs=1e-4
    )
    monkeypatch.chdir(tmp_path)
    for content in ({"trap": Trap()}, Trap()):
        torch.save(content, folder / "pytorch_model.bin")
        with pytest.raises(EmofuseError, match="cannot be loaded"):
            EmotionPipeline.from_experts(text=str(folder), run=None)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(EmofuseError, match="cannot be loaded"):
        EmotionPipeline.from_experts(text=str(folder), run=None)
    assert not Path("sprung").exists()


def test_what_is_no_classifier_of_the_modality_is_refused(text: str, tmp_path: Path) -> None:
    config = text_model(TEXT).config
    BertModel(config).save_pretrained(tmp_path / "headless")
    save_text_expert(tmp_path / "value", ("value",), problem_type="regression")
    (tmp_path / "adapter").mkdir()
    for file in Path(text).iterdir():
        (tmp_path / "adapter" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    for given, what in (
        ({"text": tmp_path / "headless"}, "classifier"),
        ({"text": tmp_path / "value"}, "tells no classes apart"),
        ({"text": tmp_path / "adapter"}, "adapter of another model"),
        ({"text": "hashed-ngrams"}, "no classifier"),
        ({"audio": text}, "no classifier of the class bert for audio"),
        ({"text": tmp_path / "gone"}, "no such folder"),
        ({}, "no expert was named"),
        ({"text": text, "trust": {"audio": 1.0}}, "no audio expert"),
        ({"text": text, "trust": {"text": 0.0}}, "must be above 0"),
    ):
        named = {k: str(v) if isinstance(v, Path) else v for k, v in given.items()}
        with pytest.raises(EmofuseError, match=what):
            EmotionPipeline.from_experts(run=None, **named)  # type: ignore[arg-type]


@pytest.mark.parametrize("pickled", [False, True])
def test_a_model_of_the_hub_that_was_fetched_earlier(
    pickled: bool, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    commit = "0123456789abcdef0123456789abcdef01234567"
    model = tmp_path / "models--somebody--words"
    shutil.copytree(text, model / "snapshots" / commit)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(commit)
    if pickled:
        (model / "snapshots" / commit / "model.safetensors").unlink()
        torch.save(text_model(TEXT).state_dict(), model / "snapshots" / commit / "pytorch_model.bin")
    with pytest.warns(EmofuseWarning, match="somebody/words"):
        pipe = EmotionPipeline.from_experts(text="somebody/words", run=None)
    assert pipe.record.encoders["text"].identity.name == "somebody/words"
    (segment,) = pipe(text=SAID)
    assert segment.probabilities == pytest.approx(
        dict(zip(TEXT, text_says(text, SAID), strict=True)), abs=1e-4
    )


def test_a_pool_with_a_linear_model_is_refused_before_anything_is_fetched(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetched(spec: object) -> None:
        raise AssertionError("fetched")

    monkeypatch.setattr("emofuse.inference.expert_fusion.read_checkpoint", fetched)
    pooled = RunFolder(Path(shutil.copytree(run.path, tmp_path / "pool")))
    pooled.linear_file.write_text("{}")
    with pytest.raises(EmofuseError, match=r"pool: is pooled with a linear model.*--no-starter"):
        EmotionPipeline.from_experts(text="somebody/words", run=pooled.path)


def test_a_hub_name_is_named_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def config_asked(source: object) -> None:
        asked.append("config")
        raise EmofuseError("asked")

    monkeypatch.setattr("emofuse.encoders.experts.checkpoint.load_config", config_asked)
    with warnings.catch_warnings():
        warnings.simplefilter("error", EmofuseWarning)
        with pytest.raises(EmofuseWarning, match="somebody/words, revision v2, which is fetched"):
            EmotionPipeline.from_experts(text="somebody/words@v2", run=None)
    assert asked == []
