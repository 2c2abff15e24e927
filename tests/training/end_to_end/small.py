"""Settings of trainings end to end that take a second or two."""

from pathlib import Path

from emofuse.data.manifest import Manifest
from emofuse.runs.settings import RunSettings

SMALL_MFCRE = {
    "dim": 16,
    "heads": 2,
    "ff_dim": 16,
    "reasoning_steps": 1,
    "modality_encoder": False,
    "multi_attn": False,
}


def joint_settings(manifest: Manifest, folder: Path, **changes: object) -> RunSettings:
    """MFCRE on words, with a BERT that learns along."""
    return RunSettings().with_changes(
        {
            "data.manifest": str(manifest.root / "manifest.csv"),
            "data.features": None,
            "data.protocol": "dialogue",
            "data.folds": 3,
            "data.val_fraction": 0.25,
            "data.workers": 0,
            "device": "cpu",
            "threads": 1,
            "encoders.text": {
                "modality": "text",
                "name": str(folder),
                "end_to_end": {"learning_rate": 0.002, "dropout": 0.0},
            },
            "model.name": "mfcre",
            "model.preset": None,
            "model.modalities": ["text"],
            "model.options": SMALL_MFCRE,
            "optimiser.name": "adamw",
            "optimiser.epochs": 3,
            "optimiser.batch_size": 4,
            "optimiser.learning_rate": 0.003,
            **{name.replace("__", "."): value for name, value in changes.items()},
        }
    )
