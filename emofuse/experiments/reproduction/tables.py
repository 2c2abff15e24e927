"""Tables 1 to 3 of the DeepMSI-MER paper with our figures in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from emofuse.evaluation import MeanSd
from emofuse.evaluation.metrics.classification import json_number
from emofuse.evaluation.metrics.emotion_names import emotion_name
from emofuse.evaluation.metrics.estimate import MISSING
from emofuse.evaluation.reporting.table_files import write_table_files
from emofuse.evaluation.reporting.tables import OPTIMISTIC, Cell, Table, flags_of
from emofuse.experiments.cross_validation.run import CrossValidation
from emofuse.experiments.reproduction.deepmsi_mer import PAPERS_PROTOCOL, ReproducedRow, Reproduction
from emofuse.experiments.reproduction.published import AVERAGE, SOURCE, PublishedScore, published_scores

OURS = "DeepMSI-MER, emofuse"
_NUMBER = {"iemocap": 1, "meld": 2}
_WITHIN = "F1 within class, as the paper counts it"
_ORDINARY = "ordinary F1"


class Figure(NamedTuple):
    """One pair of our figures, fractions; the mean ± sd over folds."""

    accuracy: MeanSd
    f1: MeanSd


def write_reproduction(found: Reproduction, folder: Path | None = None) -> list[Path]:
    """Write tables.md, tables.html, tables.tex, table.csv and results.json.

    Args:
        found: of :func:`~emofuse.experiments.reproduction.reproduce_deepmsi_mer`.
        folder: by default that of the reproduction.
    """
    rows = flat_rows(found)
    return write_table_files(
        folder or found.folder,
        reproduction_tables(found),
        rows,
        {
            "corpus": found.corpus,
            "source": SOURCE,
            "left_out": found.left_out,
            "failures": found.failures,
            "rows": rows,
        },
        name="results",
    )


def reproduction_tables(found: Reproduction) -> list[Table]:
    """The table of classes (1 or 2) and that of modalities (3)."""
    return [_class_table(found), _modality_table(found)]


def flat_rows(found: Reproduction) -> list[dict[str, Any]]:
    """A row per figure, the paper's and ours, in percent."""
    paper = [
        {
            "table": score.table,
            "method": score.method,
            "source": SOURCE,
            "protocol": PAPERS_PROTOCOL if score.method == "DeepMSI-MER" else "",
            "modalities": score.modalities,
            "class": score.label,
            "f1_definition": _definition(score),
            "accuracy": score.accuracy,
            "f1": score.f1,
        }
        for number in (_NUMBER.get(found.corpus, 0), 3)
        for score in published_scores(number, found.corpus)
    ]
    own = [row for each in found.rows for row in _own_rows(found, each)]
    return paper + own + [row for each in _compared(found) for row in _own_rows(found, each[1], each[0])]


def _compared(found: Reproduction) -> list[tuple[str, ReproducedRow]]:
    """Ours of the methods that the paper compares with, by their names."""
    return [
        (f"{method}, emofuse", ReproducedRow(found.compared_protocol, "T+A+V", outcome))
        for method, outcome in found.compared.outcomes.items()
    ]


def _definition(score: PublishedScore) -> str:
    if score.label == AVERAGE:
        return "weighted F1"
    return _WITHIN if score.method == "DeepMSI-MER" else "as its authors count it"


def _own_rows(found: Reproduction, row: ReproducedRow, method: str = OURS) -> Iterator[dict[str, Any]]:
    base = {"method": method, "source": "emofuse", "protocol": row.protocol, "modalities": row.modalities}
    figures = [(AVERAGE, "weighted F1", _average(row.outcome))]
    for label in found.labels:
        figures.append((label, _WITHIN, _class(row.outcome, label, "f1_within_class")))
        figures.append((label, _ORDINARY, _class(row.outcome, label, "f1")))
    table = 3 if row.modalities != "T+A+V" else _NUMBER.get(found.corpus, 1)
    for label, definition, figure in figures:
        if figure is not None:
            yield {
                "table": table,
                **base,
                "class": label,
                "f1_definition": definition,
                "accuracy": json_number(100 * figure.accuracy.mean),
                "f1": json_number(100 * figure.f1.mean),
                "accuracy_sd": json_number(100 * figure.accuracy.sd),
                "f1_sd": json_number(100 * figure.f1.sd),
                "folds": figure.f1.runs,
            }


def _class(outcome: CrossValidation, label: str, f1: str) -> Figure | None:
    means = outcome.class_means().get(label)
    return None if means is None else Figure(means["recall"], means[f1])


def _average(outcome: CrossValidation) -> Figure | None:
    if outcome.means is None:
        return None
    return Figure(outcome.means.metrics["accuracy"], outcome.means.metrics["weighted_f1"])


