"""A run folder that is renamed or copied between a kill and its resumption keeps its best epoch."""

import shutil
from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader, TensorDataset

from emofuse.data.loader import EpochShuffle
from emofuse.training.checkpoints import FolderCheckpoint
from emofuse.training.trainer import train_best

SCORES = [0.9, 0.5, 0.6, 0.4]


class Scripted(L.LightningModule):
    """Its scores are given; its weight says how many epochs it has learnt."""

    def __init__(self, killed_in: int | None = None) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.killed_in = killed_in

    def training_step(self, batch: list[torch.Tensor], place: int) -> torch.Tensor:
        if self.current_epoch == self.killed_in:
            raise KeyboardInterrupt
        return -self.weight

    def validation_step(self, batch: list[torch.Tensor], place: int) -> None:
        pass

    def on_validation_epoch_end(self) -> None:
        self.log("val_score", SCORES[self.current_epoch])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 1.0)


def train(folder: Path, module: Scripted) -> int:
    rows = TensorDataset(torch.zeros(1, 1))
    return train_best(
        module,
        DataLoader(rows, 1, sampler=EpochShuffle(1, 0)),
        DataLoader(rows, 1),
        checkpoints=folder / "checkpoints",
        history=folder / "history.csv",
        epochs=len(SCORES),
        patience=9,
        monitor="val_score",
        mode="max",
        seed=0,
        device="cpu",
        bf16=False,
        gradient_clip=0,
    )


def begun(folder: Path, killed_in: int | None) -> Path:
    folder.mkdir()
    if killed_in is None:
        train(folder, Scripted())  # and killed before its weights were saved
    else:
        with pytest.raises(KeyboardInterrupt):
            train(folder, Scripted(killed_in))
    return folder


@pytest.mark.parametrize("killed_in", [2, None])
@pytest.mark.parametrize("move", [Path.rename, shutil.copytree])
def test_the_best_epoch_moves_with_the_folder(tmp_path: Path, killed_in: int | None, move: object) -> None:
    old = begun(tmp_path / "old", killed_in)
    new = Path(move(old, tmp_path / "new"))  # type: ignore[operator]
    if old.exists():  # nothing may be read from there, nor written
        (old / "checkpoints" / "best.ckpt").write_bytes(b"of another training")
    module = Scripted()
    assert train(new, module) == 0
    assert module.weight.item() == 1, "the weights are those of the first epoch"
    if old.exists():
        assert (old / "checkpoints" / "best.ckpt").read_bytes() == b"of another training"


def test_states_of_an_earlier_version_are_found(tmp_path: Path) -> None:
    for how in ({}, {"monitor": "val_score", "mode": "max"}):
        plain = ModelCheckpoint(tmp_path, save_on_train_epoch_end=True, **how)
        assert FolderCheckpoint(tmp_path, "best", **how).state_key == plain.state_key
