"""A comparison of methods as tables, and as one flat table for a program."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from emofuse.data.wording import counted
from emofuse.evaluation.metrics.estimate import MISSING, Estimate, p_text
from emofuse.evaluation.reporting.report_rows import metric_name, metric_order
from emofuse.evaluation.reporting.tables import Cell, Table, flags_of

if TYPE_CHECKING:
    from emofuse.evaluation.comparison.method_scores import MethodComparison, MethodScores, Versus

SHOWN_TESTS = ("weighted_f1", "accuracy", "mae", "corr")
_LESS_IS_BETTER = ("ece", "mae")


def comparison_tables(comparison: MethodComparison) -> list[Table]:
    """Scores, F1 of each emotion, tests against the first method, and what the methods cost."""
    tables = [_scores(comparison)]
    if comparison.labels:
        tables.append(_class_f1(comparison))
    if len(comparison.methods) > 1:
        tables.append(_tests(comparison))
    return [*tables, _costs(comparison)]


def _flags(method: MethodScores) -> str:
    return flags_of(method.facts.optimistic, method.facts.synthetic)


def _score_notes(comparison: MethodComparison) -> tuple[str, ...]:
    notes = [
        f"Percent unless it is an error or a correlation; {counted(comparison.n, 'utterance')} in "
        f"{counted(comparison.groups, 'dialogue')}."
    ]
    if comparison.groups > 1:
        notes.append("In brackets the 95 % bootstrap interval over dialogues.")
    if any(method.rounds > 1 for method in comparison.methods):
        notes.append("Of several seeds the mean, ± its standard deviation over them.")
    if len(comparison.methods) > 1:
        notes.append("The best of a column is in bold, optimistic numbers apart.")
    if comparison.left_out:
        notes.append(
            f"{counted(comparison.left_out, 'utterance')} that not all runs had judged were left out."
        )
    return tuple(notes)


def _scores(comparison: MethodComparison) -> Table:
    names = sorted(dict.fromkeys(n for m in comparison.methods for n in m.metrics), key=metric_order)
    columns = [[method.metrics.get(name) for method in comparison.methods] for name in names]
    cells = [
        _marked(comparison, column, name in _LESS_IS_BETTER)
        for name, column in zip(names, columns, strict=True)
    ]
    return Table(
        title="Scores",
        columns=("Method", "Runs", *(metric_name(name) for name in names)),
        rows=tuple(
            (Cell(method.name), Cell(str(method.runs)), *(column[i] for column in cells))
            for i, method in enumerate(comparison.methods)
        ),
        notes=_score_notes(comparison),
    )


def _class_f1(comparison: MethodComparison) -> Table:
    columns = [
        _marked(comparison, [method.class_f1[label] for method in comparison.methods], False)
        for label in comparison.labels
    ]
    return Table(
        title="F1 of each emotion",
        columns=("Method", *comparison.labels),
        rows=tuple(
            (Cell(method.name), *(column[i] for column in columns))
            for i, method in enumerate(comparison.methods)
        ),
    )


def _marked(
    comparison: MethodComparison, column: Sequence[Estimate | None], less_is_better: bool
) -> list[Cell]:
    """A column's cells, the best of them bold."""
    values = [e.value if e is not None and e.defined else math.nan for e in column]
    known = [
        (v, m.facts.optimistic) for v, m in zip(values, comparison.methods, strict=True) if not math.isnan(v)
    ]
    # An optimistic number is not the best where there is one that is not.
    honest = [v for v, optimistic in known if not optimistic] or [v for v, _ in known]
    best = (min if less_is_better else max)(honest, default=math.nan) if len(known) > 1 else math.nan
    return [
        Cell(
            _format_estimate(estimate),
            bold=value == best,
            flags=_flags(method) if not math.isnan(value) else "",
        )
        for estimate, value, method in zip(column, values, comparison.methods, strict=True)
    ]


def _format_estimate(estimate: Estimate | None) -> str:
    return estimate.text() if estimate is not None and estimate.defined else MISSING


