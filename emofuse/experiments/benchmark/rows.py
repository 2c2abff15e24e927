"""A benchmark's figures for programs: a row per method, and everything as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from emofuse.evaluation.metrics.classification import json_number
from emofuse.evaluation.reporting.comparison_tables import flat_rows
from emofuse.experiments.benchmark.records import Benchmark, BenchmarkedSystem
from emofuse.experiments.benchmark.results import BenchmarkComparison
from emofuse.experiments.benchmark.tables import best_test_estimate, main_metric
from emofuse.recipes.published import PublishedFigures


def benchmark_rows(found: Benchmark) -> list[dict[str, Any]]:
    """A row per method for a CSV: numbers unrounded, fractions not percent; a system that failed has its reason."""
    systems = {system.name: system for system in found.systems}
    rows = []
    for row in flat_rows(found.comparison.methods) if found.comparison else []:
        system = systems.get(row["method"])
        rows.append(row | (_extra(found, system) if system is not None else {}))
    known = {row["method"] for row in rows}
    rows += [
        {"method": name, "failure": "; ".join(s.failures)} for name, s in systems.items() if name not in known
    ]
    return rows + [{"method": name, "failure": reason} for name, reason in found.left_out.items()]


def _extra(found: Benchmark, system: BenchmarkedSystem) -> dict[str, Any]:
    """What a comparison alone does not know: costs, the optimistic figure, failures."""
    best = best_test_estimate(system, found.task)
    costs = [asdict(run.costs) for run in system.finished if run.costs is not None]
    means = {
        name: _mean([each[name] for each in costs])
        for name in ("epoch_seconds", "utterance_seconds", "memory_mib")
    }
    metric = main_metric(found.task)
    return {
        **means,
        f"{metric}_best_test_epoch_optimistic": best.value if best is not None else None,
        "failure": "; ".join(system.failures) or None,
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def benchmark_dict(found: Benchmark, published: Sequence[PublishedFigures] = ()) -> dict[str, Any]:
    """Plain values, for JSON."""
    return {
        "plan": found.plan.claim() | {"seeds": found.plan.seeds, "budget": found.plan.budget},
        "task": found.task.name,
        "parts": {part: len(ids) for part, ids in found.split._asdict().items()},
        "systems": [_system_dict(system) for system in found.systems],
        "left_out": found.left_out,
        "comparison": _comparison_dict(found.comparison) if found.comparison else None,
        "published": [each.model_dump() for each in published],
        "audit": found.leaks.to_dict(),
        "fitted_features": [each.to_dict() for each in found.fitted],
        "jobs": found.jobs,
    }


def _system_dict(system: BenchmarkedSystem) -> dict[str, Any]:
    return {
        "system": system.name,
        "from_recipe": system.planned.from_recipe,
        "tuning": [
            {"changes": p.changes, "validation": json_number(p.score), "failure": p.failure}
            for p in system.tuned
        ],
        "chosen": system.planned.points[system.chosen],
        "runs": [
            {
                "seed": run.seed,
                "run": str(run.folder.path),
                "failure": run.failure,
                "costs": asdict(run.costs) if run.costs is not None else None,
                "best_test_epoch": run.best_test_epoch.to_dict() if run.best_test_epoch else None,
            }
            for run in system.runs
        ],
    }


def _comparison_dict(comparison: BenchmarkComparison) -> dict[str, Any]:
    return comparison.methods.to_dict() | {
        "baselines": comparison.baseline_validation,
        "ranks": comparison.ranks.to_dict() | {"by": comparison.ranked_by, "over": "dialogues"},
        "features": comparison.features,
    }
