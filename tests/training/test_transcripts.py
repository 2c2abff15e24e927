"""A run that reads the transcripts of a feature file through an encoder of its own, judged on another file."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emofuse.errors import EmofuseError
from tests.feature_file import emofuse, told

WORDS = {1.8: "I love it so much", -2.2: "I hate this", 0.6: "it was good fun"}


def write_pickle(path: Path, parts: tuple[str, ...], size: int = 12, text_dim: int = 6) -> Path:
    """In the MMSA layout; the values can be read off the words alone, the text features are noise."""
    rng = np.random.default_rng(0)
    content: dict[str, Any] = {}
    for part in parts:
        values = np.array([list(WORDS)[i % 3] for i in range(size)], dtype=np.float32)
        content[part] = {
            "id": np.array([f"{part}{i % 4}$_${i}" for i in range(size)]),
            "raw_text": np.array([WORDS[round(float(value), 1)] for value in values]),
            "text": rng.normal(size=(size, 1, text_dim)).astype(np.float32),
            "audio": rng.normal(size=(size, 1, 3)).astype(np.float32),
            "regression_labels": values,
        }
    path.write_bytes(pickle.dumps(content))
    return path


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("transcripts")
    file = write_pickle(folder / "file.pkl", ("train", "valid"), size=24)
    emofuse("import", "mmsa", file, "--out", folder / "corpus")
    return folder / "corpus"


def train(corpus: Path, out: Path, *modalities: str) -> Path:
    emofuse(
        *(
            "train",
            corpus,
            "--out",
            out,
            "--model",
            "cm-msf",
            "--task",
            "regression",
            "--protocol",
            "official",
        ),
        *(
            "--modalities",
            ",".join(modalities),
            "--text-encoder",
            "hashed-ngrams",
            "--device",
            "cpu",
            "--quiet",
        ),
        *("--epochs", 20, "--lr", 0.01, "--batch-size", 8, "--set", "optimiser.patience=20"),
        *("--set", "model.options.dropout=0.0", "--preset", "tiny"),
    )
    return out


@pytest.fixture(scope="module")
def mixed(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(corpus, tmp_path_factory.mktemp("runs") / "mixed", "text", "audio")


@pytest.mark.parametrize("text_dim", [6, 9])
def test_its_words_go_through_the_encoder_of_the_run(mixed: Path, tmp_path: Path, text_dim: int) -> None:
    found = told(
        "evaluate", mixed, "--data", write_pickle(tmp_path / "other.pkl", ("test",), text_dim=text_dim)
    )
    assert (found["part"], found["test"]["n"]) == ("test", 12)
    assert found["test"]["corr"] > 0.8
    assert found["warnings"] == []


def test_a_run_of_words_alone_reads_any_feature_file(corpus: Path, tmp_path: Path) -> None:
    run = train(corpus, tmp_path / "words", "text")
    other = write_pickle(tmp_path / "other.pkl", ("train", "test"))
    assert told("evaluate", run, "--data", other)["test"]["corr"] > 0.9
    (tmp_path / "noise.pkl").write_bytes(b"no feature file")
    with pytest.raises(EmofuseError, match="no feature file of a known style"):
        emofuse("evaluate", run, "--data", tmp_path / "noise.pkl", "--quiet")
