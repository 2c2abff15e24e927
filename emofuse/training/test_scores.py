"""Scores of the test part after every epoch, for those who want to know what choosing by them would be worth."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import lightning as L
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback
from torch.utils.data import DataLoader

from emofuse.data.atomic import written_aside
from emofuse.data.batch import Batch
from emofuse.runs.tasks import Task


class TestScores(Callback):
    """One row per epoch, kept in the checkpoint and written as the run goes; nothing reads it while training.

    Args:
        path: the CSV file.
        loader: batches of the test part.
        task: says what is measured.

    Attributes:
        seconds_aside: what the last scoring took, which is no part of the epoch's time.
    """

    __test__ = False  # pytest takes it for a test by its name

    def __init__(self, path: Path, loader: DataLoader[Any], task: Task) -> None:
        self.path, self.loader, self.task = path, loader, task
        self.rows: list[dict[str, float]] = []
        self.seconds_aside = 0.0

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Score the weights that the validation part has judged; the draws of the next epoch do not hang on it."""
        began = time.perf_counter()
        outputs, targets = self._outputs(trainer, pl_module)
        scores = self.task.validation(outputs, targets)
        named = {f"test_{name.removeprefix('val_')}": value for name, value in scores.items()}
        self.rows.append({"epoch": trainer.current_epoch, **named})
        with written_aside(self.path) as aside:
            pd.DataFrame(self.rows).to_csv(aside, index=False)
        self.seconds_aside = time.perf_counter() - began

    def _outputs(self, trainer: L.Trainer, module: L.LightningModule) -> tuple[torch.Tensor, torch.Tensor]:
        was_training = module.training
        module.eval()
        outputs, targets = [], []
        with torch.random.fork_rng(), torch.no_grad(), trainer.precision_plugin.val_step_context():
            for batch in self.loader:
                moved: Batch = batch.to(module.device)
                logits = module.model(**moved.inputs).logits
                outputs.append(moved.rows(logits).float().cpu())
                targets.append(moved.rows(moved.labels).cpu())
        module.train(was_training)
        return torch.cat(outputs), torch.cat(targets)

    def state_dict(self) -> dict[str, Any]:
        """What the checkpoint keeps."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the scores of the interrupted run."""
        self.rows = list(state_dict["rows"])
