"""A leaderboard as tables: one for each corpus, protocol and part, since other numbers cannot be compared."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from emofuse.evaluation.metrics.estimate import MISSING
from emofuse.evaluation.reporting.comparison_tables import count_text
from emofuse.evaluation.reporting.report_rows import METRIC_NAMES, metric_name, metric_order
from emofuse.evaluation.reporting.tables import Cell, Table, flags_of
from emofuse.experiments.leaderboard.rank import Leaderboard, LeaderboardRow

_LEFT_OUT = ("ece", "f1_nonnegative", "f1_positive", "acc5")  # in the CSV and the JSON


def leaderboard_tables(board: Leaderboard) -> list[Table]:
    """A table for each corpus, protocol and part; runs that have not been scored are named below the last."""
    tables = [_table(list(rows)) for _, rows in groupby(board.rows, key=lambda row: row.board)]
    if board.unfinished:
        rows = tuple((Cell(name), Cell(reason)) for name, reason in board.unfinished.items())
        tables.append(Table("Not scored", ("Run", "Why"), rows, words=2))
    return tables


def _table(rows: Sequence[LeaderboardRow]) -> Table:
    first = rows[0]
    names = sorted(
        (name for name in METRIC_NAMES if name not in _LEFT_OUT and any(name in row.metrics for row in rows)),
        key=metric_order,
    )
    judged = "" if first.evaluated_on == "test" else f", scored on {first.evaluated_on}"
    return Table(
        title=f"{first.corpus}, protocol {first.protocol}{judged}",
        columns=(
            *("Run", "System", "Modalities", "Seed", "Fold", "Utterances"),
            *(metric_name(name) for name in names),
            *("Leaks", "Parameters", "Fit, s", "Started"),
        ),
        rows=tuple(_row(row, names) for row in rows),
        words=3,
        notes=_notes(rows),
    )


def _row(row: LeaderboardRow, names: Sequence[str]) -> tuple[Cell, ...]:
    flags = flags_of(row.optimistic, row.synthetic)
    several = row.runs > 1
    return (
        Cell(f"{row.run} ({row.runs} runs)" if several else row.run),
        Cell(row.model),
        Cell(", ".join(row.modalities) or MISSING),
        Cell(MISSING if row.seed is None else str(row.seed)),
        Cell(MISSING if row.fold is None else str(row.fold)),
        Cell(str(row.n)),
        *(
            Cell(row.metrics[name].text(), flags=flags) if name in row.metrics else Cell(MISSING)
            for name in names
        ),
        Cell(str(row.leaks)),
        Cell(count_text(row.parameters)),
        Cell(MISSING if row.fit_seconds is None else f"{row.fit_seconds:.0f}"),
        Cell(row.started[:10]),
    )


def _notes(rows: Sequence[LeaderboardRow]) -> tuple[str, ...]:
    notes = ["Percent, with the 95 % bootstrap interval over dialogues."]
    if any(row.runs > 1 for row in rows):
        notes = [
            "Percent; of several runs the mean ± its standard deviation, of one the 95 % bootstrap interval."
        ]
    parts = {(row.n, row.fold, row.seed) for row in rows}
    if len({fold for _, fold, _ in parts}) > 1 or len({n for n, _, _ in parts}) > 1:
        notes.append(
            "Folds, and seeds that split anew, judge different utterances: `emofuse compare` says which differ."
        )
    if any(row.leaks for row in rows):
        notes.append(
            "Leaks counts the warnings of the leak audit; `emofuse audit` and each run's report list them."
        )
    return tuple(notes)


def leaderboard_rows(board: Leaderboard) -> list[dict[str, Any]]:
    """A flat row per run for a CSV: fractions not percent, empty where not known."""
    return [_flat(row) for row in board.rows]


def _flat(row: LeaderboardRow) -> dict[str, Any]:
    plain = row.to_dict()
    metrics = plain.pop("metrics")
    plain["modalities"] = " ".join(row.modalities)
    for name, score in metrics.items():
        low, high = score["interval"] or (None, None)
        plain |= {name: score["value"], f"{name}_sd": score["sd"], f"{name}_low": low, f"{name}_high": high}
    return plain
