"""Sets of labels with a promised coverage, from what a run said of its validation part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emofuse.data.stored_files import is_there
from emofuse.errors import EmofuseError
from emofuse.evaluation.metrics.conformal import conformal_threshold, label_sets
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.stored_results import read_predictions

if TYPE_CHECKING:
    import pandas as pd


class LabelSets:
    """Which labels to name, so that the true one is among them as often as promised.

    The validation part chose the epoch, so the run is a little surer of it than of new recordings: the sets may cover a
    little less than promised. metrics.json says what they cover on the test part.

    Args:
        probabilities: (N, C) of the validation part.
        labels: (N,) its true classes.
        coverage: share of sets that hold the true label.
    """

    def __init__(self, probabilities: np.ndarray, labels: np.ndarray, coverage: float) -> None:
        self.coverage = coverage
        self.threshold = conformal_threshold(probabilities, labels, coverage)

    @classmethod
    def of_run(cls, folder: RunFolder, coverage: float) -> LabelSets:
        """From the run's predictions.parquet.

        Raises:
            EmofuseError: the run was not evaluated, or predicts no classes.
        """
        record = folder.read_record()
        if record.task != "classification":
            raise EmofuseError(
                f"{folder.path}: predicts values, which have no sets of labels; leave coverage out"
            )
        if not is_there(folder.predictions_file):
            raise EmofuseError(
                f"{folder.path}: sets of labels need its validation predictions; run `emofuse evaluate {folder.path}`"
            )
        advice = f"run `emofuse evaluate {folder.path}`"
        table = read_predictions(folder.predictions_file, record.task, record.labels, advice)
        return cls(*scores_of(table[table["part"] == "val"], record.labels), coverage)

    def sets(self, probabilities: np.ndarray) -> np.ndarray:
        """(N, C) bool, the labels of each set."""
        return label_sets(probabilities, self.threshold)


def scores_of(table: pd.DataFrame, labels: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """(N, C) probabilities and (N,) true classes of the rows of a table of predictions that have a label."""
    known = table[table["label"].isin(labels)]
    numbers = {label: number for number, label in enumerate(labels)}
    true = known["label"].map(numbers).to_numpy(np.int64)
    return known[[f"p_{label}" for label in labels]].to_numpy(np.float64), true


def coverage_on(table: pd.DataFrame, labels: list[str], coverage: float) -> dict[str, float]:
    """What sets calibrated on the validation rows of a table do on its test rows.

    Returns:
        "promised", "covered" and "labels_per_set"; empty where a part has no labelled row.
    """
    probabilities, true = scores_of(table[table["part"] == "val"], labels)
    tested, truth = scores_of(table[table["part"] == "test"], labels)
    if len(true) == 0 or len(truth) == 0:
        return {}
    sets = LabelSets(probabilities, true, coverage).sets(tested)
    return {
        "promised": coverage,
        "covered": float(sets[np.arange(len(truth)), truth].mean()),
        "labels_per_set": float(sets.sum(axis=1).mean()),
    }
