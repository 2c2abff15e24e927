"""Sets of labels are calibrated on what has the same modalities."""

import numpy as np
import pandas as pd
import pytest

from emofuse.inference.few_rows import few_rows_line, label_sets_line
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


def test_few_rows_promise_nothing_and_are_no_measure() -> None:
    sets = {"promised": 0.9, "covered": 0.925, "labels_per_set": 2.04}
    said = "sets of labels that promise 90 % hold the true one in 92.5 %, with 2.0 labels each"
    assert label_sets_line(sets, val_rows=50, labels=4) == said
    assert label_sets_line(sets, val_rows=49, labels=4) == ""
    all_labels = {**sets, "labels_per_set": 4.0}
    assert "hold all 4 labels each, and say nothing" in label_sets_line(all_labels, val_rows=50, labels=4)
    assert few_rows_line(10) == "10 test rows: too few to judge by"
    assert few_rows_line(50) == ""