def _tests(comparison: MethodComparison) -> Table:
    rows = [row for method in comparison.methods[1:] for row in _test_rows(method)]
    others = len(comparison.methods) - 1
    notes = [
        "Difference in points (as it is for an error or a correlation), with its 95 % interval and p-value from "
        "a bootstrap of dialogues that draws the same ones for both.",
        f"p (Holm) is corrected for {others} comparison{'s' if others > 1 else ''}; in bold where it is below 0.05.",
    ]
    if any(method.mcnemar for method in comparison.methods):
        notes.append(
            "McNemar's exact test takes utterances as independent, which within a dialogue they are not."
        )
    return Table(
        title=f"Against {comparison.methods[0].name}",
        columns=("Method", "Score", "Test", "Difference", "p", "p (Holm)"),
        rows=tuple(rows),
        words=3,
        notes=tuple(notes),
    )


def _test_rows(method: MethodScores) -> Iterator[tuple[Cell, ...]]:
    for name in SHOWN_TESTS:
        if name in method.versus:
            versus = method.versus[name]
            yield (
                Cell(method.name),
                Cell(metric_name(name)),
                Cell("paired bootstrap"),
                Cell(_format_estimate(difference_estimate(name, versus)), bold=_is_clear(versus.corrected)),
                Cell(p_text(versus.paired.p_value)),
                Cell(p_text(versus.corrected)),
            )
    if method.mcnemar is not None:
        test = method.mcnemar
        yield (
            Cell(method.name),
            Cell(metric_name("accuracy")),
            Cell("McNemar"),
            Cell(
                f"{test.only_b} right only here, {test.only_a} only there",
                bold=_is_clear(method.mcnemar_corrected),
            ),
            Cell(p_text(test.p_value)),
            Cell(p_text(method.mcnemar_corrected)),
        )


def _is_clear(p: float) -> bool:
    return p < 0.05  # NaN is not


def difference_estimate(name: str, versus: Versus) -> Estimate:
    """The difference with its interval, in points where the metric is a part of one."""
    return Estimate.of(versus.paired.difference, versus.paired.interval, share=name not in ("mae", "corr"))


def _costs(comparison: MethodComparison) -> Table:
    return Table(
        title="Size and time",
        columns=("Method", "System", "Modalities", "Parameters", "FLOPs per utterance", "Fit time, s"),
        rows=tuple(
            (
                Cell(method.name),
                Cell(method.facts.model),
                Cell(", ".join(method.facts.modalities) or MISSING),
                Cell(f"{method.facts.parameters:,}" if method.facts.parameters is not None else MISSING),
                Cell(count_text(method.facts.flops)),
                Cell(f"{method.facts.fit_seconds:.0f}" if method.facts.fit_seconds is not None else MISSING),
            )
            for method in comparison.methods
        ),
        words=3,
        notes=(
            "Without encoders whose features were made beforehand. FLOPs count matrix products, convolutions and "
            "attention, a multiplication and an addition as two; fit times are those of the machines they were run on.",
        ),
    )


def count_text(count: float | None) -> str:
    """A large count in thousands, millions and so on: ``12.3 M``."""
    if count is None or not math.isfinite(count):
        return MISSING
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f}"


def flat_rows(comparison: MethodComparison) -> list[dict[str, Any]]:
    """A row per method for a CSV: every number by itself, fractions not percent, empty where not known."""
    return [_flat(method) for method in comparison.methods]


def _flat(method: MethodScores) -> dict[str, Any]:
    facts = method.facts
    row: dict[str, Any] = {
        "method": method.name,
        "runs": method.runs,
        "rounds": method.rounds,
        "model": facts.model,
        "modalities": " ".join(facts.modalities),
        "protocol": facts.protocol,
        "optimistic": facts.optimistic,
        "synthetic": facts.synthetic,
        "calibrated": facts.calibrated,
        "parameters": facts.parameters,
        "flops_per_utterance": facts.flops,
        "fit_seconds": facts.fit_seconds,
    }
    for name, score in method.metrics.items():
        row |= {
            name: score.value,
            f"{name}_sd": score.sd,
            f"{name}_low": score.low,
            f"{name}_high": score.high,
        }
        if name in method.versus:
            versus = method.versus[name]
            row |= {
                f"{name}_difference": versus.paired.difference,
                f"{name}_p": versus.paired.p_value,
                f"{name}_p_holm": versus.corrected,
            }
    row |= {f"f1_{label}": score.value for label, score in method.class_f1.items()}
    if method.mcnemar is not None:
        row |= {"mcnemar_p": method.mcnemar.p_value, "mcnemar_p_holm": method.mcnemar_corrected}
    return row
