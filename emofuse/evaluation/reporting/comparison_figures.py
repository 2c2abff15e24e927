"""A comparison of methods as figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from emofuse.evaluation.comparison.method_scores import MethodComparison
from emofuse.evaluation.metrics.estimate import Estimate
from emofuse.evaluation.reporting.comparison_tables import difference_estimate
from emofuse.evaluation.reporting.figures import (
    draw_confusion_difference,
    draw_differences,
    draw_method_scores,
    save_figure,
)
from emofuse.evaluation.reporting.report_content import ReportFigure
from emofuse.evaluation.reporting.report_rows import metric_name, metric_order

_NOT_DRAWN = ("ece", "mae", "corr")  # less is better, or no part of one


def comparison_figures(comparison: MethodComparison, folder: Path) -> Iterator[ReportFigure]:
    """Scores, differences to the first method, F1 of each emotion, and where confusions differ.

    Args:
        comparison: the methods.
        folder: that the files go to.
    """
    methods = comparison.methods
    optimistic = [method.name for method in methods if method.facts.optimistic]
    names = [
        name
        for name in sorted(methods[0].metrics, key=metric_order)
        if name not in _NOT_DRAWN and all(name in method.metrics for method in methods)
    ]
    scores = {metric_name(name): {m.name: m.metrics[name] for m in methods} for name in names}
    yield ReportFigure(
        save_figure(
            draw_method_scores(scores, optimistic=optimistic),
            folder,
            "scores",
            draw_method_scores(scores, optimistic=optimistic, narrow=True),
        ),
        "Scores of each method with their 95 % intervals over dialogues. The axis need not begin at nought.",
        _describe(scores),
        "comparison",
    )
    if len(methods) > 1:
        yield _difference_figure(comparison, folder)
    if comparison.labels:
        yield from _class_figures(comparison, folder, optimistic)


def _difference_figure(comparison: MethodComparison, folder: Path) -> ReportFigure:
    first, *others = comparison.methods
    tested = [name for name in others[0].versus if name not in _NOT_DRAWN]
    rows = {
        metric_name(name): {m.name: difference_estimate(name, m.versus[name]) for m in others}
        for name in tested
    }
    return ReportFigure(
        save_figure(
            draw_differences(rows, first.name),
            folder,
            "differences",
            draw_differences(rows, first.name, narrow=True),
        ),
        f"How much better (right) or worse (left) than {first.name}, with 95 % intervals over dialogues, not corrected "
        "for the number of comparisons.",
        _describe(rows),
        "comparison",
    )


def _class_figures(
    comparison: MethodComparison, folder: Path, optimistic: list[str]
) -> Iterator[ReportFigure]:
    first, *others = comparison.methods
    rows = {label: {m.name: m.class_f1[label] for m in comparison.methods} for label in comparison.labels}
    yield ReportFigure(
        save_figure(
            draw_method_scores(rows, axis="F1, percent", optimistic=optimistic),
            folder,
            "classes",
            draw_method_scores(rows, axis="F1, percent", optimistic=optimistic, narrow=True),
        ),
        "F1 of each emotion with 95 % intervals over dialogues.",
        _describe(rows),
        "classes",
    )
    for number, method in enumerate(others, start=1):
        before, after = first.confusion, method.confusion
        if before is None or after is None:
            continue
        drawn = draw_confusion_difference(before, after, comparison.labels, title=method.name)
        on_diagonal = np.nanmean(np.diagonal(after - before))
        yield ReportFigure(
            save_figure(drawn, folder, f"confusion-{number}"),
            f"Answers of {method.name} minus those of {first.name}, in points of each true emotion: blue is more often, "
            "orange less often.",
            f"Differences of two confusion matrices; on the diagonal {100 * on_diagonal:+.1f} points on average.",
            "classes",
        )


def _describe(rows: Mapping[str, Mapping[str, Estimate]]) -> str:
    return "; ".join(
        f"{row}: " + ", ".join(f"{name} {score.value_text()}" for name, score in scores.items())
        for row, scores in rows.items()
    )
