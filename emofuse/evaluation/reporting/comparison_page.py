"""A comparison of methods as files: tables for a paper, a page with figures, and what the methods differ on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from emofuse.data.atomic import write_text_aside
from emofuse.data.spreadsheet import spreadsheet_csv
from emofuse.data.wording import counted
from emofuse.evaluation.comparison.disagreements import disagreement_table, disagreements
from emofuse.evaluation.comparison.method_scores import MethodComparison, MethodScores
from emofuse.evaluation.metrics.estimate import Estimate
from emofuse.evaluation.reporting.comparison_figures import comparison_figures
from emofuse.evaluation.reporting.comparison_tables import (
    SHOWN_TESTS,
    comparison_tables,
    count_text,
    difference_estimate,
    flat_rows,
)
from emofuse.evaluation.reporting.report import (
    ComparisonRow,
    PairedRow,
    ReportFiles,
    RunReport,
    write_report,
)
from emofuse.evaluation.reporting.report_rows import metric_order
from emofuse.evaluation.reporting.table_files import write_table_files


def write_comparison(
    comparison: MethodComparison,
    folder: Path,
    *,
    texts: Mapping[str, str | None] | None = None,
    command: str = "",
    notes: tuple[str, ...] = (),
) -> ReportFiles:
    """Write a comparison into a folder.

    That is ``report.html`` and ``report.md`` with ``figures/``; ``tables.md``, ``tables.html`` and
    ``tables.tex`` for a paper; ``table.csv`` with a row per method, ``comparison.json``, and
    ``disagreements.csv``.

    Args:
        comparison: the methods.
        folder: made if it is missing.
        texts: id → what was said, for the utterances on which they differ.
        command: that made it.
        notes: anything the reader must know.
    """
    rows = flat_rows(comparison)
    write_table_files(folder, comparison_tables(comparison), rows, comparison.to_dict(), name="comparison")
    write_text_aside(
        folder / "disagreements.csv", spreadsheet_csv(disagreement_table(comparison, texts or {}))
    )
    return write_report(_page(comparison, folder / "figures", texts, command, notes), folder)


def _page(
    comparison: MethodComparison,
    figures: Path,
    texts: Mapping[str, str | None] | None,
    command: str,
    notes: tuple[str, ...],
) -> RunReport:
    methods = comparison.methods
    return RunReport(
        title=f"{methods[0].name} and {len(methods) - 1} other{'s' if len(methods) > 2 else ''}"
        if len(methods) > 1
        else methods[0].name,
        command=command,
        synthetic=any(method.facts.synthetic for method in methods),
        summary=_summary(comparison),
        comparison=[
            ComparisonRow(
                method.name,
                {name: method.metrics[name] for name in sorted(method.metrics, key=metric_order)},
                optimistic=method.facts.optimistic,
                note=_note(method),
            )
            for method in methods
        ],
        paired=[row for method in methods[1:] for row in paired_rows_of(methods[0], method)],
        figures=list(comparison_figures(comparison, figures)),
        disagreements=disagreements(comparison, texts),
        notes=notes,
    )


def _summary(comparison: MethodComparison) -> str:
    left_out = (
        f" {counted(comparison.left_out, 'utterance')} that not all of them had judged are left out."
        if comparison.left_out
        else ""
    )
    return (
        f"All methods were judged on the same {counted(comparison.n, 'utterance')} of "
        f"{counted(comparison.groups, 'dialogue')}, and are tested against {comparison.methods[0].name}.{left_out}"
    )


def _note(method: MethodScores) -> str:
    facts = method.facts
    parts = [
        facts.model,
        ", ".join(facts.modalities),
        f"protocol {facts.protocol}" if facts.protocol else "",
        _describe_runs(method),
        f"{count_text(facts.parameters)} parameters" if facts.parameters is not None else "",
        f"{count_text(facts.flops)} FLOPs an utterance" if facts.flops is not None else "",
        f"fitted in {facts.fit_seconds:.0f} s" if facts.fit_seconds is not None else "",
        "calibrated" if facts.calibrated else "",
    ]
    return " · ".join(part for part in parts if part)


def _describe_runs(method: MethodScores) -> str:
    folds = method.runs // method.rounds
    parts = [
        f"{folds} folds pooled" if folds > 1 else "",
        f"mean of {method.rounds} seeds" if method.rounds > 1 else "",
    ]
    return ", ".join(part for part in parts if part)


def paired_rows_of(first: MethodScores, method: MethodScores) -> Iterator[PairedRow]:
    """A method's tests against the first one, as rows of a page."""
    for name in SHOWN_TESTS:
        if name in method.versus:
            versus = method.versus[name]
            yield PairedRow(
                first.name,
                method.name,
                name,
                difference_estimate(name, versus),
                versus.paired.p_value,
                "paired bootstrap of dialogues",
                versus.corrected,
            )
    if method.mcnemar is not None:
        test = method.mcnemar
        yield PairedRow(
            first.name,
            method.name,
            "accuracy",
            Estimate(method.versus["accuracy"].paired.difference),
            test.p_value,
            f"McNemar ({test.only_b} right only in {method.name}, {test.only_a} only in {first.name})",
            method.mcnemar_corrected,
        )
