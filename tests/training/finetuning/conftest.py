"""Small models of the true classes, and corpora whose emotion a small model can learn."""

from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
import torch
from transformers import BertConfig, BertModel
from transformers.utils import logging

from emofuse.data.manifest import Manifest
from tests.encoders.conftest import BERT_SPECIALS, save_speech, save_tokenizer

TONES = {"anger": 200.0, "joy": 900.0}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here may wait for a network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture(autouse=True, scope="session")
def no_bars() -> None:
    logging.disable_progress_bar()


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bert")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=64, hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=48,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    save_tokenizer(folder, BERT_SPECIALS)
    return folder


@pytest.fixture(scope="session")
def wavlm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With layer norm in its convolutions: it knows of padding."""
    return save_speech(tmp_path_factory.mktemp("wavlm"), "wavlm", "layer")


@pytest.fixture(scope="session")
def wav2vec2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With group norm, as wav2vec 2.0 base has it."""
    return save_speech(tmp_path_factory.mktemp("wav2vec2"), "wav2vec2", "group")


@pytest.fixture(scope="session")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Texts of 24 dialogues; the words "happy" and "sad" give the emotion away."""
    rng = np.random.default_rng(0)
    filler = ["i am so", "you are very", "what a day", "the train leaves at nine", "not today"]
    rows = []
    for dialogue in range(24):
        for turn in range(6):
            label = ("joy", "sadness")[int(rng.integers(2))]
            word = {"joy": "happy", "sadness": "sad"}[label]
            words = [str(rng.choice(filler)) for _ in range(int(rng.integers(1, 3)))] + [word]
            rows.append((f"d{dialogue}t{turn}", f"d{dialogue}", turn, f"S{dialogue}", " ".join(words), label))
    frame = pd.DataFrame(rows, columns=["id", "dialogue", "turn", "speaker", "text", "label"])
    folder = tmp_path_factory.mktemp("talk")
    Manifest.from_frame(frame, folder).write(folder / "manifest.csv")
    return Manifest.read(folder / "manifest.csv").validate()


@pytest.fixture(scope="session")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Dialogues in which an utterance's emotion stands in the turn before it and nowhere else."""
    rng = np.random.default_rng(1)
    rows = []
    for dialogue in range(40):
        label, word = (("joy", "happy"), ("sadness", "sad"))[int(rng.integers(2))]
        turns = [(f"you are {word}", None), ("what a day", label)]
        for turn, (text, emotion) in enumerate(turns):
            rows.append((f"d{dialogue}t{turn}", f"d{dialogue}", turn, f"S{dialogue}", text, emotion))
    frame = pd.DataFrame(rows, columns=["id", "dialogue", "turn", "speaker", "text", "label"])
    return Manifest.from_frame(frame, tmp_path_factory.mktemp("echo")).validate()


@pytest.fixture(scope="session")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Sounds of different length, high ones for joy and low ones for anger; the last file is damaged."""
    folder = tmp_path_factory.mktemp("tones")
    rng = np.random.default_rng(2)
    rows = []
    for number in range(24):
        label = ("anger", "joy")[number % 2]
        seconds = 0.3 + 0.05 * (number % 5)
        time = np.arange(int(16_000 * seconds)) / 16_000
        write_wav(
            folder / f"{number}.wav",
            0.3 * np.sin(2 * np.pi * TONES[label] * time) + rng.normal(0, 0.01, len(time)),
        )
        rows.append((f"u{number}", f"S{number // 4}", f"{number}.wav", label))
    (folder / "broken.wav").write_bytes(b"RIFF nothing")
    rows.append(("u24", "S0", "broken.wav", "joy"))
    frame = pd.DataFrame(rows, columns=["id", "speaker", "audio", "label"])
    Manifest.from_frame(frame, folder).write(folder / "manifest.csv")
    return Manifest.read(folder / "manifest.csv").validate()


def write_wav(path: Path, sound: np.ndarray) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        samples = (np.clip(sound, -1, 1) * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = 16_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
