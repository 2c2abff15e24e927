"""The tables of a planned paper with our figures in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from emofuse.evaluation import MeanSd
from emofuse.evaluation.metrics.classification import json_number
from emofuse.evaluation.metrics.emotion_names import emotion_name
from emofuse.evaluation.metrics.estimate import MISSING
from emofuse.evaluation.metrics.sentiment import NOT_SHARES
from emofuse.evaluation.reporting.report_rows import metric_name
from emofuse.evaluation.reporting.table_files import write_table_files
from emofuse.evaluation.reporting.tables import Cell, Table, flags_of
from emofuse.experiments.cross_validation.run import CrossValidation
from emofuse.experiments.printed_columns import COLUMNS
from emofuse.experiments.reproduction.paper_runs import PaperReproduction
from emofuse.experiments.reproduction.plan import PaperTable, PrintedFigure

_OF_TASK = MappingProxyType(
    {"classification": ("accuracy", "weighted_f1"), "regression": ("mae", "corr", "acc2", "f1", "acc7")}
)
_TWO_WAYS = (
    "Acc-2 and F1 of ours: negative/non-negative on all utterances, then negative/positive without those of "
    "exactly 0. Where the paper prints one figure, it does not say which of the two it is."
)


def write_paper_reproduction(found: PaperReproduction, folder: Path | None = None) -> list[Path]:
    """Write tables.md, tables.html, tables.tex, table.csv and results.json.

    Args:
        found: of :func:`~emofuse.experiments.reproduction.reproduce_paper`.
        folder: by default that of the reproduction.
    """
    rows = paper_rows(found)
    return write_table_files(
        folder or found.folder,
        paper_tables(found),
        rows,
        {
            "paper": found.plan.title,
            "corpus": found.corpus,
            "source": found.plan.source,
            "left_out": [
                {"table": table, "row": row, "why": why} for (table, row), why in found.left_out.items()
            ],
            "failures": found.failures,
            "rows": rows,
        },
        name="results",
    )


def paper_tables(found: PaperReproduction) -> list[Table]:
    """Each table that was asked for, the paper's figures beside ours."""
    return [_compared(found, t) if t.compared else _variants(found, t) for t in found.tables]


def paper_rows(found: PaperReproduction) -> list[dict[str, Any]]:
    """A row per figure, the paper's and ours; shares in percent."""
    rows: list[dict[str, Any]] = []
    for table in found.tables:
        rows += [
            {
                "table": table.number,
                "row": figure.row,
                "source": found.plan.source,
                "protocol": "",
                "metric": figure.column if figure.column in COLUMNS else "f1",
                "class": "" if figure.column in COLUMNS else figure.column,
                "value": figure.value,
            }
            for figure in found.plan.printed(table, found.corpus)
        ]
        rows += _own_rows(found, table)
    return rows


def _own_rows(found: PaperReproduction, table: PaperTable) -> Iterator[dict[str, Any]]:
    outcomes = {v.name: found.outcomes.get((table.number, v.name)) for v in table.variants}
    for name, outcome in (outcomes | (dict(found.compared.outcomes) if table.compared else {})).items():
        if outcome is None or outcome.means is None:
            continue
        figures = [(metric, "", score) for metric, score in outcome.means.metrics.items()]
        figures += [("f1", label, each["f1"]) for label, each in outcome.class_means().items()]
        for metric, label, score in figures:
            scale = 1 if metric in NOT_SHARES else 100
            yield {
                "table": table.number,
                "row": name,
                "source": "emofuse",
                "protocol": found.protocol,
                "metric": metric,
                "class": label,
                "value": json_number(scale * score.mean),
                "sd": json_number(scale * score.sd),
                "folds": score.runs,
                "run": outcome.folder.name,
            }


def _compared(found: PaperReproduction, table: PaperTable) -> Table:
    """A table of methods: the paper's rows as printed, ours last."""
    printed = found.plan.printed(table, found.corpus)
    columns = _columns(found, printed)
    rows = []
    for method in dict.fromkeys(figure.row for figure in printed):
        of = {figure.column: figure.value for figure in printed if figure.row == method}
        rows.append((Cell(f"{method} (published)"), *(Cell(of.get(name, MISSING)) for name in columns)))
        rows += _compared_rows(found, [method], columns)
    rows += _compared_rows(found, [m for m in found.compared.outcomes if not printed], columns)
    for variant in table.variants:
        outcome = found.outcomes.get((table.number, variant.name))
        cells = (_own_cell(found, outcome, name, label) for name, label in columns.items())
        rows.append((Cell(f"{variant.name}, emofuse"), *cells))
    return Table(
        title=_title(found, table, bool(printed)),
        columns=("Method", *(_heading(name) for name in columns)),
        rows=tuple(rows),
        notes=_notes(found, table, printed),
    )


