"""The systems that a paper's table compares with, run here: on its corpus, its protocol and its features."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.experiments.benchmark import BenchmarkPlan
from emofuse.experiments.cross_validation.report import write_cross_report
from emofuse.experiments.cross_validation.run import CrossValidation, cross_validate
from emofuse.models import list_models
from emofuse.recipes import list_recipes
from emofuse.runs.corpus import Progress
from emofuse.runs.executor import Executor
from emofuse.runs.modalities import choose_modalities
from emofuse.runs.settings import RunSettings
from emofuse.runs.tasks import task_of


@dataclass(frozen=True)
class ComparisonRuns:
    """Ours of a paper's comparison rows.

    Attributes:
        outcomes: the method as the paper calls it → what came of it.
        left_out: the same → why the system cannot be run here.
    """

    outcomes: Mapping[str, CrossValidation]
    left_out: Mapping[str, str]

    @property
    def failures(self) -> list[str]:
        """The folds that failed, a line each."""
        return [
            f"{method}, fold {fold.number}: {fold.failure}"
            for method, outcome in self.outcomes.items()
            for fold in outcome.failed
        ]


NO_RUNS: ComparisonRuns = ComparisonRuns({}, {})


def systems_among(methods: Iterable[str], but: str) -> dict[str, str]:
    """Printed methods that are registered here, by their titles → their names.

    Args:
        methods: as a paper calls them.
        but: the paper's own system.
    """
    names = {info.title.casefold(): info.name for info in list_models() if info.name != but}
    return {method: names[method.casefold()] for method in methods if method.casefold() in names}


def run_comparisons(
    systems: Mapping[str, str],
    corpus: str,
    manifest: Manifest,
    settings: RunSettings,
    folder: Path,
    *,
    changes: Mapping[str, Any] | None = None,
    executor: Executor | None,
    open_progress: Callable[[], AbstractContextManager[Progress]],
    say: Callable[[str], None],
) -> ComparisonRuns:
    """Cross-validate each system; what an earlier call has finished is kept.

    A system has the architecture and the optimiser of its recipe for the corpus (``SYSTEM/CORPUS``, or
    ``SYSTEM/CORPUS-words``), or of its preset "tiny" without one, and all else of the paper's recipe.

    Args:
        systems: printed method → name of the system.
        corpus: that the recipes are for.
        manifest: the corpus.
        settings: the paper's recipe.
        folder: holds a cross-validation per system.
        changes: dotted settings that are put over those of every system, such as ``optimiser.epochs``.
        executor: runs folds at once; see `cross_validate`.
        open_progress: gives a progress hook for one cross-validation.
        say: called with a line per cross-validation and fold.
    """
    outcomes, left_out = {}, {}
    for method, system in systems.items():
        own = f"{corpus}-words" if f"{system}/{corpus}" not in list_recipes() else corpus
        plan = BenchmarkPlan(
            settings, recipes=own, changes=dict(changes or {}), test_scores=settings.test_scores
        )
        try:
            changed = plan.settings_of(system)
            task_of(changed, manifest)
            choose_modalities(changed, manifest)
        except EmofuseError as error:
            left_out[method] = str(error)
            continue
        say(f"     {method}, to compare with")
        with open_progress() as progress:
            outcomes[method] = cross_validate(
                changed,
                manifest,
                folder / f"compared-{system}",
                resume=True,
                executor=executor,
                progress=progress,
                say=lambda line: say(f"     {line}"),
            )
        write_cross_report(outcomes[method], manifest, title=f"{method}, to compare with")
        say(f"     {outcomes[method].lines()[-1]}")
    return ComparisonRuns(outcomes, left_out)
