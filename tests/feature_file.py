"""A small feature file with dialogues, sequences, labels and values, whose answers can be read off every modality."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from typer.testing import CliRunner

from emofuse.cli.main import app

LABELS = ("anger", "joy", "sadness")
VALENCE = {"anger": -2.2, "joy": 2.6, "sadness": -1.1}
DIMS = {"text": 6, "audio": 5, "video": 4}


def write_feature_file(
    path: Path,
    parts: tuple[str, ...] = ("train", "val", "test"),
    dialogues: int = 3,
    turns: int = 5,
    seed: int = 0,
) -> Path:
    """``dialogues`` of ``turns`` utterances in each part; every fourth utterance has no video."""
    rng = np.random.default_rng(seed)
    rows = [(part, f"{part}{seed}-{d}", t) for part in parts for d in range(dialogues) for t in range(turns)]
    labels = [LABELS[(index + turn) % 3] for index, (_, _, turn) in enumerate(rows)]
    arrays: dict[str, np.ndarray] = {
        "id": np.array([f"{dialogue}:{turn}" for _, dialogue, turn in rows]),
        "split": np.array([part for part, _, _ in rows]),
        "dialogue": np.array([dialogue for _, dialogue, _ in rows]),
        "turn": np.array([turn for _, _, turn in rows]),
        "speaker": np.array([f"{dialogue}{turn % 2}" for _, dialogue, turn in rows]),
        "label": np.array(labels),
        "valence": np.array([VALENCE[label] + rng.normal(0, 0.1) for label in labels]),
    }
    for modality, dim in DIMS.items():
        steps = 3 + dim
        signal = np.array([[float(label == of) for of in LABELS] for label in labels])
        sequence = rng.normal(0, 0.2, (len(rows), steps, dim))
        sequence[:, :, :3] += 2 * signal[:, None]
        lengths = rng.integers(1, steps + 1, len(rows))
        sequence[np.arange(steps) >= lengths[:, None]] = 0
        if modality == "video":
            sequence[::4] = 0
        arrays |= {modality: sequence, f"{modality}_lengths": lengths}
    np.savez_compressed(path, **arrays)
    return path


def import_file(file: Path, out: Path, pooling: str = "mean") -> Path:
    """``emofuse import``; gives the folder back."""
    emofuse("import", "npz", file, "--out", out, "--pooling", pooling)
    return out


def told(*arguments: object) -> dict[str, Any]:
    """Run a command line with ``--json --quiet``, and give back what it said."""
    printed = emofuse(*arguments, "--json", "--quiet")
    assert printed.startswith("{"), f"a program cannot read this: {printed[:500]}"
    assert printed.count("\n") == 1, f"a program cannot read this: {printed[-500:]}"
    content: dict[str, Any] = json.loads(printed)
    return content


def emofuse(*arguments: object) -> str:
    """Run a command line, and give back what it printed; its errors are raised."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None:
        raise result.exception
    return result.stdout
