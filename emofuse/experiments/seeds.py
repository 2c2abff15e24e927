"""One training with several seeds: a run folder each, and the ensemble of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from emofuse.data.manifest import Manifest
from emofuse.data.output_paths import check_new_folder
from emofuse.errors import EmofuseError
from emofuse.experiments.cross_validation.folds import is_complete
from emofuse.inference.baselines import fit_baselines
from emofuse.inference.ensemble import EnsembleOutcome, evaluate_ensemble
from emofuse.inference.evaluate import evaluate_fit
from emofuse.inference.reporting.run_report import write_run_report
from emofuse.runs.claimed_folder import Kind, claim_folder
from emofuse.runs.corpus import Progress
from emofuse.runs.ensemble_folder import write_ensemble
from emofuse.runs.folder_lock import locked_folder
from emofuse.runs.settings import RunSettings
from emofuse.training.fit import fit_run


def train_seeds(
    settings: RunSettings,
    manifest: Manifest,
    folder: Path | str,
    count: int,
    *,
    resume: bool = False,
    baseline: bool = False,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> EnsembleOutcome:
    """Train with ``count`` seeds, from that of the settings on, evaluate each, and score the mean of their answers.

    The split is the same for all. Each run is complete in itself, with its report; the folder is an ensemble.

    Args:
        settings: of every run but for the seed.
        manifest: a validated corpus.
        folder: holds the runs, ``seed-0`` and so on; must be new unless ``resume``.
        count: of the seeds, at least 2.
        resume: take up an earlier call with the same settings and corpus; what is finished stays.
        baseline: fit the linear models on each run's features and split.
        progress: called with (done, total, what) of the run in hand.
        say: called with a line as each run ends.

    Raises:
        EmofuseError: the folder is taken, or as `fit_run`; of what is finished, settings and corpus are compared too.
    """
    folder = Path(folder)
    with folder_of_seeds(folder, Kind.SEEDS, settings, manifest, count, resume=resume) as places:
        for path, own in places.items():
            if is_complete(path, own):
                continue
            run = fit_run(own, manifest, path, resume=True, progress=progress)
            if baseline:
                fit_baselines(run, manifest, progress)
            outcome = evaluate_fit(run, manifest, progress=progress)
            write_run_report(outcome, manifest)
            say(f"seed {own.seed}: {outcome.task.lines(outcome.test)[0]}")
        write_ensemble(folder, [path.name for path in places])
        return evaluate_ensemble(folder)


@contextmanager
def folder_of_seeds(
    folder: Path, kind: Kind, settings: RunSettings, manifest: Manifest, count: int, *, resume: bool
) -> Iterator[dict[Path, RunSettings]]:
    """Claim a folder for several seeds, from that of the settings on.

    Args:
        folder: holds ``seed-0`` and so on.
        kind: of what they are.
        settings: of all of them but for the seed.
        manifest: a validated corpus.
        count: of the seeds, at least 2.
        resume: an earlier call may have begun it.

    Yields:
        Place → settings of each seed.

    Raises:
        EmofuseError: too few seeds, one that is too large, or the folder is taken.
    """
    check_new_folder(folder)
    if count < 2:
        raise EmofuseError("--seeds: an ensemble needs two seeds or more; leave it out for one")
    seeds = range(settings.seed, settings.seed + count)
    places = {folder / f"seed-{seed}": settings.with_changes({"seed": seed}) for seed in seeds}
    with locked_folder(folder):
        claim_folder(folder, kind, settings, manifest, resume=resume)
        yield places
