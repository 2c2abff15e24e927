"""A benchmark's tables beside its scores: what a habit is worth, costs, tuning, published figures, what failed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

from emofuse.evaluation.metrics.estimate import MISSING, Estimate, p_text
from emofuse.evaluation.reporting.comparison_tables import comparison_tables, count_text
from emofuse.evaluation.reporting.report_rows import metric_name
from emofuse.evaluation.reporting.tables import OPTIMISTIC, SYNTHETIC, Cell, Table
from emofuse.experiments.benchmark.records import Benchmark, BenchmarkedSystem
from emofuse.experiments.peak_memory import PeakMemory
from emofuse.experiments.printed_columns import COLUMNS
from emofuse.models import model_info
from emofuse.recipes.published import PublishedFigures
from emofuse.runs.tasks import Task

_LESS_IS_BETTER = ("mae",)
_TWO_WAYS = "Where two of ours stand, they are negative/non-negative and negative/positive."


def main_metric(task: Task) -> str:
    """What systems are chosen and compared by: weighted F1, or the mean absolute error."""
    return task.own_metric.removeprefix("val_")


def benchmark_tables(found: Benchmark, published: Sequence[PublishedFigures] = ()) -> list[Table]:
    """All tables: scores and tests, ranks, the best test epoch, costs, tuning, published figures, failures.

    Args:
        found: of :func:`~emofuse.experiments.benchmark.run.benchmark`.
        published: figures of the same corpus that stand beside ours.
    """
    scores = comparison_tables(found.comparison.methods)[:-1] if found.comparison else []
    return [*scores, *side_tables(found, published)]


def side_tables(found: Benchmark, published: Sequence[PublishedFigures] = ()) -> list[Table]:
    """The tables without scores and tests, as far as there is something to say."""
    tables = [
        _ranks(found),
        _best_test_epochs(found),
        _costs(found),
        _features(found),
        _tuning(found),
        _published(found, published),
        _failures(found),
    ]
    return [table for table in tables if table is not None and table.rows]


def best_test_estimate(system: BenchmarkedSystem, task: Task) -> Estimate | None:
    """The score of the test part's best epoch, mean over seeds with its standard deviation; None where not noted."""
    noted = [run.best_test_epoch for run in system.finished]
    return _mean([each.score for each in noted if each is not None], main_metric(task))


def _mean(values: Sequence[float], metric: str) -> Estimate | None:
    if not values:
        return None
    sd = stdev(values) if len(values) > 1 else None
    return Estimate(fmean(values), sd=sd, share=metric not in _LESS_IS_BETTER)


def _ranks(found: Benchmark) -> Table | None:
    if found.comparison is None:
        return None
    ranks = found.comparison.ranks
    notes = [
        f"Within each of {ranks.blocks} test dialogues the methods are ranked by their {found.comparison.ranked_by}, mean "
        "over seeds; 1 is the best. Dialogues are the blocks because seeds judge the same utterances and are not "
        "independent."
    ]
    if not math.isnan(ranks.critical_difference):
        notes.append(
            f"Friedman's test that all are alike: χ² = {ranks.statistic:.1f}, p {_p(ranks.p_value)}. Two mean ranks differ at "
            f"5 % where they are {ranks.critical_difference:.2f} or more apart (Nemenyi; Demšar 2006)."
        )
    return Table(
        "Mean ranks over dialogues",
        ("Method", "Mean rank"),
        tuple((Cell(name), Cell(f"{rank:.2f}")) for name, rank in ranks.ranks.items()),
        notes=tuple(notes),
    )


def _p(value: float) -> str:
    text = p_text(value)
    return text if text.startswith("<") else f"= {text}"


def _best_test_epochs(found: Benchmark) -> Table:
    metric = main_metric(found.task)
    share, unit = metric not in _LESS_IS_BETTER, "points" if metric not in _LESS_IS_BETTER else "MAE"
    rows = []
    for system in found.systems:
        noted = [run.best_test_epoch for run in system.finished if run.best_test_epoch is not None]
        chosen, best, worth = (
            _mean([getattr(each, name) for each in noted], metric)
            for name in ("chosen_score", "score", "worth")
        )
        if chosen is None or best is None or worth is None:
            continue
        number = f"+{worth.value_text()}" if share else f"−{worth.value_text()}"
        rows.append(
            (
                Cell(system.name),
                Cell(chosen.text(), flags=_synthetic(found)),
                Cell(best.text(), flags=OPTIMISTIC + _synthetic(found)),
                Cell(f"{number} {_spread(worth)}".strip(), flags=OPTIMISTIC),
            )
        )
    return Table(
        "What choosing the epoch on the test part is worth",
        ("System", f"{metric_name(metric)}, epoch chosen on validation", "Best test epoch", f"Worth, {unit}"),
        tuple(rows),
        notes=(
            "Many published scripts report the best test epoch. It is optimistic: the test part has chosen it. Here it "
            "chose nothing; it was noted beside the run.",
            *(("Mean over seeds, ± its standard deviation.",) if found.plan.seeds > 1 else ()),
        ),
    )