def _compared_rows(
    found: PaperReproduction, methods: Sequence[str], columns: Mapping[str, str | None]
) -> list[tuple[Cell, ...]]:
    """Ours of the methods that the paper compares with."""
    return [
        (
            Cell(f"{method}, emofuse"),
            *(_own_cell(found, found.compared.outcomes[method], *each) for each in columns.items()),
        )
        for method in methods
        if method in found.compared.outcomes
    ]


def _variants(found: PaperReproduction, table: PaperTable) -> Table:
    """A table of variants of the system: beside each figure of the paper, ours."""
    printed = found.plan.printed(table, found.corpus)
    of = {(figure.row, figure.column): figure.value for figure in printed}
    columns = [name for name in _columns(found, printed) if name in COLUMNS]
    columns += [name for name in _OF_TASK[found.task] if name not in columns]
    known = {name for _, name in of}
    heads = ["Variant"]
    for name in columns:
        heads += [f"{_heading(name)}, published"] * (name in known) + [f"{_heading(name)}, ours"]
    rows = []
    for variant in table.variants:
        outcome, cells = found.outcomes.get((table.number, variant.name)), [Cell(variant.name)]
        for name in columns:
            cells += [Cell(of.get((variant.name, name), MISSING))] * (name in known)
            cells.append(_own_cell(found, outcome, name, None))
        rows.append(tuple(cells))
    return Table(
        title=_title(found, table, bool(printed)),
        columns=tuple(heads),
        rows=tuple(rows),
        notes=_notes(found, table, printed),
    )


def _columns(found: PaperReproduction, printed: Sequence[PrintedFigure]) -> dict[str, str | None]:
    """Columns as the paper has them, or our own; a class → our label that means the same."""
    ours = {emotion_name(label): label for label in found.labels}
    if not printed:
        labels = found.labels if found.task == "classification" else []
        return {label: label for label in labels} | dict.fromkeys(_OF_TASK[found.task])
    names = list(dict.fromkeys(figure.column for figure in printed))
    classes = {name: ours.get(emotion_name(name)) for name in names if name not in COLUMNS}
    return classes | dict.fromkeys(name for name in COLUMNS if name in names)


def _heading(name: str) -> str:
    return COLUMNS[name][0] if name in COLUMNS else f"{name} F1"


def _own_cell(
    found: PaperReproduction, outcome: CrossValidation | None, name: str, label: str | None
) -> Cell:
    if outcome is None or outcome.means is None:
        return Cell(MISSING)
    if name in COLUMNS:
        metrics = [metric for metric in COLUMNS[name][1] if metric in outcome.means.metrics]
        text = "/".join(_number(metric, outcome.means.metrics[metric]) for metric in metrics)
    else:
        score = outcome.class_means().get(label or "", {}).get("f1")
        text = _number("f1", score) if score is not None else ""
    return Cell(text, flags=flags_of(found.optimistic, outcome.synthetic)) if text else Cell(MISSING)


def _number(metric: str, score: MeanSd) -> str:
    return f"{score.mean:.3f}" if metric in NOT_SHARES else f"{100 * score.mean:.2f}"


def _title(found: PaperReproduction, table: PaperTable, printed: bool) -> str:
    number = table.number.replace("-", " ").capitalize() if "-" in table.number else f"Table {table.number}"
    if printed:
        return f"{number} of the {found.plan.title} paper, and ours: {found.corpus}, {table.title}"
    return f"As {number} of the {found.plan.title} paper: {found.corpus}, {table.title}"


def _notes(found: PaperReproduction, table: PaperTable, printed: Sequence[PrintedFigure]) -> tuple[str, ...]:
    folds = max(
        (len(o.folds) for (number, _), o in found.outcomes.items() if number == table.number), default=0
    )
    notes = [
        f"Ours: protocol {found.protocol}, "
        + (
            "one split."
            if folds == 1
            else f"means over {folds} folds; table.csv has the standard deviations."
        )
    ]
    if printed:
        others = "; other methods as it quotes them" if table.compared else ""
        notes.insert(0, f"Published figures: {found.plan.source}{others}.")
    if table.chosen_on_test:
        notes.append(
            "Figures on the test part at every value, as in the paper: to choose a value by them is to choose on "
            "the test part. `emofuse sweep` chooses on the validation part."
        )
    if found.task == "regression":
        notes.append(_TWO_WAYS)
    elif any(figure.column in ("mae", "corr") for figure in printed):
        notes.append(f"Ours learnt classes, so it has no {metric_name('mae').lower()}.")
    if table.compared and found.compared.outcomes:
        notes.append(
            "Ours of the methods that the paper compares with: the same features, protocol and task, each system's own recipe."
        )
    if table.compared:
        notes += [f"{name}, emofuse, is left out: {why}." for name, why in found.compared.left_out.items()]
    notes += [
        f"{name} is left out: {why}."
        for (number, name), why in found.left_out.items()
        if number == table.number
    ]
    return (*notes, *(f"Failed and not in the figures: {line}." for line in found.failures))
