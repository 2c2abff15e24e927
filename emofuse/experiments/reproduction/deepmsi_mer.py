"""The runs behind Tables 1, 2 and 3 of the DeepMSI-MER paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emofuse.corpora import read_corpus
from emofuse.corpora.demo import generate_demo_corpus
from emofuse.data import Modality
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
from emofuse.experiments.reproduction.published import printed_methods
from emofuse.runs.corpus import Progress
from emofuse.runs.corpus_identity import claim_corpus
from emofuse.runs.executor import Executor
from emofuse.runs.folder_lock import locked_folder
from emofuse.runs.modalities import modalities_held
from emofuse.runs.run_folder import fingerprints_below
from emofuse.runs.settings import RunSettings

PAPERS_PROTOCOL = "random-kfold"
PAPERS_FOLDS = 10
CORPORA = ("demo", "iemocap", "meld")
# The rows of Table 3, by the letters that it gives the modalities.
MODALITY_SETS: dict[str, tuple[Modality, ...]] = {
    "T": ("text",),
    "A": ("audio",),
    "T+V": ("text", "video"),
    "A+V": ("audio", "video"),
    "T+A+V": ("text", "audio", "video"),
}


@dataclass(frozen=True)
class ReproducedRow:
    """One cross-validation.

    Attributes:
        protocol: how the utterances were split.
        modalities: as Table 3 names them, such as ``"T+V"``.
        outcome: what came of it.
    """

    protocol: str
    modalities: str
    outcome: CrossValidation

    @property
    def optimistic(self) -> bool:
        """Whether its protocol is known to flatter."""
        return PROTOCOLS[self.protocol].optimistic


@dataclass(frozen=True)
class Reproduction:
    """Everything behind the tables.

    Attributes:
        corpus: one of `CORPORA`.
        folder: holds the cross-validations.
        labels: classes of the corpus.
        rows: those that were run.
        left_out: a row of Table 3 → why the corpus does not allow it.
        compared: ours of the methods that Table 1 or 2 compares with, where they were asked for.
        compared_protocol: how the utterances were split for them.
    """

    corpus: str
    folder: Path
    labels: list[str]
    rows: list[ReproducedRow]
    left_out: dict[str, str]
    compared: ComparisonRuns = NO_RUNS
    compared_protocol: str = ""

    @property
    def failures(self) -> list[str]:
        """The folds that failed, a line each."""
        return self.compared.failures + [
            f"{row.modalities}, {row.protocol}, fold {fold.number}: {fold.failure}"
            for row in self.rows
            for fold in row.outcome.failed
        ]


def corpus_for(
    corpus: str, root: Path, *, clips: int = 1200, progress: Progress | None = None
) -> tuple[Manifest, Path]:
    """The manifest of a corpus and its file: as it was prepared, or prepared now.

    Args:
        corpus: one of `CORPORA`.
        root: the corpus's folder; for ``"demo"``, where it is drawn.
        clips: utterances of the demo corpus.
        progress: called with (done, total, what).

    Raises:
        EmofuseError: the folder is not in the corpus's layout.
    """
    path = root / "manifest.csv"
    if corpus == "demo":
        generate_demo_corpus(root, clips=clips, progress=progress)
    elif not path.exists():
        manifest = read_corpus(corpus, root).manifest.validate()
        manifest.write(path)
    return Manifest.read(path).validate(), path.resolve()


def reproduce_deepmsi_mer(
    corpus: str,
    manifest: Manifest,
    settings: RunSettings,
    folder: Path,
    *,
    folds: int = PAPERS_FOLDS,
    honest: bool = True,
    sets: Sequence[str] = tuple(MODALITY_SETS),
    baselines: bool = False,
    baseline_changes: Mapping[str, Any] | None = None,
    executor: Executor | None = None,
    open_progress: Callable[[], AbstractContextManager[Progress]],
    say: Callable[[str], None] = lambda line: None,
) -> Reproduction:
    """Run what makes the tables; what an earlier call has finished is kept, so it may be interrupted at will.

    Every set of modalities of Table 3 is cross-validated as the paper does it, on random folds, which flatters.
    All three modalities are judged once more under the protocol that the settings name, which should not.

    Args:
        corpus: which of the paper's figures stand beside ours.
        manifest: the corpus, with the file that ``settings.data.manifest`` names.
        settings: a recipe; its fine-tuned encoders are shared by the runs of a fold.
        folder: holds everything.
        folds: of the random protocol; the paper has 10.
        honest: judge under the settings' own protocol too.
        sets: which rows of Table 3.
        baselines: run the systems that Table 1 or 2 compares with too, under the settings' own protocol, or under the
            paper's where ``honest`` is off.
        baseline_changes: dotted settings that are put over those of these systems.
        executor: runs folds at once; by default one follows the other in this process.
        open_progress: gives a progress hook for one cross-validation.
        say: called with a line per cross-validation and fold.

    Raises:
        EmofuseError: an unknown set, settings for a task without classes, or a folder with other settings in it.
    """
    unknown = [name for name in sets if name not in MODALITY_SETS]
    if unknown:
        raise EmofuseError(f"Table 3 has no row {unknown[0]}; it has {', '.join(MODALITY_SETS)}")
    if settings.model.name != "deepmsi-mer" or settings.model.task != "classification":
        raise EmofuseError("reproduce deepmsi-mer: give a recipe of deepmsi-mer that learns classes")
    with locked_folder(folder):
        claim_corpus(folder, manifest, fingerprints_below(folder))
        held = modalities_held(manifest)
        left_out = {
            name: f"the corpus has no {', '.join(m for m in MODALITY_SETS[name] if m not in held)}"
            for name in sets
            if not set(MODALITY_SETS[name]) <= set(held)
        }
        plan = [(PAPERS_PROTOCOL, name, folds) for name in sets if name not in left_out]
        own = settings.data.protocol
        if honest and own != PAPERS_PROTOCOL and "T+A+V" in sets and "T+A+V" not in left_out:
            plan.append((own, "T+A+V", settings.data.folds))
        rows = []
        for number, (protocol, name, count) in enumerate(plan, start=1):
            say(f"{number}/{len(plan)}  {name}, protocol {protocol}")
            changes = {
                "data.protocol": protocol,
                "data.folds": count,
                "data.stage_one": str((folder / "encoders").resolve()),
                "model.modalities": list(MODALITY_SETS[name]),
            }
            with open_progress() as progress:
                outcome = cross_validate(
                    settings.with_changes(changes),
                    manifest,
                    folder / "runs" / protocol / name.replace("+", "-"),
                    resume=True,
                    executor=executor,
                    progress=progress,
                    say=lambda line: say(f"     {line}"),
                )
            write_cross_report(outcome, manifest, title=f"DeepMSI-MER on {corpus}: {name}, {protocol}")
            say(f"     {outcome.lines()[-1]}")
            rows.append(ReproducedRow(protocol, name, outcome))
        compared, split_by = NO_RUNS, own if honest else PAPERS_PROTOCOL
        if baselines:
            changes = {"data.protocol": split_by} | ({} if honest else {"data.folds": folds})
            compared = run_comparisons(
                systems_among(printed_methods(corpus), settings.model.name),
                corpus,
                manifest,
                settings.with_changes(changes),
                folder / "runs" / split_by,
                changes=baseline_changes,
                executor=executor,
                open_progress=open_progress,
                say=say,
            )
        return Reproduction(corpus, folder, list(manifest.labels), rows, left_out, compared, split_by)