def _spread(estimate: Estimate) -> str:
    return f"({estimate.spread_text()})" if estimate.spread_text() else ""


def _synthetic(found: Benchmark) -> str:
    methods = found.comparison.methods.methods if found.comparison else ()
    return SYNTHETIC if any(method.facts.synthetic for method in methods) else ""


def _costs(found: Benchmark) -> Table:
    rows = []
    for system in found.systems:
        costs = [run.costs for run in system.finished if run.costs is not None]
        if not costs:
            continue
        memory = [each.memory_mib for each in costs if each.memory_mib is not None]
        info = model_info(system.name)
        rows.append(
            (
                Cell(system.name),
                Cell(info.scope),
                Cell(f"{costs[0].parameters:,}"),
                Cell(count_text(costs[0].flops)),
                Cell(f"{fmean(each.epoch_seconds for each in costs):.2f}"),
                Cell(f"{1000 * fmean(each.utterance_seconds for each in costs):.2f}"),
                Cell(f"{fmean(memory):.0f}" if memory else MISSING),
            )
        )
    devices = {run.costs.device for system in found.systems for run in system.finished if run.costs}
    counted = " and ".join(PeakMemory.COUNTS[device] for device in sorted(devices)) or MISSING
    notes = [
        "Encoders whose features were made beforehand are in none of the figures. FLOPs count matrix products, "
        "convolutions and attention, a multiplication and an addition as two. A prediction's time holds reading the "
        "features, and for a system that reads frames their decoding.",
        f"Memory of a training beyond what its process had before: {counted}. {MISSING} where the runs shared a process.",
    ]
    if found.jobs > 1:
        notes.append(
            f"Up to {found.jobs} runs went at once and slowed each other down: compare times of one such table."
        )
    return Table(
        "Size, time and memory",
        (
            *("System", "Sees", "Parameters", "FLOPs per utterance", "Seconds per epoch"),
            *("Milliseconds per utterance", "Memory, MiB"),
        ),
        tuple(rows),
        words=2,
        notes=tuple(notes),
    )


def _features(found: Benchmark) -> Table:
    given = found.comparison.features if found.comparison else {}
    return Table(
        "What each was given",
        ("Method", "Features"),
        tuple((Cell(name), Cell(what)) for name, what in given.items()),
        words=2,
        notes=(
            "The same encoders for all. A system takes their vectors or their steps, as it was published; the linear models "
            "take what a system takes, steps as mean and standard deviation, frames as simple statistics.",
            *(found.comparison.settings_told if found.comparison else ()),
        ),
    )


def _tuning(found: Benchmark) -> Table:
    metric = main_metric(found.task)
    rows = []
    for system in found.systems:
        for number, point in enumerate(system.tuned):
            score = point.failure or Estimate(point.score, share=metric not in _LESS_IS_BETTER).value_text()
            rows.append(
                (
                    Cell(system.name),
                    Cell(_changes(point.changes), bold=number == system.chosen),
                    Cell(score, bold=number == system.chosen),
                )
            )
    return Table(
        "Tuning",
        ("System", "Point", f"{metric_name(metric)}, validation part"),
        tuple(rows),
        words=2,
        notes=(
            f"The same budget for each: {found.plan.budget} points, the recipe first; the chosen one is in bold. Seed 0; the "
            "test part was not looked at.",
        ),
    )


def _changes(changes: dict[str, Any]) -> str:
    return (
        ", ".join(f"{name.rpartition('.')[2]} = {value}" for name, value in changes.items()) or "the recipe"
    )


def _published(found: Benchmark, published: Sequence[PublishedFigures]) -> Table | None:
    if found.comparison is None:
        return None
    ours = {method.name: method.metrics for method in found.comparison.methods.methods}
    rows = []
    for each in published:
        if each.system not in ours:
            continue
        for column, value in each.figures.items():
            heading, metrics = COLUMNS[column]
            values = [ours[each.system][name].value_text() for name in metrics if name in ours[each.system]]
            if values:
                source = f"{each.source}{', quoted there' if each.quoted else ''}"
                rows.append(
                    (Cell(each.system), Cell(source), Cell(heading), Cell("/".join(values)), Cell(str(value)))
                )
    return Table(
        "Published figures",
        ("System", "Source", "Score", "Ours", "Published"),
        tuple(rows),
        words=3,
        notes=(
            "Published figures were made with other features, other splits of the same corpus or other ways to choose the epoch, "
            "and are no measure of ours.",
            *((_TWO_WAYS,) if found.task.name == "regression" else ()),
        ),
    )


def _failures(found: Benchmark) -> Table:
    rows = [(Cell(name), Cell("left out"), Cell(reason)) for name, reason in found.left_out.items()]
    rows += [
        (Cell(system.name), Cell(f"seed {run.seed} failed"), Cell(run.failure or ""))
        for system in found.systems
        for run in system.runs
        if run.failure is not None
    ]
    return Table("Not in the figures", ("System", "What", "Why"), tuple(rows), words=3)