def _class_table(found: Reproduction) -> Table:
    """Table 1 or 2: the paper's rows as printed, then ours, once for each way to count a class's F1."""
    number = _NUMBER.get(found.corpus)
    scores = published_scores(number, found.corpus) if number else []
    classes = _classes(found, scores)
    rows = [_paper_row(method, scores, classes) for method in dict.fromkeys(s.method for s in scores)]
    rows += [_own_class_row(found, row, classes, "f1", method) for method, row in _compared(found)]
    for row in found.rows:
        if row.modalities == "T+A+V":
            rows += [_own_class_row(found, row, classes, f1) for f1 in ("f1_within_class", "f1")]
    title = f"Table {number} of the paper, and ours" if number else "As Table 1 of the paper"
    return Table(
        title=f"{title}: {found.corpus}, each class",
        columns=(
            "Method",
            *(f"{name} {what}" for name in classes for what in ("Acc.", "F1")),
            "Average (w) Acc.",
            "Average (w) F1",
        ),
        rows=tuple(rows),
        notes=(
            *((f"Published figures: {SOURCE}; other methods as it quotes them.",) if scores else ()),
            "A class's accuracy is its recall. The F1 of a class in the paper's own row is 2·acc/(1 + acc), computed "
            "within the class, where precision is always 1; ours stands in both ways. Ours are means over the folds; "
            "table.csv has the standard deviations.",
            *(f"{name}, emofuse, is left out: {why}." for name, why in found.compared.left_out.items()),
            *_failures(found),
        ),
    )


def _classes(found: Reproduction, scores: Sequence[PublishedScore]) -> dict[str, str | None]:
    """Column name → label of ours that means the same, in the paper's order where it has the corpus."""
    ours = {emotion_name(label): label for label in found.labels}
    if not scores:
        return {label: label for label in found.labels}
    names = list(dict.fromkeys(score.label for score in scores if score.label != AVERAGE))
    return {name: ours.get(emotion_name(name)) for name in names}


def _paper_row(
    method: str, scores: Sequence[PublishedScore], classes: dict[str, str | None]
) -> tuple[Cell, ...]:
    of = {score.label: score for score in scores if score.method == method}
    flags = OPTIMISTIC if method == "DeepMSI-MER" else ""
    cells = []
    for name in (*classes, AVERAGE):
        score = of.get(name)
        texts = (MISSING, MISSING) if score is None else (f"{score.accuracy:.1f}", f"{score.f1:.1f}")
        cells += [Cell(words, flags=flags if score is not None else "") for words in texts]
    return (Cell(f"{method} (published)"), *cells)


def _own_class_row(
    found: Reproduction, row: ReproducedRow, classes: dict[str, str | None], f1: str, method: str = OURS
) -> tuple[Cell, ...]:
    figures = [_class(row.outcome, label, f1) if label else None for label in classes.values()]
    how = _WITHIN if f1 == "f1_within_class" else _ORDINARY
    cells = [cell for figure in (*figures, _average(row.outcome)) for cell in _cells(figure, _flags(row))]
    return (Cell(f"{method}, {row.protocol}, {how}"), *cells)


def _flags(row: ReproducedRow) -> str:
    return flags_of(row.optimistic, row.outcome.synthetic)


def _cells(figure: Figure | None, flags: str) -> tuple[Cell, Cell]:
    if figure is None:
        return Cell(MISSING), Cell(MISSING)
    return Cell(f"{100 * figure.accuracy.mean:.1f}", flags=flags), Cell(
        f"{100 * figure.f1.mean:.1f}", flags=flags
    )


def _modality_table(found: Reproduction) -> Table:
    """Table 3: sets of modalities."""
    published = {score.modalities: score for score in published_scores(3, found.corpus)}
    rows = []
    for row in found.rows:
        theirs = published.get(row.modalities) if row.protocol == PAPERS_PROTOCOL else None
        printed = (
            (Cell(MISSING), Cell(MISSING))
            if theirs is None
            else (
                Cell(f"{theirs.accuracy:.2f}", flags=OPTIMISTIC),
                Cell(f"{theirs.f1:.2f}", flags=OPTIMISTIC),
            )
        )
        figure, flags = _average(row.outcome), _flags(row)
        ours = (
            tuple(Cell(_spread(score), flags=flags) for score in figure)
            if figure is not None
            else (Cell(MISSING), Cell(MISSING))
        )
        difference = (
            Cell(f"{100 * figure.f1.mean - theirs.f1:+.2f}")
            if figure is not None and theirs
            else Cell(MISSING)
        )
        rows.append((Cell(row.modalities), Cell(row.protocol), *printed, *ours, difference))
    return Table(
        title=f"Table 3 of the paper, and ours: {found.corpus}, sets of modalities",
        columns=(
            "Modalities",
            "Protocol",
            "Published Acc.",
            "Published F1",
            "Our Acc.",
            "Our F1",
            "F1, ours − published",
        ),
        rows=tuple(rows),
        words=2,
        notes=(
            *((f"Published figures: {SOURCE}.",) if published else ()),
            "T text, A audio, V video. F1 is weighted; ours is mean ± standard deviation over the folds.",
            *(f"{name} is left out: {why}." for name, why in found.left_out.items()),
            *_failures(found),
        ),
    )


def _spread(score: MeanSd) -> str:
    return f"{100 * score.mean:.2f}" + (f" ± {100 * score.sd:.2f}" if score.runs > 1 else "")


def _failures(found: Reproduction) -> tuple[str, ...]:
    return tuple(f"Failed and not in the figures: {line}." for line in found.failures)
