"""Run folders as methods to compare: which of them are one method, and what is known of each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import count, takewhile
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from emofuse.data.paths import real_path
from emofuse.data.stored_files import is_there
from emofuse.errors import EmofuseError
from emofuse.evaluation.comparison.methods import Facts, JudgedRun, Method, make_method
from emofuse.inference.calibration import read_calibration
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.run_record import RunRecord
from emofuse.runs.settings import RunSettings
from emofuse.runs.stored_results import read_predictions

if TYPE_CHECKING:
    import pandas as pd

# Settings that say where and which, not how: runs that differ in nothing else are one method.
_NOT_THE_METHOD = (
    "seed",
    "device",
    "test_scores",
    "data.fold",
    "data.features",
    "data.frame_cache",
    "data.manifest",
    "data.stage_one",
    "data.workers",
)
_ENDING = re.compile(r"[-_. ]*(seed|fold|run|s|f)?[-_. ]*\d*$", re.IGNORECASE)


@dataclass(frozen=True)
class FoundRun:
    """A run folder that was named to be compared.

    Attributes:
        folder: of the run.
        name: that the user gave its method, or None.
        record: its run.json.
        settings: its config.yaml.
    """

    folder: RunFolder
    name: str | None
    record: RunRecord
    settings: RunSettings


def find_runs(given: Sequence[str]) -> list[FoundRun]:
    """The runs that a user named.

    Args:
        given: run folders, folders of run folders (such as those of a cross-validation, or of one for each seed), or
            any of them as ``NAME=FOLDER``; runs of one name are one method.

    Raises:
        EmofuseError: a folder holds no run, or one that is not finished.
    """
    found = []
    for item in given:
        name, path = _named(item)
        for folder in _run_folders(path):
            run = RunFolder.open(folder)
            found.append(FoundRun(run, name, run.read_record(), run.read_settings()))
    return found


def _named(item: str) -> tuple[str | None, Path]:
    name, sign, path = item.partition("=")
    if not sign or Path(item).exists():
        return None, Path(item)
    if not name.strip() or not path.strip():
        raise EmofuseError(f"{item!r}: name a run folder, or write NAME=FOLDER")
    return name.strip(), Path(path.strip())


def _run_folders(path: Path) -> list[Path]:
    if (path / "run.json").exists():
        return [path]
    for below in ("*/run.json", "*/*/run.json"):  # folds or seeds; folds of each seed
        if runs := sorted(file.parent for file in path.glob(below)):
            return runs
    return [path]  # is opened as a run, which says what is wrong with it


def methods_of(runs: Sequence[FoundRun]) -> list[Method]:
    """Methods in the order in which they were named; runs that differ only in seed or fold are one.

    Args:
        runs: from :func:`find_runs`.

    Raises:
        EmofuseError: a run has not been evaluated.
    """
    groups: dict[str, list[FoundRun]] = {}
    for run in runs:
        groups.setdefault(f"name {run.name}" if run.name else method_key(run), []).append(run)
    names = _names(list(groups.values()))
    return [
        make_method(name, [_judged(run) for run in group], _facts(group))
        for name, group in zip(names, groups.values(), strict=True)
    ]


def with_flops(
    methods: Sequence[Method], runs: Sequence[FoundRun], flops_of: Callable[[FoundRun], float | None]
) -> list[Method]:
    """The methods with what an utterance costs each, counted on its first run.

    Args:
        methods: of :func:`methods_of`.
        runs: that they were made of.
        flops_of: counts those of a run; None where it cannot.
    """
    by_place = {str(run.folder.path): run for run in runs}
    return [replace(m, facts=replace(m.facts, flops=flops_of(by_place[m.runs[0]]))) for m in methods]


def method_key(run: FoundRun) -> str:
    """The same for runs that differ only in seed, fold, or where they and their data lie."""
    settings = run.settings.model_dump(mode="json")
    for dotted in _NOT_THE_METHOD:
        *parents, leaf = dotted.split(".")
        place = settings
        for parent in parents:
            place = place[parent]
        place.pop(leaf, None)
    calibrated = read_calibration(run.folder) is not None
    # Weights that a run itself has made are those of its fold and seed; its settings say how.
    learnt = {m for m, spec in run.settings.encoders.items() if spec.finetune or spec.end_to_end}
    encoders = {m: None if m in learnt else part.identity.digest for m, part in run.record.encoders.items()}
    return json.dumps([settings, encoders, run.record.data_fingerprint, calibrated], sort_keys=True)


def _names(groups: Sequence[Sequence[FoundRun]]) -> list[str]:
    """A distinct name for each group."""
    names: list[str] = []
    for group in groups:
        name = _name(group)
        if name in names:
            name = f"{real_path(group[0].folder.path).parent.name}/{name}"
        tries = (name if number == 1 else f"{name} ({number})" for number in count(1))
        names.append(next(each for each in tries if each not in names))
    return names


def _name(group: Sequence[FoundRun]) -> str:
    """What the user called it, else its folder, else what its folders have in common, else its system."""
    if group[0].name:
        return group[0].name
    paths = [real_path(run.folder.path) for run in group]
    return common_name(paths) or group[0].folder.model_name(group[0].record)


def common_name(paths: Sequence[Path]) -> str:
    """The folder's name; of several what their names begin with, without numbers, else the one place that holds them.

    That is their parent, or the folder of their parents, which are the folds of each seed then.
    """
    if len(paths) == 1:
        return paths[0].name
    same = takewhile(
        lambda letters: len(set(letters)) == 1, zip(*(path.name for path in paths), strict=False)
    )
    start = _ENDING.sub("", "".join(letters[0] for letters in same))
    parents = {path.parent for path in paths}
    if not start and len({parent.name for parent in parents}) > 1 and len({p.parent for p in parents}) == 1:
        return common_name(sorted(parents))
    names = {parent.name for parent in parents}
    return start or (names.pop() if len(names) == 1 else "")


def _judged(run: FoundRun) -> JudgedRun:
    labels = tuple(run.record.labels) if run.record.task == "classification" else ()
    return JudgedRun(str(run.folder.path), run.record.seed, held_out(run.folder), labels)


def held_out(folder: RunFolder) -> pd.DataFrame:
    """The test rows of predictions.parquet; ``truth`` and ``predicted`` are labels, or values of a regression.

    Raises:
        EmofuseError: the run has not been evaluated, or its predictions are damaged.
    """
    file = folder.predictions_file
    if not is_there(file):
        raise EmofuseError(f"{folder.path}: has not been evaluated; run `emofuse evaluate {folder.path}`")
    record = folder.read_record()
    table = read_predictions(file, record.task, record.labels, f"run `emofuse evaluate {folder.path}`")
    table = table[table["part"] == "test"].reset_index(drop=True)
    if "predicted_valence" in table:
        return table.assign(truth=table["valence"], predicted=table["predicted_valence"])
    return table.assign(truth=table["label"])


def _facts(group: Sequence[FoundRun]) -> Facts:
    first = group[0]
    seconds = [run.record.fit_seconds for run in group if run.record.fit_seconds is not None]
    return Facts(
        model=first.folder.model_name(first.record),
        modalities=tuple(first.record.model_config_.get("modalities", ())),
        protocol=first.record.protocol,
        optimistic=any(run.record.optimistic for run in group),
        synthetic=any(run.record.synthetic for run in group),
        calibrated=all(read_calibration(run.folder) is not None for run in group),
        parameters=first.record.parameters,
        fit_seconds=fmean(seconds) if seconds else None,
    )


def texts_of(runs: Iterable[FoundRun]) -> dict[str, str | None]:
    """What was said, from the corpora of the runs as far as they are still where they were."""
    from emofuse.data.manifest import Manifest

    texts: dict[str, str | None] = {}
    for path in {run.settings.data.manifest for run in runs}:
        if path is not None and path.exists():
            frame = Manifest.read(path).frame
            texts |= dict(zip(frame["id"], frame["text"], strict=True))
    return texts
