"""Which kind of training a folder holds, and taking it for one.

A run, several seeds, all folds, and several seeds of all folds each keep their settings in ``config.yaml``. So the
settings alone do not say which of them lies in a folder; what lies beside them does.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from emofuse.data.atomic import write_text_aside
from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.runs.corpus_identity import CorpusIdentity, claim_corpus
from emofuse.runs.ensemble_folder import ENSEMBLE_FILE
from emofuse.runs.run_folder import fingerprints_below
from emofuse.runs.same_settings import check_same_settings
from emofuse.runs.settings import RunSettings


class Kind(StrEnum):
    """What a training leaves in its folder."""

    RUN = "run"
    SEEDS = "training of several seeds"
    FOLDS = "cross-validation"
    SEEDS_OF_FOLDS = "cross-validation of several seeds"


def claim_folder(
    folder: Path, kind: Kind, settings: RunSettings, manifest: Manifest, *, resume: bool
) -> None:
    """Take a folder for runs of these settings on this corpus, or see that it is taken for them already.

    Args:
        folder: of many runs; a run alone takes its folder itself.
        kind: of the training.
        settings: that the runs share.
        manifest: the corpus.
        resume: an earlier call may have begun it.

    Raises:
        EmofuseError: it holds a training of another kind, of other settings or of another corpus, runs that no such
            call has begun, or a training that is not to be taken up.
    """
    config = folder / "config.yaml"
    if not config.exists():
        if found := next(_contents(folder), None):
            held, name = found
            raise EmofuseError(
                f"{folder}: holds a {held} ({name}) that this command did not begin; choose another folder"
            )
        CorpusIdentity.of(manifest).write(folder)
        write_text_aside(config, settings.to_yaml())
        return
    refuse_other_kind(folder, kind)
    if not resume:
        raise EmofuseError(
            f"{folder}: holds a {kind} already; choose another folder, or add --resume to take it up"
        )
    check_same_settings(config, kind, RunSettings.from_yaml(config), settings)
    claim_corpus(folder, manifest, fingerprints_below(folder))


def refuse_other_kind(folder: Path, kind: Kind) -> None:
    """See that a folder holds nothing but a training of this kind, or nothing yet.

    Raises:
        EmofuseError: it holds another; the message says which.
    """
    for held, name in _contents(folder):
        if held != kind:
            raise EmofuseError(f"{folder}: holds a {held} ({name}), not a {kind}; choose another folder")


def _contents(folder: Path) -> Iterator[tuple[Kind, str]]:
    """What lies in a folder, and what says so."""
    if name := _run_file(folder):
        yield Kind.RUN, name
    if (folder / ENSEMBLE_FILE).exists():
        yield Kind.SEEDS, ENSEMBLE_FILE
    for seed in sorted(folder.glob("seed-[0-9]*")):
        if any(_folds(seed)):
            yield Kind.SEEDS_OF_FOLDS, seed.name
        elif _run_file(seed):
            yield Kind.SEEDS, seed.name
    for fold in _folds(folder):
        yield Kind.FOLDS, fold.name


def _run_file(folder: Path) -> str:
    """The file that says that a run has begun in a folder; empty where none has."""
    return next((name for name in ("run.json", "split.json") if (folder / name).exists()), "")


def _folds(folder: Path) -> Iterator[Path]:
    """Folds that were begun, those that failed among them."""
    return (fold for fold in sorted(folder.glob("fold-[0-9]*")) if fold.is_dir() and any(fold.iterdir()))
