"""Predictions of made-up methods on made-up dialogues, for tests of comparisons."""

import numpy as np
import pandas as pd

from emofuse.evaluation.comparison.methods import Facts, JudgedRun, Method, make_method

LABELS = ("anger", "joy", "sadness")
DIALOGUES, TURNS = 12, 8


def truth_of(seed: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).choice(LABELS, DIALOGUES * TURNS, p=[0.3, 0.5, 0.2])


def judged(
    name: str, skill: float, seed: int, *, run_seed: int = 0, keep: slice = slice(None), labels=LABELS
) -> JudgedRun:
    """A run that is right where its logits, lifted by ``skill`` at the true class, say so."""
    rng = np.random.default_rng(seed)
    truth = truth_of()
    index = np.array([LABELS.index(label) for label in truth])
    logits = rng.normal(size=(len(truth), 3))
    logits[np.arange(len(truth)), index] += skill
    table = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    frame = pd.DataFrame(
        {
            "id": [f"d{i // TURNS:02d}t{i % TURNS}" for i in range(len(truth))],
            "dialogue": [f"d{i // TURNS:02d}" for i in range(len(truth))],
            "speaker": [f"S{i % 2}" if i % 5 else None for i in range(len(truth))],
            "truth": truth,
            "predicted": [LABELS[i] for i in table.argmax(axis=1)],
            **{f"p_{label}": table[:, i] for i, label in enumerate(LABELS)},
        }
    )
    return JudgedRun(name, run_seed, frame.iloc[keep].reset_index(drop=True), tuple(labels))


def method(name: str, *runs: JudgedRun, **facts: object) -> Method:
    return make_method(name, runs, Facts(model="deepmsi-mer", **facts))
