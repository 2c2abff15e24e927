"""A corpus of a few real media files whose emotion can be seen, heard and read; small enough for every test."""

from pathlib import Path

import numpy as np
import pandas as pd

from emofuse.data.manifest import Manifest
from emofuse.data.media_writer import write_video
from emofuse.runs.settings import RunSettings

LABELS = ("anger", "joy", "sadness")
WORDS = {"anger": "get out of my house now", "joy": "what a wonderful day", "sadness": "I miss her so much"}
TONES = {"anger": 220.0, "joy": 880.0, "sadness": 440.0}
COLOURS = {"anger": (220, 40, 40), "joy": (240, 220, 60), "sadness": (50, 70, 200)}

SMALL_MODEL = {
    "frames": 4,
    "image_size": 32,
    "swin": {"patch_size": 4, "embed_dim": 16, "depths": [2, 2], "num_heads": [2, 2], "window_size": 4},
    "vsc": {"stage": 0, "grids": [6], "windows": [3]},
    "tcn_channels": [16],
    "fusion_hidden": 16,
    "projection_dim": 16,
    "classifier_hidden": [16],
    "dropout": 0.1,
}


def tone_of(label: str, rng: np.random.Generator) -> np.ndarray:
    time = np.arange(9600) / 16000
    return 0.4 * np.sin(2 * np.pi * TONES[label] * time) + rng.normal(0, 0.01, len(time))


def write_clip(path: Path, label: str, rng: np.random.Generator, *, sound: bool = True) -> None:
    frames = np.full((6, 32, 40, 3), COLOURS[label], np.float64) + rng.normal(0, 12, (6, 32, 40, 3))
    tone = tone_of(label, rng) if sound else None
    write_video(path, np.clip(frames, 0, 255).astype(np.uint8), 10, audio=tone)


def make_corpus(folder: Path, dialogues: int = 6, turns: int = 3) -> Manifest:
    """Dialogues of two speakers each, every turn a clip; speakers d and d' never meet others."""
    rng = np.random.default_rng(0)
    rows = []
    for dialogue in range(dialogues):
        for turn in range(turns):
            label = LABELS[(dialogue + turn) % len(LABELS)]
            clip = f"clips/d{dialogue}_t{turn}.mp4"
            write_clip(folder / clip, label, rng)
            speaker = f"Zoë{dialogue}" if turn % 2 else f"Łukasz{dialogue}"
            rows.append(
                (f"d{dialogue}t{turn}", f"d{dialogue}", turn, speaker, f"{WORDS[label]}, {turn}", clip, label)
            )
    columns = ["id", "dialogue", "turn", "speaker", "text", "video", "label"]
    manifest = Manifest.from_frame(pd.DataFrame(rows, columns=columns), folder)
    manifest.write(folder / "manifest.csv")
    return Manifest.read(folder / "manifest.csv").validate()


def small_settings(manifest: Manifest, **changes: object) -> RunSettings:
    """DeepMSI-MER at a size that trains in a second."""
    return RunSettings().with_changes(
        {
            "data.manifest": str(manifest.root / "manifest.csv"),
            "data.folds": 3,
            "data.workers": 0,
            "data.val_fraction": 0.25,
            "device": "cpu",
            "threads": 1,
            "encoders.text": {"modality": "text", "name": "hashed-ngrams", "dim": 64},
            "model.options": SMALL_MODEL,
            "optimiser.epochs": 3,
            "optimiser.batch_size": 4,
            "optimiser.learning_rate": 0.003,
            **{name.replace("__", "."): value for name, value in changes.items()},
        }
    )
