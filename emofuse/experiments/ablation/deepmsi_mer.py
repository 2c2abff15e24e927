"""Every variant of DeepMSI-MER on one split, and what each costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError, is_interruption, reason_of
from emofuse.evaluation.comparison.compare_methods import compare_methods
from emofuse.evaluation.comparison.method_scores import MethodComparison
from emofuse.evaluation.comparison.methods import on_same_utterances
from emofuse.experiments.ablation.cost import Cost, measured_cost
from emofuse.experiments.ablation.variants import FULL, Variant, list_variants
from emofuse.experiments.benchmark.jobs import is_done, run_jobs_at_once
from emofuse.experiments.benchmark.plan import Job
from emofuse.experiments.compared_runs import find_runs, methods_of
from emofuse.experiments.failures import failure_of
from emofuse.inference.evaluate import evaluate_fit
from emofuse.models import model_config
from emofuse.models.deepmsi_mer_config import DeepMSIMERConfig
from emofuse.runs.corpus import Progress
from emofuse.runs.corpus_identity import claim_corpus
from emofuse.runs.executor import Executor
from emofuse.runs.folder_lock import locked_folder
from emofuse.runs.modalities import choose_modalities
from emofuse.runs.run_folder import RunFolder, fingerprints_below
from emofuse.runs.settings import RunSettings
from emofuse.training.fit import fit_run


@dataclass(frozen=True)
class Ablation:
    """What was changed, and what came of it.

    Attributes:
        folder: holds the runs.
        variants: those that were run to the end, the full system first.
        comparison: their scores, each tested against the full system; in the same order.
        costs: variant → its cost.
        failures: variant → why it failed.
    """

    folder: Path
    variants: list[Variant]
    comparison: MethodComparison
    costs: dict[str, Cost]
    failures: dict[str, str]


def ablation_variants(settings: RunSettings, manifest: Manifest) -> list[Variant]:
    """The variants of what ``settings`` make of this corpus.

    Raises:
        EmofuseError: the settings are of another system, or not of the full one.
    """
    if settings.model.name != "deepmsi-mer":
        raise EmofuseError(
            f"ablate deepmsi-mer: the settings are of {settings.model.name}; give a recipe of deepmsi-mer"
        )
    modalities = choose_modalities(settings, manifest)
    config = model_config(
        "deepmsi-mer",
        preset=settings.model.preset,
        num_classes=max(2, len(manifest.labels)),
        modalities=modalities,
        **settings.model.options,
    )
    assert isinstance(config, DeepMSIMERConfig)
    return list_variants(config)


def ablate_deepmsi_mer(
    manifest: Manifest,
    settings: RunSettings,
    folder: Path,
    *,
    only: Sequence[str] = (),
    seeds: int = 1,
    executor: Executor | None = None,
    open_progress: Callable[[], AbstractContextManager[Progress]],
    say: Callable[[str], None] = lambda line: None,
) -> Ablation:
    """Train, judge and measure every variant; what an earlier call has finished is kept.

    Args:
        manifest: the corpus, with the file that ``settings.data.manifest`` names.
        settings: the full system, and the fold that all variants are trained and judged on.
        folder: holds everything.
        only: names of variants; the full system is always run. All by default.
        seeds: runs of each variant, with seeds from the settings' own on.
        executor: makes the runs of the full system at once, and then those of all other variants; by default one follows
            the other in this process.
        open_progress: gives a progress hook for one run, or for all where an executor makes them.
        say: called with a line per run.

    Raises:
        EmofuseError: there is no such variant, or the full system failed.
    """
    known = ablation_variants(settings, manifest)
    unknown = [name for name in only if name not in {v.name for v in known}]
    if unknown:
        raise EmofuseError(f"there is no variant {unknown[0]}; there are {', '.join(v.name for v in known)}")
    chosen = [v for v in known if not only or v.name in only or v.name == FULL]
    with locked_folder(folder):
        claim_corpus(folder, manifest, fingerprints_below(folder))
        if executor is not None:
            _run_ahead(executor, settings, manifest, folder, chosen, seeds, open_progress)
        failures: dict[str, str] = {}
        done, costs = [], {}
        for number, variant in enumerate(chosen, start=1):
            say(f"{number}/{len(chosen)}  {variant.name}: {variant.what}")
            try:
                for seed in range(settings.seed, settings.seed + seeds):
                    with open_progress() as progress:
                        job = _job(settings, folder, variant, seed)
                        if executor is None:
                            _run_variant(job, manifest, progress)
                        elif not is_done(job):
                            raise EmofuseError(failure_of(job.path))
                        run = RunFolder(job.path)
                costs[variant.name] = measured_cost(run, manifest, _place(folder, variant) / "cost.json")
            except Exception as error:  # the other variants go on; the reason is reported
                if is_interruption(error):
                    raise
                if variant.name == FULL:
                    raise
                failures[variant.name] = reason_of(error)
                say(f"     failed: {failures[variant.name]}")
                continue
            done.append(variant)
        runs = find_runs([f"{v.name}={_place(folder, v)}" for v in done])
        methods, left_out = on_same_utterances(methods_of(runs))
        return Ablation(folder, done, compare_methods(methods, left_out=left_out), costs, failures)


def _place(folder: Path, variant: Variant) -> Path:
    return folder / "runs" / variant.name


def _job(settings: RunSettings, folder: Path, variant: Variant, seed: int) -> Job:
    changes = {f"model.options.{name}": value for name, value in variant.options.items()}
    changes |= {"seed": seed, "data.stage_one": str((folder / "encoders").resolve())}
    path = _place(folder, variant) / f"seed-{seed}"
    return Job(path, settings.with_changes(changes), judged=True, reported=False)


def _run_variant(job: Job, manifest: Manifest, progress: Progress) -> None:
    run = fit_run(job.settings, manifest, job.path, resume=True, progress=progress)
    if run.read_record().status != "evaluated":
        evaluate_fit(run, manifest, kept=False, progress=progress)


def _run_ahead(
    executor: Executor,
    settings: RunSettings,
    manifest: Manifest,
    folder: Path,
    variants: Sequence[Variant],
    seeds: int,
    open_progress: Callable[[], AbstractContextManager[Progress]],
) -> None:
    """The full system first: it fine-tunes the encoders that the others share, and without it there is nothing to compare."""
    for part in ([v for v in variants if v.name == FULL], [v for v in variants if v.name != FULL]):
        jobs = [
            _job(settings, folder, variant, seed)
            for variant in part
            for seed in range(settings.seed, settings.seed + seeds)
        ]
        run_jobs_at_once(jobs, manifest, folder, executor, what="runs", open_progress=open_progress)
