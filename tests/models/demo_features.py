"""Small features of the demo corpus, for tests that need real signals and no media: makes `demo_features.npz`.

    emofuse demo-data demo
    python -m tests.models.demo_features demo

Of 32 dialogues each modality as a few steps, reduced to a few numbers by the principal components of the training part. No
speaker of the training part is in the other.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA

from emofuse.data.manifest import Manifest
from emofuse.encoders import EncoderSpec, create_encoder
from emofuse.features.encoding import encode_utterances

FILE = Path(__file__).with_name("demo_features.npz")
DIALOGUES, TRAIN, DIM = 32, 24, 12
STEPS = {"text": 6, "audio": 6, "video": 4}
ENCODERS = {
    "audio": EncoderSpec(modality="audio", name="logmel-functionals"),
    "video": EncoderSpec(modality="video", name="frame-statistics", frames=4, pooling="tokens"),
}


def main(corpus: Path) -> None:
    manifest = Manifest.read(corpus / "manifest.csv").validate()
    groups = manifest.frame.groupby("group", sort=False)["dialogue"].unique()
    chosen = [dialogue for dialogues in groups for dialogue in dialogues[:2]][:DIALOGUES]
    frame = manifest.frame[manifest.frame["dialogue"].isin(chosen)].reset_index(drop=True)
    rows = [manifest.utterance(i) for i in frame["id"]]
    train = frame["dialogue"].isin(chosen[:TRAIN]).to_numpy()
    words = create_encoder(EncoderSpec(modality="text", name="hashed-ngrams"))
    sequences = {"text": [words.encode((row.text or "").split()[: STEPS["text"]]) for row in rows]}
    for modality, spec in ENCODERS.items():
        found = dict(encode_utterances(rows, create_encoder(spec)))
        sequences[modality] = [np.atleast_2d(found[row.id]) for row in rows]
    arrays = {name: frame[name].to_numpy(str) for name in ("dialogue", "speaker", "label")} | {"train": train}
    for modality, parts in sequences.items():
        known = np.concatenate([x for x, fitted in zip(parts, train, strict=True) if fitted])
        mean, spread = known.mean(0), known.std(0) + 1e-6
        pca = PCA(DIM, random_state=0).fit((known - mean) / spread)
        reduced = [pca.transform((x - mean) / spread)[: STEPS[modality]] for x in parts]
        steps = np.zeros((len(rows), max(len(x) for x in reduced), DIM), np.float16)
        for row, x in enumerate(reduced):
            steps[row, : len(x)] = x
        arrays |= {modality: steps, f"{modality}_lengths": np.array([len(x) for x in reduced])}
    np.savez_compressed(FILE, **arrays)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
