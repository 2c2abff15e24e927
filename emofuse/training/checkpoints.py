"""The states that an interrupted training is taken up from."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint

from emofuse.data.atomic import written_aside
from emofuse.data.git_lfs import refuse_lfs_pointer
from emofuse.errors import EmofuseWarning


class AsideCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it, so that a kill or a full disk leaves the old one whole.

    The library's own way writes into the folder for temporary files, which may lie on another file system, and copies.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write ``checkpoint`` to ``path``."""
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        with written_aside(Path(path)) as aside:
            aside.write_bytes(buffer.getbuffer())


class FolderCheckpoint(ModelCheckpoint):
    """Keeps the newest or the best state in one file of a folder, which may be renamed or copied before it is resumed.

    The library's own forgets the best score where the folder is another, and names the file in the old one.

    Args:
        folder: of the states.
        name: of the file, without its suffix.
        monitored: ``monitor`` and ``mode``; without them the newest state is kept.
    """

    def __init__(self, folder: Path, name: str, **monitored: str) -> None:
        super().__init__(
            folder,
            filename=name,
            save_top_k=1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
            **monitored,
        )

    @property
    def state_key(self) -> str:
        """That of the library's class: an earlier version wrote states under it."""
        return str(super().state_key).replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the scores, of files that now lie in this folder."""
        paths = ("best_model_path", "kth_best_model_path", "last_model_path")
        moved = {name: self._here(state_dict.get(name, "")) for name in paths}
        best = {self._here(file): score for file, score in state_dict.get("best_k_models", {}).items()}
        super().load_state_dict({**state_dict, **moved, "best_k_models": best, "dirpath": self.dirpath})

    def _here(self, file: str) -> str:
        return str(Path(str(self.dirpath)) / Path(file).name) if file else file


def checkpoint_to_resume(folder: Path) -> tuple[Path, int] | None:
    """The last state that can be read, and its epoch; None where a training must begin anew.

    The last epoch comes first, then the best. Without the best one the last is of no use: no later epoch may be better,
    and then its weights would be lost. A file that is damaged is named in a warning.

    Raises:
        EmofuseError: a file is a pointer of Git LFS.

    Args:
        folder: of ``last.ckpt`` and ``best.ckpt``.
    """
    last, best = folder / "last.ckpt", folder / "best.ckpt"
    epochs = {file: _epoch_of(file) for file in (last, best) if file.exists()}
    wrong = [f"{file} is damaged" for file, epoch in epochs.items() if epoch is None]
    if last in epochs and best not in epochs:
        wrong.append(f"{best} is missing")
    best_epoch = epochs.get(best)
    if best_epoch is None:
        _warn_of_damage(wrong, "the training begins anew")
        return None
    last_epoch = epochs.get(last)
    file, epoch = (best, best_epoch) if last_epoch is None else (last, last_epoch)
    _warn_of_damage(wrong, f"the training goes on after epoch {epoch + 1}")
    return file, epoch


def _epoch_of(file: Path) -> int | None:
    """The epoch of a state; None where it cannot be read.

    Raises:
        EmofuseError: it is a pointer of Git LFS.
    """
    refuse_lfs_pointer(file)  # nothing is lost yet, as it would be if the training began anew
    try:
        return int(torch.load(file, map_location="cpu", weights_only=True)["epoch"])
    except Exception:  # an empty, cut or strange file fails in many ways, which torch tells at length
        return None


def drop_checkpoints(folder: Path) -> None:
    """Remove the states, and what a kill has left of one that was being written."""
    for file in folder.glob("*.ckpt"):
        file.unlink()
    if folder.is_dir():
        folder.rmdir()


def _warn_of_damage(damaged: list[str], what: str) -> None:
    if damaged:
        warnings.warn(f"{'; '.join(damaged)}: {what}", EmofuseWarning, stacklevel=3)
