"""What happens around an epoch: seeds, history, and stopping where a run had already stopped."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import lightning as L
import pandas as pd
from lightning.pytorch.callbacks import Callback, EarlyStopping

from emofuse.data.atomic import written_aside
from emofuse.data.loader import EpochOrder


class SeedEachEpoch(Callback):
    """Draws of epoch e depend on the seed and e alone.

    That makes a resumed run repeat an uninterrupted one: nothing before the epoch matters but the weights
    and the optimiser, which the checkpoint holds. Processes that train together have draws of their own.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Seed every generator in use, and the order of the rows."""
        loader = trainer.train_dataloader
        if loader is not None and isinstance(loader.sampler, EpochOrder):
            loader.sampler.begin_epoch(trainer.current_epoch)
        seed = self.seed * 100_003 + trainer.current_epoch + trainer.global_rank * 1_000_003
        L.seed_everything(seed % 2**32, verbose=False)


class History(Callback):
    """One row per epoch, kept in the checkpoint and written to history.csv as the run goes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []
        self._began = self._rate = 0.0

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the epoch's clock, and note at which rate it begins."""
        self._began = time.perf_counter()
        self._rate = float(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the epoch's figures; runs before the checkpoint is saved, so that the two agree."""
        row: dict[str, float] = {"epoch": trainer.current_epoch}
        row |= {name: float(value) for name, value in trainer.callback_metrics.items() if "_step" not in name}
        row["learning_rate"] = self._rate
        aside = sum(getattr(each, "seconds_aside", 0.0) for each in trainer.callbacks)
        row["seconds"] = time.perf_counter() - self._began - aside
        self.rows.append(row)
        if not trainer.is_global_zero:
            return
        with written_aside(self.path) as aside:
            pd.DataFrame(self.rows).to_csv(aside, index=False)

    def state_dict(self) -> dict[str, Any]:
        """What the checkpoint keeps."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the history of the interrupted run."""
        self.rows = list(state_dict["rows"])


class KeepEarlyStop(Callback):
    """A run that was interrupted after early stopping had decided does not train on."""

    def __init__(self, early_stopping: EarlyStopping) -> None:
        self.early_stopping = early_stopping

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop before the first epoch if patience had run out."""
        if self.early_stopping.wait_count >= self.early_stopping.patience:
            trainer.should_stop = True
