"""A benchmark as files: one page, tables, a CSV and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emofuse.data.wording import counted
from emofuse.evaluation import PROTOCOLS
from emofuse.evaluation.comparison.method_scores import MethodScores
from emofuse.evaluation.reporting.comparison_page import paired_rows_of
from emofuse.evaluation.reporting.report import (
    ComparisonRow,
    PairedRow,
    ReportFiles,
    RunReport,
    write_report,
)
from emofuse.evaluation.reporting.report_rows import metric_name, metric_order
from emofuse.evaluation.reporting.table_files import write_table_files
from emofuse.experiments.benchmark.figures import BEST, benchmark_figures
from emofuse.experiments.benchmark.records import Benchmark, BenchmarkedSystem
from emofuse.experiments.benchmark.rows import benchmark_dict, benchmark_rows
from emofuse.experiments.benchmark.tables import (
    benchmark_tables,
    best_test_estimate,
    main_metric,
    side_tables,
)
from emofuse.inference.baselines.fit import NEIGHBOURS
from emofuse.recipes.published import PublishedFigures
from emofuse.runs.run_record import environment


def write_benchmark(
    found: Benchmark, *, published: Sequence[PublishedFigures] = (), command: str = "", corpus: str = ""
) -> ReportFiles:
    """Write report.html, report.md, figures/, tables.md, tables.html, tables.tex, table.csv and results.json.

    Args:
        found: of :func:`~emofuse.experiments.benchmark.run.benchmark`.
        published: figures that stand beside ours.
        command: that made it.
        corpus: its name, for the title.
    """
    write_table_files(
        found.folder,
        benchmark_tables(found, published),
        benchmark_rows(found),
        benchmark_dict(found, published),
        name="results",
    )
    return write_report(_page(found, published, command, corpus), found.folder)


def _page(found: Benchmark, published: Sequence[PublishedFigures], command: str, corpus: str) -> RunReport:
    comparison = found.comparison
    methods = comparison.methods.methods if comparison else ()
    rows = list(_rows(found, methods))
    protocol = found.plan.shared.data.protocol
    return RunReport(
        title=f"{counted(len(found.systems), 'system')} on {corpus or 'one corpus'}",
        command=command,
        synthetic=any(method.facts.synthetic for method in methods),
        summary=_summary(found),
        protocol=PROTOCOLS[protocol],
        comparison=[*rows, *_failed_rows(found)],
        paired=_tests(found, methods),
        figures=list(benchmark_figures(found, rows, found.folder / "figures")) if comparison else [],
        tables=side_tables(found, published),
        audit=[*found.leaks.lines(), *(each.line() for each in found.fitted)],
        audit_flags=[*found.leaks.flags, *(each.line() for each in found.fitted if each.is_fitted)],
        configuration=found.plan.shared.model_dump(mode="json"),
        environment={
            name: str(value)
            for name, value in environment().items()
            if name in ("emofuse", "python", "platform")
        },
        notes=_notes(found),
    )


def _tests(found: Benchmark, methods: Sequence[MethodScores]) -> list[PairedRow]:
    """By the metric that systems are chosen by; tables.md has the other tests."""
    return [
        row
        for method in methods[1:]
        for row in paired_rows_of(methods[0], method)
        if row.metric == main_metric(found.task)
    ]


def _summary(found: Benchmark) -> str:
    if found.comparison is None:
        return "Every run failed; the reasons stand below."
    methods, metric = found.comparison.methods, main_metric(found.task)
    sign = -1 if metric == "mae" else 1
    systems = [m for m in methods.methods if m.name not in found.comparison.baselines]
    best = max(systems, key=lambda m: sign * m.metrics[metric].value)
    first = methods.methods[0]
    clear = [
        m.name
        for m in systems
        if m.versus and m.versus[metric].corrected < 0.05 and sign * m.versus[metric].paired.difference > 0
    ]
    others = len([m for m in systems if m.name != first.name])
    seeds = f"the mean of {found.plan.seeds} seeds" if found.plan.seeds > 1 else "one seed"
    return (
        f"{counted(len(systems), 'system')}, {seeds} each, on {counted(methods.n, 'test utterance')} of "
        f"{counted(methods.groups, 'dialogue')}, all with the same features, split and budget of tuning. {len(clear)} of "
        f"{others} {'is' if len(clear) == 1 else 'are'} better than {first.name} by {metric_name(metric)} after Holm's correction"
        f"{': ' + ', '.join(clear) if clear else ''}. The highest is {best.name} with {best.metrics[metric].text()}."
    )


def _notes(found: Benchmark) -> list[str]:
    notes = []
    if found.failures:
        notes.append(
            f"{counted(len(found.failures), 'run')} failed and {'is' if len(found.failures) == 1 else 'are'} not in the figures: "
            f"{'; '.join(found.failures)}. The same command with --resume tries again."
        )
    without = [s.name for s in found.systems if not s.planned.from_recipe]
    if without:
        notes.append(f"Without a recipe {found.plan.recipes}, so from their preset: {', '.join(without)}.")
    short = [s.name for s in found.systems if len(s.planned.points) < found.plan.budget]
    if short:
        notes.append(f"Their search space has fewer points than the budget: {', '.join(short)}.")
    return notes


def _rows(found: Benchmark, methods: Sequence[MethodScores]) -> Iterator[ComparisonRow]:
    """Systems from the best down, then the linear models."""
    comparison, metric = found.comparison, main_metric(found.task)
    assert comparison is not None or not methods
    systems = {system.name: system for system in found.systems}
    sign = 1 if metric == "mae" else -1
    ordered = sorted(methods, key=lambda m: (m.name not in systems, sign * m.metrics[metric].value))
    for method in ordered:
        own = {name: method.metrics[name] for name in sorted(method.metrics, key=metric_order)}
        system = systems.get(method.name)
        best = best_test_estimate(system, found.task) if system is not None else None
        metrics = {metric: own.pop(metric)} | ({f"{metric}{BEST}": best} if best is not None else {}) | own
        yield ComparisonRow(
            method.name,
            metrics,
            optimistic=method.facts.optimistic,
            note=_note(found, method, system),
            flattering=frozenset({f"{metric}{BEST}"}),
        )


def _note(found: Benchmark, method: MethodScores, system: BenchmarkedSystem | None) -> str:
    if system is None:
        assert found.comparison is not None
        score = found.comparison.baseline_validation[method.name]
        shown = f"{score:.3f}" if main_metric(found.task) == "mae" else f"{100 * score:.1f}"
        what = "with neighbouring turns, " if method.facts.model == NEIGHBOURS else ""
        return f"linear model, {what}on the same features; {shown} on the validation part"
    tuned = f"point {system.chosen + 1} of {len(system.tuned)}" if system.tuned else "as its recipe has it"
    return "; ".join([tuned if system.planned.from_recipe or system.tuned else "preset", *system.failures])


def _failed_rows(found: Benchmark) -> list[ComparisonRow]:
    failed = [system for system in found.systems if not system.finished]
    return [ComparisonRow(system.name, {}, note=f"failed: {system.failures[0]}") for system in failed]
