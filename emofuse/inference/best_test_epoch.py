"""What choosing the epoch on the test part would have given: the habit behind many published figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from emofuse.data.stored_files import DamagedFileError, check_numbers, is_there, stored_csv
from emofuse.runs.run_folder import RunFolder

_ADVICE = "delete it; the run then has no such figure"
_LESS_IS_BETTER = ("mae",)


@dataclass(frozen=True)
class BestTestEpoch:
    """The test part's best epoch beside the one that the validation part has chosen.

    Attributes:
        metric: that is meant: ``weighted_f1``, or ``mae`` of a value.
        epoch: the best, from 0.
        score: of the test part after it: optimistic.
        chosen_epoch: the run's own.
        chosen_score: of the test part after that one.
    """

    metric: str
    epoch: int
    score: float
    chosen_epoch: int
    chosen_score: float

    @property
    def worth(self) -> float:
        """By how much the habit flatters; never below 0, whichever way the metric goes."""
        gain = self.score - self.chosen_score
        return -gain if self.metric in _LESS_IS_BETTER else gain

    def line(self) -> str:
        """For a person; it says that the figure is no result."""
        shares = self.metric not in _LESS_IS_BETTER
        name, number = (
            ("weighted F1", lambda x: f"{100 * x:.1f}") if shares else ("MAE", lambda x: f"{x:.3f}")
        )
        return (
            f"optimistic, and no result: had the test part chosen the epoch, it would be epoch {self.epoch + 1} with "
            f"{name} {number(self.score)} in place of epoch {self.chosen_epoch + 1} with {number(self.chosen_score)}"
        )

    def to_dict(self) -> dict[str, Any]:
        """What metrics.json holds."""
        return {
            "note": "optimistic: chosen by the test part itself",
            "metric": self.metric,
            "epoch": self.epoch,
            "score": self.score,
            "chosen_epoch": self.chosen_epoch,
            "chosen_score": self.chosen_score,
            "worth": self.worth,
        }


def best_test_epoch(folder: RunFolder) -> BestTestEpoch | None:
    """The test part's best epoch of a run that was asked to note its scores (setting ``test_scores``); else None.

    Args:
        folder: of a fitted run.

    Raises:
        EmofuseError: its test-epochs.csv is damaged, or lacks the epoch that was chosen.
    """
    file = folder.test_epochs_file
    if not is_there(file):
        return None
    record = folder.read_record()
    metric = "weighted_f1" if record.task == "classification" else "mae"
    table = stored_csv(file, _ADVICE)
    column = f"test_{metric}"
    for name in ("epoch", column):
        if name not in table:
            raise DamagedFileError(file, f"it has no column {name}", _ADVICE)
    check_numbers(table, ["epoch", column], file, _ADVICE)
    scores = dict(zip(table["epoch"].astype(int), table[column].astype(float), strict=True))
    if record.best_epoch is None or record.best_epoch not in scores:
        raise DamagedFileError(file, f"it lacks epoch {record.best_epoch}, which the run has chosen", _ADVICE)
    best = (min if metric in _LESS_IS_BETTER else max)(scores, key=lambda epoch: scores[epoch])
    return BestTestEpoch(metric, best, scores[best], record.best_epoch, scores[record.best_epoch])
