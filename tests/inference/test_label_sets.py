"""Sets of labels are calibrated on what has the same modalities."""

import numpy as np
import pandas as pd
import pytest

from emofuse.inference.label_sets import LabelSets, coverage_on, kinds_of

LABELS = ["a", "b", "c", "d"]


def table(part: str, rows: int, sureness: float, modality: str, rng: np.random.Generator) -> pd.DataFrame:
    """Predictions whose probabilities lean to the true label, more or less."""
    true = rng.integers(4, size=rows)
    scores = rng.normal(size=(rows, 4))
    scores[np.arange(rows), true] += sureness
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    has = {f"has_{m}": m == modality for m in ("text", "audio")}
    columns = {"part": part, "label": [LABELS[i] for i in true], **has}
    return pd.DataFrame(columns | {f"p_{label}": p[:, i] for i, label in enumerate(LABELS)})


def test_each_set_of_modalities_keeps_the_promise_and_not_only_all_together() -> None:
    rng = np.random.default_rng(0)
    sure, unsure = (("audio", 1.5), ("text", 0.2))
    parts = [table(part, 2000, s, m, rng) for part in ("val", "test") for m, s in (sure, unsure)]
    everything = pd.concat(parts, ignore_index=True)
    assert coverage_on(everything, LABELS, 0.9)["covered"] == pytest.approx(0.9, abs=0.015)
    for modality in ("audio", "text"):
        rows = everything[(everything["part"] == "val") | everything[f"has_{modality}"]]
        assert coverage_on(rows, LABELS, 0.9)["covered"] == pytest.approx(0.9, abs=0.02)


def test_few_rows_of_a_kind_are_calibrated_with_all() -> None:
    rng = np.random.default_rng(1)
    val = pd.concat([table("val", 300, 1.0, "text", rng), table("val", 49, 4.0, "audio", rng)])
    sets = LabelSets.of_table(val, LABELS, 0.9)
    assert set(sets.thresholds) == {frozenset({"text"})}
    new = np.full((1, 4), 0.25)
    new[0, 0] = sets.threshold + 1e-3
    assert sets.sets(new, [frozenset({"audio"})])[0, 0]
    np.testing.assert_array_equal(sets.sets(new, [frozenset({"audio"})]), sets.sets(new))


def test_modalities_are_read_from_the_columns_that_a_table_has() -> None:
    rows = table("val", 2, 1.0, "text", np.random.default_rng(2))
    assert kinds_of(rows) == [frozenset({"text"})] * 2
    assert kinds_of(rows.drop(columns=["has_text", "has_audio"])) == [frozenset()] * 2
