"""Text-only corpora and runs that take about a second to train."""

from pathlib import Path

import pandas as pd

from emofuse.data.manifest import Manifest
from emofuse.inference.evaluate import evaluate_fit
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.settings import RunSettings
from emofuse.training.fit import fit_run
from tests.small_corpus import SMALL_MODEL

WORDS = {
    "anger": ["get out of my house", "how dare you", "I hate this"],
    "joy": ["what a wonderful day", "I love it so much", "that is great news"],
    "sadness": ["I miss her", "it hurts to be alone", "nobody came"],
}


def text_corpus(folder: Path, dialogues: int = 12, turns: int = 6, **changed_labels: str) -> Manifest:
    """Dialogues of two speakers; every fourth utterance says something that its label does not go with."""
    labels = list(WORDS)
    rows = []
    for dialogue in range(dialogues):
        for turn in range(turns):
            label = labels[(dialogue + turn) % 3]
            said = labels[(dialogue + turn + 1) % 3] if (dialogue + turn) % 4 == 3 else label
            rows.append(
                {
                    "id": f"d{dialogue}t{turn}",
                    "dialogue": f"d{dialogue}",
                    "turn": turn,
                    "speaker": f"S{2 * dialogue + turn % 2}",
                    "text": f"{WORDS[said][turn % 3]}, number {turn * dialogue}",
                    "label": changed_labels.get(label, label),
                }
            )
    Manifest.from_frame(pd.DataFrame(rows), folder).write(folder / "manifest.csv")
    return Manifest.read(folder / "manifest.csv").validate()


def text_settings(manifest: Manifest, **changes: object) -> RunSettings:
    """DeepMSI-MER on words alone, of a size that trains in a second."""
    return RunSettings().with_changes(
        {
            "data.manifest": str(manifest.root / "manifest.csv"),
            "data.protocol": "dialogue",
            "data.folds": 3,
            "data.workers": 0,
            "data.val_fraction": 0.25,
            "device": "cpu",
            "threads": 1,
            "encoders.text": {"modality": "text", "name": "hashed-ngrams", "dim": 64},
            "model.options": SMALL_MODEL,
            "optimiser.epochs": 4,
            "optimiser.batch_size": 8,
            "optimiser.learning_rate": 0.01,
            **{name.replace("__", "."): value for name, value in changes.items()},
        }
    )


def text_run(manifest: Manifest, path: Path, **changes: object) -> RunFolder:
    """A run that has been trained and evaluated."""
    folder = fit_run(text_settings(manifest, **changes), manifest, path)
    evaluate_fit(folder, manifest)
    return folder
