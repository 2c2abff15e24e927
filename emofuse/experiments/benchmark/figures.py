"""A benchmark as pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from emofuse.evaluation.reporting.figures import draw_critical_differences, draw_forest, save_figure
from emofuse.evaluation.reporting.report import ComparisonRow, ReportFigure
from emofuse.evaluation.reporting.report_rows import metric_name
from emofuse.experiments.benchmark.records import Benchmark
from emofuse.experiments.benchmark.tables import main_metric

BEST = "_best_test_epoch"
"""Ends the name of a metric that is meant as the test part's best epoch has it."""


def benchmark_figures(
    found: Benchmark, rows: Sequence[ComparisonRow], folder: Path
) -> Iterator[ReportFigure]:
    """The scores of the methods, and their mean ranks where there are enough of them."""
    assert found.comparison is not None
    yield _forest(found, rows, folder)
    ranks = found.comparison.ranks
    if not math.isnan(ranks.critical_difference):
        yield ReportFigure(
            save_figure(
                draw_critical_differences(ranks),
                folder,
                "ranks",
                draw_critical_differences(ranks, narrow=True),
            ),
            f"Mean ranks over {ranks.blocks} test dialogues by {found.comparison.ranked_by}. Black bars join methods that are "
            "less than the critical difference apart: between these nothing was found (Friedman and Nemenyi, 5 %).",
            ", ".join(f"{name} {rank:.2f}" for name, rank in ranks.ranks.items()),
            "comparison",
        )


def _forest(found: Benchmark, rows: Sequence[ComparisonRow], folder: Path) -> ReportFigure:
    assert found.comparison is not None
    metric, baselines = main_metric(found.task), found.comparison.baselines
    scores = {row.name: row.metrics[metric] for row in rows}
    best = {row.name: row.metrics[f"{metric}{BEST}"] for row in rows if f"{metric}{BEST}" in row.metrics}

    def draw(narrow: bool) -> Figure:
        return draw_forest(
            scores, axis=metric_name(metric), baselines=baselines, optimistic=best, narrow=narrow
        )

    return ReportFigure(
        save_figure(draw(False), folder, "scores", draw(True)),
        f"{metric_name(metric)} with 95 % intervals over dialogues; linear models in grey. A hollow mark is the best "
        "test epoch, which flatters.",
        ", ".join(f"{name} {score.value_text()}" for name, score in scores.items()),
        "comparison",
    )
