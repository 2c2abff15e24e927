"""The runs behind the tables of a paper that has a plan."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.evaluation import PROTOCOLS
from emofuse.experiments.cross_validation.report import write_cross_report
from emofuse.experiments.cross_validation.run import CrossValidation, cross_validate
from emofuse.experiments.reproduction.comparison_runs import (
    NO_RUNS,
    ComparisonRuns,
    run_comparisons,
    systems_among,
)
from emofuse.experiments.reproduction.plan import PaperPlan, PaperTable, Variant
from emofuse.models.registry import model_config
from emofuse.runs.corpus import Progress
from emofuse.runs.corpus_identity import claim_corpus
from emofuse.runs.executor import Executor
from emofuse.runs.folder_lock import locked_folder
from emofuse.runs.modalities import choose_modalities, modalities_held
from emofuse.runs.run_folder import fingerprints_below
from emofuse.runs.settings import RunSettings
from emofuse.runs.tasks import task_of


@dataclass(frozen=True)
class PaperReproduction:
    """Everything behind the tables of one corpus.

    Attributes:
        plan: of the paper.
        corpus: one of its corpora.
        folder: holds the runs and the tables.
        task: what the runs learnt.
        labels: classes of the corpus.
        protocol: that split it.
        tables: those that were asked for.
        outcomes: (table's number, row's name) → what came of it; rows of the same settings share one.
        left_out: the same → why it was not run.
        compared: ours of the rows that the paper compares with, where they were asked for.
    """

    plan: PaperPlan
    corpus: str
    folder: Path
    task: str
    labels: list[str]
    protocol: str
    tables: tuple[PaperTable, ...]
    outcomes: dict[tuple[str, str], CrossValidation]
    left_out: dict[tuple[str, str], str]
    compared: ComparisonRuns = NO_RUNS

    @property
    def optimistic(self) -> bool:
        """Whether the protocol is known to flatter."""
        return PROTOCOLS[self.protocol].optimistic

    @property
    def failures(self) -> list[str]:
        """The folds that failed, a line each."""
        own = dict.fromkeys(
            f"{outcome.folder.name}, fold {fold.number}: {fold.failure}"
            for outcome in self.outcomes.values()
            for fold in outcome.failed
        )
        return [*own, *self.compared.failures]


def reproduce_paper(
    plan: PaperPlan,
    corpus: str,
    manifest: Manifest,
    settings: RunSettings,
    folder: Path,
    *,
    tables: Sequence[str] = (),
    baselines: bool = False,
    baseline_changes: Mapping[str, Any] | None = None,
    executor: Executor | None = None,
    open_progress: Callable[[], AbstractContextManager[Progress]],
    say: Callable[[str], None] = lambda line: None,
) -> PaperReproduction:
    """Run what makes the tables; what an earlier call has finished is kept, so it may be interrupted at will.

    Each row is a cross-validation under the protocol of the settings; rows that come to the same settings are
    one. A value's rows of a sweep are judged on the test part, as in the paper; nothing is chosen by them.

    Args:
        plan: of the paper.
        corpus: which of the paper's figures stand beside ours.
        manifest: the corpus, with the file that ``settings.data.manifest`` names.
        settings: a recipe of the plan's system.
        folder: holds everything.
        tables: their numbers; all that the paper has for the corpus by default.
        baselines: run the systems of the tables of methods too, as far as they are registered here.
        baseline_changes: dotted settings that are put over those of these systems.
        executor: runs folds at once; by default one follows the other in this process.
        open_progress: gives a progress hook for one cross-validation.
        say: called with a line per cross-validation and fold.

    Raises:
        EmofuseError: an unknown table, settings of another system, or a folder with other settings in it.
    """
    if settings.model.name != plan.system:
        raise EmofuseError(
            f"reproduce {plan.system}: the recipe is one of {settings.model.name}; give one of {plan.system}"
        )
    chosen = _chosen(plan, corpus, tables)
    with locked_folder(folder):
        claim_corpus(folder, manifest, fingerprints_below(folder))
        runs: dict[str, str] = {_identity(settings, manifest): plan.full_system.key}
        outcomes: dict[tuple[str, str], CrossValidation] = {}
        left_out: dict[tuple[str, str], str] = {}
        rows = [(table, variant) for table in chosen for variant in table.variants]
        done: dict[str, CrossValidation] = {}
        for number, (table, variant) in enumerate(rows, start=1):
            place = (table.number, variant.name)
            lacking = _lacking(variant, manifest)
            if lacking:
                left_out[place] = f"the corpus has no {', '.join(lacking)}"
                continue
            changed = settings.with_changes(dict(variant.changes))
            key = runs.setdefault(_identity(changed, manifest), variant.key)
            if key not in done:
                say(f"{number}/{len(rows)}  {variant.name}")
                changed = settings if key == plan.full_system.key else changed
                done[key] = _cross_validate(
                    plan, variant, changed, manifest, folder / "runs" / key, executor, open_progress, say
                )
            outcomes[place] = done[key]
        compared = NO_RUNS
        if baselines:
            compared = run_comparisons(
                systems_among(_methods(plan, chosen, corpus), plan.system),
                corpus,
                manifest,
                settings,
                folder / "runs",
                changes=baseline_changes,
                executor=executor,
                open_progress=open_progress,
                say=say,
            )
        task = task_of(settings, manifest)
        labels, protocol = list(task.labels), settings.data.protocol
        return PaperReproduction(
            plan, corpus, folder, task.name, labels, protocol, chosen, outcomes, left_out, compared
        )


def _chosen(plan: PaperPlan, corpus: str, numbers: Sequence[str]) -> tuple[PaperTable, ...]:
    known = {table.number: table for table in plan.tables_for(corpus)}
    unknown = [number for number in numbers if number not in known]
    if unknown:
        raise EmofuseError(
            f"{plan.title} has no table {unknown[0]} for {corpus}; choose from {', '.join(known)}"
        )
    return tuple(table for number, table in known.items() if not numbers or number in numbers)


def _methods(plan: PaperPlan, tables: Sequence[PaperTable], corpus: str) -> list[str]:
    """Methods of the tables of methods; on a corpus that the paper does not have, those of any other."""
    compared = [table for table in tables if table.compared]
    own = [figure.row for table in compared for figure in plan.printed(table, corpus)]
    others = [
        figure.row for table in compared for each in table.corpora for figure in plan.printed(table, each)
    ]
    return list(dict.fromkeys(own or others))


def _lacking(variant: Variant, manifest: Manifest) -> list[str]:
    held = modalities_held(manifest)
    return [m for m in variant.changes.get("model.modalities", ()) if m not in held]


def _identity(settings: RunSettings, manifest: Manifest) -> str:
    """The same for settings that come to the same run, whether a value is written out or a default."""
    content, model = settings.model_dump(mode="json"), settings.model
    options = task_of(settings, manifest).model_options() | model.options
    content["model"] |= {
        "options": model_config(model.name, model.preset, **options).model_dump(mode="json"),
        "modalities": sorted(choose_modalities(settings, manifest)),
    }
    return json.dumps(content, sort_keys=True)


def _cross_validate(
    plan: PaperPlan,
    variant: Variant,
    settings: RunSettings,
    manifest: Manifest,
    folder: Path,
    executor: Executor | None,
    open_progress: Callable[[], AbstractContextManager[Progress]],
    say: Callable[[str], None],
) -> CrossValidation:
    with open_progress() as progress:
        outcome = cross_validate(
            settings,
            manifest,
            folder,
            resume=True,
            executor=executor,
            progress=progress,
            say=lambda line: say(f"     {line}"),
        )
    title = plan.title if folder.name == plan.full_system.key else f"{plan.title}: {variant.name}"
    write_cross_report(outcome, manifest, title=title)
    say(f"     {outcome.lines()[-1]}")
    return outcome
