"""Nested cross-validation over several corpora: what a choice is worth, and the choice."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emofuse.data.atomic import write_text_aside
from emofuse.data.stored_files import DamagedFileError, stored_json
from emofuse.errors import EmofuseError, is_interruption, reason_of
from emofuse.evaluation import Split
from emofuse.experiments.search.cells import gain_of
from emofuse.experiments.search.corpora import SearchedCorpus
from emofuse.experiments.search.points import check_optuna, next_point
from emofuse.experiments.sweep.grid import Axis
from emofuse.runs.corpus import Progress
from emofuse.runs.folder_lock import locked_folder
from emofuse.runs.same_settings import check_same_settings
from emofuse.runs.settings import RunSettings

ALL = "all"
_NO_PROGRESS: Progress = lambda done, total, what: None  # noqa: E731


@dataclass(frozen=True)
class Trial:
    """A point and what it came to on some folds.

    Attributes:
        study: the outer fold that it belongs to, ``"1"`` and so on, or ``"all"`` for the last choice.
        number: from 0, which is the recipes as they are.
        changes: dotted name → value.
        gains: corpus → gain over the linear model on each fold; empty where it failed.
        failure: why, in one line.
    """

    study: str
    number: int
    changes: Mapping[str, Any]
    gains: Mapping[str, tuple[float, ...]]
    failure: str = ""

    @property
    def means(self) -> dict[str, float]:
        """Corpus → mean over its folds."""
        return {name: statistics.mean(values) for name, values in self.gains.items()}

    @property
    def mean(self) -> float | None:
        """Over the corpora, each counting the same."""
        return statistics.mean(self.means.values()) if self.gains else None


@dataclass(frozen=True)
class OuterFold:
    """What a choice was worth where nothing had been chosen.

    Attributes:
        chosen: by the trials inside.
        gain: corpus → its gain over the linear model on the judged fold; empty where it failed.
        recipe: the same of the recipes as they are; empty where they failed.
        failure: why one of the two failed, in one line.
    """

    chosen: Trial
    gain: Mapping[str, float]
    recipe: Mapping[str, float]
    failure: str = ""


@dataclass(frozen=True)
class Search:
    """A search that has been run.

    Attributes:
        folder: that holds it.
        corpora: in their order.
        axes: of the grid.
        trials: of all studies.
        folds: the outer ones.
        chosen: once, from the whole training parts.
    """

    folder: Path
    corpora: Sequence[SearchedCorpus]
    axes: Sequence[Axis]
    trials: Sequence[Trial]
    folds: Sequence[OuterFold]
    chosen: Trial

    @property
    def differences(self) -> dict[str, list[float]]:
        """Corpus → how much better the choice was than the recipe, on each outer fold that could be judged."""
        judged = [fold for fold in self.folds if not fold.failure]
        return {c.name: [fold.gain[c.name] - fold.recipe[c.name] for fold in judged] for c in self.corpora}


def search(
    corpora: Sequence[SearchedCorpus],
    axes: Sequence[Axis],
    folder: Path,
    *,
    trials: int,
    outer: int,
    inner: int,
    seed: int = 0,
    progress: Progress = _NO_PROGRESS,
    say: Callable[[str], None] = lambda line: None,
) -> Search:
    """Choose one point for all corpora, and say what such a choice is worth.

    For each outer fold a study tries ``trials`` points on inner folds of what is left, and the best is trained on all that is
    left and judged on the fold. A last study of the same kind, over the whole training parts, chooses. The first trial of a
    study is the recipes as they are. What was trained is kept, so it may be interrupted at will, and ``trials`` may grow.

    Args:
        corpora: each with its recipe and its training part.
        axes: the values that settings may take.
        folder: holds the scores.
        trials: of each study.
        outer: folds that judge.
        inner: folds that choose, up to four of four.
        seed: of the points.
        progress: called with (done, total, what).
        say: called with a line per trial.

    Raises:
        EmofuseError: an axis that no corpus knows, a corpus too small for the folds, a folder with another search, or a study
            in which every trial failed.
    """
    check_optuna()
    for axis in axes:
        if not any(axis.name in corpus.axes for corpus in corpora):
            raise EmofuseError(f"--grid {axis.name}: no corpus takes it ({corpora[0].unknown[axis.name]})")
    with locked_folder(folder):
        # Before the folder belongs to this search: a corpus may be too small for it.
        outer_splits = {corpus.name: corpus.outer(outer) for corpus in corpora}
        divided = [{name: found[number] for name, found in outer_splits.items()} for number in range(outer)]
        studies = [
            _Study(
                str(number),
                corpora,
                {name: [*split.train, *split.val] for name, split in splits.items()},
                inner,
                folder / f"fold-{number}",
                seed,
            )
            for number, splits in enumerate(divided, start=1)
        ]
        all_ids = {corpus.name: list(corpus.manifest.ids) for corpus in corpora}
        last = _Study(ALL, corpora, all_ids, inner, folder / ALL, seed)
        _claim(folder, corpora, axes, outer, inner, seed)
        counted = _Counted(progress, ((outer + 1) * trials * inner + 2 * outer) * len(corpora))
        tried, folds = [], []
        for study, splits in zip(studies, divided, strict=True):
            tried += study.run(axes, trials, counted, say)
            folds.append(_judged(corpora, best(study.done), splits, study.folder, counted))
            if folds[-1].failure:
                say(f"fold {study.name}, judging: failed: {folds[-1].failure}")
        tried += last.run(axes, trials, counted, say)
        return Search(folder, corpora, axes, tried, folds, best(last.done))


class _Counted:
    """Progress over all trainings."""

    def __init__(self, progress: Progress, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def __call__(self) -> None:
        self.done += 1
        self.progress(self.done, self.total, "trainings")


class _Study:
    """Trials on the inner folds of some utterances of each corpus."""

    def __init__(
        self,
        name: str,
        corpora: Sequence[SearchedCorpus],
        ids: Mapping[str, Sequence[str]],
        inner: int,
        folder: Path,
        seed: int,
    ) -> None:
        self.name, self.corpora, self.folder, self.seed = name, corpora, folder, seed
        self.splits = {corpus.name: corpus.inner(ids[corpus.name], inner) for corpus in corpora}
        self.done: list[Trial] = []

    def run(
        self, axes: Sequence[Axis], trials: int, counted: _Counted, say: Callable[[str], None]
    ) -> list[Trial]:
        """The recipes as they are, then points one after another."""
        changes: dict[str, Any] | None = {}
        while changes is not None and len(self.done) < trials:
            self.done.append(self._try(changes, counted))
            say(f"fold {self.name}, trial {len(self.done)}/{trials}: {_words(self.done[-1])}")
            changes = next_point(axes, [(dict(t.changes), t.mean) for t in self.done[1:]], self.seed)
        return self.done

    def _try(self, changes: dict[str, Any], counted: _Counted) -> Trial:
        gains = {}
        number = len(self.done)
        try:
            for corpus in self.corpora:
                found = []
                for fold, split in enumerate(self.splits[corpus.name], start=1):
                    found.append(
                        gain_of(corpus, changes, split, self.folder / "inner" / f"{corpus.name}-{fold}")
                    )
                    counted()
                gains[corpus.name] = tuple(found)
        except Exception as error:  # whatever it is, the other points go on; the reason is reported
            if is_interruption(error):
                raise
            return Trial(self.name, number, changes, {}, reason_of(error))
        return Trial(self.name, number, changes, gains)


def best(trials: Sequence[Trial]) -> Trial:
    """The trial of the largest mean gain; of equal ones the first.

    Raises:
        EmofuseError: every trial failed.
    """
    found = [(trial.mean, -trial.number, trial) for trial in trials if trial.mean is not None]
    if not found:
        raise EmofuseError(f"every trial failed ({trials[0].failure}); the same command tries again")
    return max(found, key=lambda each: each[:2])[2]


def _judged(
    corpora: Sequence[SearchedCorpus],
    chosen: Trial,
    splits: Mapping[str, Split],
    folder: Path,
    counted: _Counted,
) -> OuterFold:
    """The choice and the recipes on a fold; a training that fails there leaves the others of the search alone."""
    gains, failures = [], []
    for point in ({}, chosen.changes):  # the recipes first: their runs serve the linear models
        found = {}
        try:
            for corpus in corpora:
                place = folder / "outer" / corpus.name
                found[corpus.name] = gain_of(corpus, point, splits[corpus.name], place)
                counted()
        except Exception as error:  # whatever it is; the reason is reported, and the same command tries again
            if is_interruption(error):
                raise
            found = {}
            failures.append(reason_of(error))
        gains.append(found)
    return OuterFold(chosen, gains[1], gains[0], "; ".join(dict.fromkeys(failures)))


def _words(trial: Trial) -> str:
    if trial.mean is None:
        return f"failed: {trial.failure}"
    values = ", ".join(f"{name.rpartition('.')[2]} {value}" for name, value in trial.changes.items())
    return f"gain over the linear models {100 * trial.mean:+.1f} % ({values or 'the recipes as they are'})"


def _claim(
    folder: Path, corpora: Sequence[SearchedCorpus], axes: Sequence[Axis], outer: int, inner: int, seed: int
) -> None:
    """A folder belongs to one grid over these recipes on these corpora; only the number of trials may grow."""
    file = folder / "search.json"
    settings = {corpus.name: corpus.settings for corpus in corpora}
    divided = {
        "grid": {axis.name: list(axis.values) for axis in axes},
        "training_parts": {corpus.name: corpus.manifest.fingerprint() for corpus in corpora},
        "outer": outer,
        "inner": inner,
        "seed": seed,
    }
    if not file.exists():
        content = divided | {"settings": {n: each.model_dump(mode="json") for n, each in settings.items()}}
        write_text_aside(file, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        return
    held = stored_json(file, "choose a new folder")
    if any(held.get(name) != value for name, value in divided.items()):
        raise EmofuseError(
            f"{file}: the search in this folder has another grid, other corpora or other folds; repeat them or choose a new "
            "folder"
        )
    held_settings = held.get("settings") or {}
    if not isinstance(held_settings, dict):
        raise DamagedFileError(file, "its settings are no object", "choose a new folder")
    for name, each in settings.items():
        stored = RunSettings.checked(held_settings.get(name) or {}, source=str(file))
        check_same_settings(file, "search", stored, each)
