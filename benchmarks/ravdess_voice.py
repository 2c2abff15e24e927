"""Which audio features tell emotions of unseen speakers apart: RAVDESS's speech, folds by actor, a linear model.

    python -m benchmarks.ravdess_voice RAVDESS/manifest.csv --work ravdess-features

Five folds by actor for each of five divisions (seeds); logistic regression on standardised features, its strength chosen by
folds over the training actors. "Normalised" takes each actor's mean and spread off, which needs no label but several
utterances of a person. Writes benchmarks/results/ravdess_voice.md.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, f1_score
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.machine import machine_line
from benchmarks.script import argument_parser
from benchmarks.seeds import spread
from emofuse.data.manifest import Manifest
from emofuse.data.quarantine import Quarantine
from emofuse.encoders import EncoderSpec
from emofuse.encoders.spec import (
    LOGMEL_FUNCTIONALS,
    OPENSMILE_COMPARE,
    OPENSMILE_EGEMAPS,
    WHISPER_LOGMEL,
    WHISPER_TINY_EN,
)
from emofuse.features import FeatureStore
from emofuse.runs.features import encode

RESULTS = Path(__file__).parent / "results" / "ravdess_voice.md"
SEEDS = range(5)
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)
ENCODERS = {
    "log-mel functionals (embedded)": EncoderSpec(modality="audio", name=LOGMEL_FUNCTIONALS),
    "eGeMAPS": EncoderSpec(modality="audio", name=OPENSMILE_EGEMAPS),
    "ComParE 2016": EncoderSpec(modality="audio", name=OPENSMILE_COMPARE),
    "Whisper tiny.en, mean": EncoderSpec(modality="audio", name=WHISPER_TINY_EN, pooling="mean"),
    "Whisper tiny.en, mean and sd": EncoderSpec(modality="audio", name=WHISPER_TINY_EN),
    "Whisper tiny.en, mean, a second of silence": EncoderSpec(
        modality="audio", name=WHISPER_TINY_EN, pooling="mean", pad=1.0
    ),
    "Whisper's mean beside log-mel functionals": EncoderSpec(modality="audio", name=WHISPER_LOGMEL),
}


def per_speaker(vectors: np.ndarray, speakers: np.ndarray) -> np.ndarray:
    """Each speaker's vectors without that speaker's mean and spread."""
    normal = np.empty_like(vectors)
    for speaker in np.unique(speakers):
        own = vectors[speakers == speaker]
        normal[speakers == speaker] = (own - own.mean(0)) / (own.std(0) + 1e-6)
    return normal


def score(vectors: np.ndarray, labels: np.ndarray, speakers: np.ndarray, seed: int) -> tuple[float, float]:
    """Average recall and weighted F1, in percent, over all utterances, each judged by a model that has not heard its actor."""
    said = np.empty_like(labels)
    for train, test in StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(
        vectors, labels, speakers
    ):
        model = GridSearchCV(
            make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)),
            {"logisticregression__C": STRENGTHS},
            cv=StratifiedGroupKFold(3, shuffle=True, random_state=seed),
            scoring="balanced_accuracy",
        )
        model.fit(vectors[train], labels[train], groups=speakers[train])
        said[test] = model.predict(vectors[test])
    return (
        100 * float(balanced_accuracy_score(labels, said)),
        100 * float(f1_score(labels, said, average="weighted")),
    )


def main() -> None:
    """Encode what is missing, score, write the table."""
    parser = argument_parser(__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    manifest = Manifest.read(given.manifest).validate()
    store, quarantine = FeatureStore(given.work / "features"), Quarantine(given.work / "quarantine.csv")
    labels = manifest.frame["label"].to_numpy(str)
    speakers = manifest.frame["speaker"].to_numpy(str)
    readers = {
        name: encode(manifest, spec, store, device="cpu", quarantine=quarantine, workers=0).reader
        for name, spec in ENCODERS.items()
    }
    features = {name: np.stack([reader[i] for i in manifest.ids]) for name, reader in readers.items()}
    features["Whisper mean and sd, with ComParE"] = np.hstack(
        [features["Whisper tiny.en, mean and sd"], features["ComParE 2016"]]
    )
    lines = []
    for name, vectors in features.items():
        for how, used in (("", vectors), (", normalised per actor", per_speaker(vectors, speakers))):
            scores = [score(used, labels, speakers, seed) for seed in SEEDS]
            cells = [spread(of_metric) for of_metric in zip(*scores, strict=True)]
            lines.append(f"| {name}{how} | {vectors.shape[1]} | {' | '.join(cells)} |")
            print(lines[-1], flush=True)
    RESULTS.write_text(
        f"# Voices of RAVDESS, actors held out\n\n{len(labels)} utterances of {len(np.unique(speakers))} actors, "
        f"{len(np.unique(labels))} classes; logistic regression; five folds by actor, mean ± standard deviation over five "
        f"divisions. {machine_line(given.threads)}.\n\n"
        "| features | numbers | average recall | weighted F1 |\n|---|---:|---:|---:|\n"
        + "\n".join(lines)
        + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
