"""A system over several seeds, beside the linear model on the same features and split."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emofuse.data.manifest import Manifest
from emofuse.inference.baselines import fit_baselines
from emofuse.inference.baselines.scores import best_baseline
from emofuse.inference.evaluate import evaluate_fit
from emofuse.inference.outcome import Outcome
from emofuse.runs.settings import RunSettings
from emofuse.training.fit import fit_run


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Mean ± standard deviation; the mean alone of what is the same for every seed."""
    mean = f"{statistics.mean(values):.{digits}f}"
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{mean} ± {deviation:.{digits}f}" if deviation > 1e-9 else mean


@dataclass(frozen=True)
class SeedScores:
    """Weighted F1 on the test part in percent, seed by seed.

    Attributes:
        system: of the system, alone.
        linear: of the linear model that the validation part ranks first.
        pooled: of the system with its linear model; empty of a recipe without a pool.
    """

    system: list[float]
    linear: list[float]
    pooled: list[float]


def over_seeds(manifest: Manifest, settings: RunSettings, seeds: int, work: Path, name: str) -> SeedScores:
    """Train and judge one seed after the other; runs that are finished are read."""
    scores = SeedScores([], [], [])
    for seed in range(seeds):
        outcome = judged(manifest, settings.with_changes({"seed": seed}), work / f"{name}-{seed}")
        run = 100 * outcome.test.weighted_f1
        if outcome.pool is None:
            scores.system.append(run)
        else:
            scores.system.append(100 * outcome.pool.system.report.weighted_f1)
            scores.pooled.append(run)
        scores.linear.append(100 * best_baseline(outcome.baselines).report.weighted_f1)
        # The page is written at the end, which may be hours away.
        told = {"system": scores.system, "pooled": scores.pooled, "linear": scores.linear}
        print(name, seed, *(f"{who} {each[-1]:.1f}" for who, each in told.items() if each), flush=True)
    return scores


def judged(manifest: Manifest, settings: RunSettings, path: Path) -> Outcome[Any]:
    """A run and the linear models on its features, on the test part."""
    folder = fit_run(settings, manifest, path, resume=path.exists())
    fit_baselines(folder, manifest)
    return evaluate_fit(folder, manifest, kept=False)
