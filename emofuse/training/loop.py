"""The one way to train: epochs, checkpoints, early stopping, resuming."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, RichProgressBar
from torch import nn
from torch.utils.data import DataLoader

from emofuse.data import Modality
from emofuse.data.loader import EpochShuffle, make_loader
from emofuse.data.manifest import Manifest
from emofuse.data.quarantine import Quarantine
from emofuse.evaluation import Split
from emofuse.features import FeatureReader
from emofuse.training.callbacks import History, SeedEachEpoch, StayStopped
from emofuse.training.config import RunSettings
from emofuse.training.module import EmotionModule
from emofuse.training.optimisers import EpochDecay
from emofuse.training.preparation import dataset_of, rows_of
from emofuse.training.run_folder import RunFolder
from emofuse.training.tasks import MONITORS, Task


@dataclass
class TrainingLoop:
    """One training, of any system.

    Attributes:
        settings: of the run.
        manifest: the corpus.
        split: its parts; the test part is not looked at.
        task: what is learnt.
        model: the system; `run` trains it in place.
        readers: modality → features, of those that are encoded.
        folder: where history and checkpoints go.
        quarantine: told of media that cannot be decoded.
        device: where to train.
        bars: draw a progress bar.
    """

    settings: RunSettings
    manifest: Manifest
    split: Split
    task: Task
    model: nn.Module
    readers: Mapping[Modality, FeatureReader]
    folder: RunFolder
    quarantine: Quarantine
    device: str
    bars: bool

    def run(self) -> int:
        """Train the model in place, leave its best weights in it, and return the epoch that they are from."""
        split, optimiser = self.split, self.settings.optimiser
        train_loader = self._loader(split.train, {*split.val, *split.test}, self.settings.seed)
        val_loader = self._loader(split.val, set(split.test))
        train = [self.manifest.utterance(i) for i in split.train]
        weights = self.task.class_weights(train, optimiser.class_weights)
        module = EmotionModule(self.model, self.task, optimiser, weights, self.quarantine)
        callbacks, best = self._callbacks()
        with _quiet_lightning():
            trainer = L.Trainer(
                max_epochs=optimiser.epochs,
                accelerator="gpu" if self.device == "cuda" else "cpu",
                devices=1,
                precision=_precision(self.settings, self.device),
                callbacks=callbacks,
                gradient_clip_val=optimiser.gradient_clip or None,
                logger=False,
                enable_progress_bar=self.bars,
                enable_model_summary=False,
                num_sanity_val_steps=0,
                deterministic="warn",
            )
            interrupted = self.folder.checkpoints / "last.ckpt"
            resume_from = interrupted if interrupted.exists() else None
            # The trainer draws the first order before any callback can say which epoch it resumes at.
            if resume_from is not None and isinstance(train_loader.sampler, EpochShuffle):
                train_loader.sampler.begin_epoch(_epoch_of(resume_from) + 1)
            trainer.fit(module, train_loader, val_loader, ckpt_path=resume_from, weights_only=True)
        if trainer.interrupted:
            raise KeyboardInterrupt
        state = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
        module.load_state_dict(state["state_dict"])
        return int(state["epoch"])

    def _loader(self, ids: Sequence[str], hidden: set[str], seed: int | None = None) -> DataLoader[Any]:
        """Batches of one part; of the hidden ones not even the features are seen."""
        data = self.settings.data
        rows, context = rows_of(self.manifest, ids, self.model, hidden)
        dataset = dataset_of(rows, self.model, self.readers, data, self.task.target, context)
        return make_loader(
            dataset, self.settings.optimiser.batch_size, shuffle_seed=seed, workers=data.workers
        )

    def _callbacks(self) -> tuple[list[Callback], ModelCheckpoint]:
        """All callbacks, those that a checkpoint depends on before it; and the one that keeps the best."""
        optimiser = self.settings.optimiser
        monitor = optimiser.monitor or self.task.own_metric
        mode = MONITORS[monitor]
        early = EarlyStopping(monitor, mode=mode, patience=optimiser.patience)
        best = _checkpoint(self.folder, "best", monitor=monitor, mode=mode)
        callbacks: list[Callback] = [
            SeedEachEpoch(self.settings.seed),
            History(self.folder.history_file),
            EpochDecay(optimiser, monitor, mode),
            early,
            StayStopped(early),
            best,
            _checkpoint(self.folder, "last"),
        ]
        return callbacks + ([RichProgressBar(leave=False)] if self.bars else []), best


def _epoch_of(checkpoint: Path) -> int:
    return int(torch.load(checkpoint, map_location="cpu", weights_only=True)["epoch"])


def _checkpoint(folder: RunFolder, name: str, **monitored: str) -> ModelCheckpoint:
    return ModelCheckpoint(
        folder.checkpoints,
        filename=name,
        save_top_k=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
        **monitored,
    )


def _precision(settings: RunSettings, device: str) -> str:
    if settings.precision == "auto":
        return "bf16-mixed" if device == "cuda" and torch.cuda.is_bf16_supported() else "32-true"
    return "bf16-mixed" if settings.precision == "bf16" else "32-true"


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Lightning's hints on loggers and workers are for its own users, not for ours."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        logger.setLevel(level)
