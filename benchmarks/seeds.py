"""A system over several seeds, beside the linear model on the same features and split."""

from __future__ import annotations

from pathlib import Path

from emofuse.data.manifest import Manifest
from emofuse.inference.baselines import fit_baselines
from emofuse.inference.baselines.scores import best_baseline
from emofuse.inference.evaluate import evaluate_fit
from emofuse.runs.settings import RunSettings
from emofuse.training.fit import fit_run


def over_seeds(
    manifest: Manifest, settings: RunSettings, seeds: int, work: Path, name: str
) -> tuple[list[float], list[float]]:
    """Weighted F1 of the system and of the linear model, in percent, seed by seed; runs that are finished are read."""
    found = []
    for seed in range(seeds):
        settings = settings.with_changes({"seed": seed})
        found.append(weighted_f1(manifest, settings, work / f"{name}-{seed}"))
        # The page is written at the end, which may be hours away.
        print(name, seed, *(f"{score:.1f}" for score in found[-1]), flush=True)
    return [system for system, _ in found], [linear for _, linear in found]


def weighted_f1(manifest: Manifest, settings: RunSettings, path: Path) -> tuple[float, float]:
    """Of the system and of the better linear model, as the validation part ranks these, on the test part; in percent."""
    folder = fit_run(settings, manifest, path, resume=path.exists())
    fit_baselines(folder, manifest)
    outcome = evaluate_fit(folder, manifest, kept=False)
    linear = best_baseline(outcome.baselines).report
    return 100 * outcome.test.weighted_f1, 100 * linear.weighted_f1
