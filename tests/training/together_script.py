"""A training that several processes share and that is stopped from inside; `run` is a program of its own."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import lightning as L
import pandas as pd
import torch
import torch.distributed as dist
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from emofuse.cli import main as emofuse
from emofuse.data.batch import Batch
from emofuse.data.loader import make_loader
from emofuse.errors import EmofuseError
from emofuse.losses.global_batch import gather_rows
from emofuse.training.processes import Processes
from emofuse.training.trainer import train_best


class Line(L.LightningModule):
    """y = a·x, learnt from six points."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.zeros(()))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        error = gather_rows(self.slope * batch.inputs["x"] - batch.labels)
        return error.square().mean()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        error = gather_rows(self.slope * batch.inputs["x"] - batch.labels)
        self.log("val_error", error.abs().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.05)


class Points:
    decodes_media = False

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> float:
        return 1.0 + index / 6

    def collate(self, rows: Any) -> Batch:
        x = torch.tensor(rows)
        return Batch([str(row) for row in rows], {"x": x}, 3 * x)


class StopAt(Callback):
    """In the third epoch the user interrupts, or the second process meets what the user must mend."""

    def __init__(self, how: str) -> None:
        self.how = how

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.how == "never" or trainer.current_epoch != 2 or dist.get_rank() != 1:
            return
        if self.how == "interrupted":
            os.kill(os.getppid(), signal.SIGINT)
            time.sleep(60)  # six points are learnt sooner than a busy machine delivers a signal
        if self.how == "broken":
            raise EmofuseError("clip.mp4: gone; put it back")


def main(folder: Path, how: str, devices: int = 2) -> str:
    # A shell that runs the tests in the background has its children ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    module = Line()
    points: Any = Points()
    try:
        best = train_best(
            module,
            make_loader(points, 3, shuffle_seed=0, divided=True),
            make_loader(points, 3, divided=True),
            checkpoints=folder / "checkpoints",
            history=folder / "history.csv",
            epochs=5,
            patience=5,
            monitor="val_error",
            mode="min",
            seed=0,
            device="cpu",
            bf16=False,
            gradient_clip=0.0,
            processes=Processes(devices),
            stateful=[StopAt(how)],
        )
    except (KeyboardInterrupt, EmofuseError) as error:
        return f"{type(error).__name__}: {error}"
    return f"epoch {best}, slope {module.slope.item():.5f}"


def torchrun() -> None:
    """``torchrun --standalone --nproc-per-node 2 --no-python emofuse ARGUMENTS``, by what torchrun itself calls."""
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=2,
        run_id="together",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        start_method="spawn",
        max_restarts=0,
        monitor_interval=0.1,
    )
    codes = elastic_launch(config, _emofuse)(sys.argv[1:])
    sys.exit(max(codes.values()))


def _emofuse(arguments: list[str]) -> int:
    sys.argv = ["emofuse", *arguments]
    try:
        emofuse.run()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def run() -> None:
    """One training after the other into the folder that the program is given, each as its argument says."""
    for each in sys.argv[2:]:
        print(main(Path(sys.argv[1]), each))
        print("epochs", *pd.read_csv(Path(sys.argv[1]) / "history.csv")["epoch"])
