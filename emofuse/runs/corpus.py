"""The corpus that a run names, its split, and the device that it runs on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from emofuse.data.manifest_files import manifests_in
from emofuse.errors import EmofuseError
from emofuse.runs.device_name import check_device_name
from emofuse.runs.settings import RunSettings

if TYPE_CHECKING:
    from emofuse.data.manifest import Manifest
    from emofuse.evaluation import Split

Progress = Callable[[int, int, str], None]


def corpus_file(path: Path) -> Path:
    """A manifest, as its file or as the folder that it lies in.

    Raises:
        EmofuseError: a folder without one.
    """
    if not path.is_dir():
        return path
    found = manifests_in(path)
    if not found:
        raise EmofuseError(
            f"{path}: no manifest.csv in this folder; `emofuse prepare` or `import` writes one"
        )
    return found[0]


def corpus_of(settings: RunSettings) -> Manifest:
    """The corpus that the settings name, checked."""
    from emofuse.data.manifest import Manifest

    if settings.data.manifest is None:
        raise EmofuseError("setting data.manifest: the run names no corpus; give one")
    return Manifest.read(settings.data.manifest).validate()


def splits_of(settings: RunSettings, manifest: Manifest) -> list[Split]:
    """Every fold of the settings' protocol, over the rows that the task has an answer for."""
    from emofuse.evaluation import splits
    from emofuse.runs.tasks import task_of

    data, labelled = settings.data, task_of(settings, manifest).labelled(manifest)
    return splits(labelled, data.protocol, k=data.folds, seed=data.split_seed, val_fraction=data.val_fraction)


def choose_split(settings: RunSettings, manifest: Manifest) -> Split:
    """The fold that the settings name.

    Raises:
        EmofuseError: the protocol has fewer.
    """
    data, folds = settings.data, splits_of(settings, manifest)
    if data.fold >= len(folds):
        raise EmofuseError(
            f"setting data.fold: there is no fold {data.fold}; {data.protocol} has {len(folds)}, from 0"
        )
    return folds[data.fold]


def choose_device(name: str) -> str:
    """``auto`` is the accelerator where there is one.

    Raises:
        EmofuseError: there is no such device, or it is not here.
    """
    import torch

    check_device_name(name)
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise EmofuseError(f"setting device: {name} was asked for and is not available; use cpu or auto")
    if ":" in name and int(name.partition(":")[2]) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise EmofuseError(
            f"setting device: {name} was asked for, and there are {count}, from cuda:0; use cuda or auto"
        )
    return name
