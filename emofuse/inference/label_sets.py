"""Sets of labels with a promised coverage, from what a run said of its validation part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from emofuse.data.stored_files import is_there
from emofuse.errors import EmofuseError
from emofuse.evaluation.metrics.conformal import conformal_threshold, label_sets
from emofuse.inference.calibration import read_calibration
from emofuse.inference.few_rows import FEWEST_ROWS
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.stored_results import read_predictions

if TYPE_CHECKING:
    import pandas as pd


# Validation rows with the same modalities, from which on these alone calibrate the sets of such utterances.
_ENOUGH = FEWEST_ROWS
Kind = frozenset[str]


class ValidationScores(NamedTuple):
    """What a run said of its validation part.

    Attributes:
        probabilities: (N, C).
        labels: (N,) the true classes.
        kinds: (N,) the modalities of each.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    kinds: list[Kind]

    @classmethod
    def of_run(cls, folder: RunFolder, temperature: float | None = None) -> ValidationScores:
        """From the run's predictions.parquet.

        Args:
            folder: of the run.
            temperature: of the probabilities, where it may differ from the one that the run has now: a run that has been
                loaded keeps its own when the folder is calibrated anew.

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
        # Read last: a new temperature is written after predictions of the old one are removed, and before those of its own.
        calibration = read_calibration(folder)
        scores = cls.of_table(table[table["part"] == "val"], record.labels)
        now = calibration.temperature if calibration else 1.0
        if temperature is None or temperature == now:
            return scores
        # softmax(z / a) is softmax(z / b) to the power of b / a, made to sum to 1 again.
        powers = scores.probabilities ** (now / temperature)
        return scores._replace(probabilities=powers / powers.sum(axis=1, keepdims=True))

    @classmethod
    def of_table(cls, table: pd.DataFrame, labels: list[str]) -> ValidationScores:
        """From the validation rows of a table of predictions."""
        return cls(*scores_of(table, labels), kinds_of(table[table["label"].isin(labels)]))


class LabelSets:
    """Which labels to name, so that the true one is among them as often as promised.

    A run is surer of some sets of modalities than of others, and a corpus may have them in different rows. So utterances are
    calibrated on validation rows that have the same modalities, where there are enough of those, and else on all
    (Mondrian conformal prediction, Vovk et al. 2005, §4.5).

    The validation part chose the epoch, so the run is a little surer of it than of new recordings: the sets may cover a
    little less than promised. metrics.json says what they cover on the test part.

    Args:
        probabilities: (N, C) of the validation part.
        labels: (N,) its true classes.
        coverage: share of sets that hold the true label.
        kinds: (N,) the modalities of each; by default those of all are the same.
    """

    def __init__(
        self,
        probabilities: np.ndarray,
        labels: np.ndarray,
        coverage: float,
        kinds: Sequence[Kind] | None = None,
    ) -> None:
        self.coverage = coverage
        self.threshold = conformal_threshold(probabilities, labels, coverage)
        self.thresholds: dict[Kind, float] = {}
        for kind in set(kinds or ()):
            rows = np.array([each == kind for each in kinds or ()])
            if rows.sum() >= _ENOUGH:
                self.thresholds[kind] = conformal_threshold(probabilities[rows], labels[rows], coverage)

    @classmethod
    def of_run(cls, folder: RunFolder, coverage: float) -> LabelSets:
        """From the run's predictions.parquet.

        Raises:
            EmofuseError: the run was not evaluated, or predicts no classes.
        """
        return cls.of_scores(ValidationScores.of_run(folder), coverage)

    @classmethod
    def of_table(cls, table: pd.DataFrame, labels: list[str], coverage: float) -> LabelSets:
        """From the validation rows of a table of predictions."""
        return cls.of_scores(ValidationScores.of_table(table, labels), coverage)

    @classmethod
    def of_scores(cls, scores: ValidationScores, coverage: float) -> LabelSets:
        """From what a run said of its validation part."""
        return cls(scores.probabilities, scores.labels, coverage, scores.kinds)

    def sets(self, probabilities: np.ndarray, kinds: Sequence[Kind] | None = None) -> np.ndarray:
        """(N, C) bool, the labels of each set, for utterances (N, C) of these modalities."""
        if kinds is None:
            return label_sets(probabilities, self.threshold)
        thresholds = np.array([self.thresholds.get(kind, self.threshold) for kind in kinds])
        return label_sets(probabilities, thresholds.reshape(-1, 1))


def kinds_of(table: pd.DataFrame) -> list[Kind]:
    """The modalities of each row of a table of predictions, by its columns ``has_<modality>``."""
    columns = [name for name in map(str, table) if name.startswith("has_")]
    rows = table[columns].to_numpy(dtype=bool) if columns else np.zeros((len(table), 0), dtype=bool)
    names = [name.removeprefix("has_") for name in columns]
    return [frozenset(name for name, has_it in zip(names, row, strict=True) if has_it) for row in rows]


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
    known = table[table["label"].isin(labels)]
    val, test = (known[known["part"] == part] for part in ("val", "test"))
    if len(val) == 0 or len(test) == 0:
        return {}
    tested, truth = scores_of(test, labels)
    sets = LabelSets.of_table(val, labels, coverage).sets(tested, kinds_of(test))
    return {
        "promised": coverage,
        "covered": float(sets[np.arange(len(truth)), truth].mean()),
        "labels_per_set": float(sets.sum(axis=1).mean()),
    }
