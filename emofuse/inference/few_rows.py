"""What a part of few rows says, and what it does not."""

from __future__ import annotations

from collections.abc import Mapping

from emofuse.data.wording import counted

FEWEST_ROWS = 50
"""Below it one row more or less that is right moves a share by more than two points."""


def few_rows_line(rows: int, what: str = "test row") -> str:
    """What to say of scores on so many rows; empty where they are enough."""
    return f"{counted(rows, what)}: too few to judge by" if rows < FEWEST_ROWS else ""


def label_sets_line(sets: Mapping[str, float], val_rows: int, labels: int) -> str:
    """What sets of labels cover; empty where there are none, or too few validation rows to promise anything by.

    Args:
        sets: of `coverage_on`.
        val_rows: rows of the validation part, which calibrates the sets.
        labels: that the run tells apart.
    """
    if not sets or val_rows < FEWEST_ROWS:
        return ""
    promise = f"sets of labels that promise {100 * sets['promised']:.0f} %"
    if sets["labels_per_set"] >= labels:
        return f"{promise} hold all {labels} labels each, and say nothing"
    return f"{promise} hold the true one in {100 * sets['covered']:.1f} %, with {sets['labels_per_set']:.1f} labels each"
