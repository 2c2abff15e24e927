"""The one way to train: epochs, checkpoints, early stopping by a validation part, resuming."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, RichProgressBar
from torch.utils.data import DataLoader

from emofuse.data.loader import EpochShuffle
from emofuse.training.callbacks import History, SeedEachEpoch, StayStopped


def train_best(
    module: L.LightningModule,
    train: DataLoader[Any],
    val: DataLoader[Any],
    *,
    checkpoints: Path,
    history: Path,
    epochs: int,
    patience: int,
    monitor: str,
    mode: Literal["min", "max"],
    seed: int,
    device: str,
    bf16: bool,
    gradient_clip: float,
    accumulate: int = 1,
    stateful: Sequence[Callback] = (),
    bars: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> int:
    """Train ``module``, leave the weights of its best epoch in it, and return that epoch, from 0.

    A run that was interrupted is taken up from ``checkpoints`` after its last whole epoch and ends in the numbers
    of an uninterrupted one, provided that the order of ``train`` depends on seed and epoch alone.

    Args:
        module: logs ``monitor`` in validation.
        train: its sampler is an `EpochShuffle`.
        val: chooses the epoch and stops the training.
        checkpoints: folder of the last and the best state; the caller removes it when all is safe.
        history: CSV file, one row per epoch.
        epochs: at most so many.
        patience: epochs without a better ``monitor`` after which it stops.
        monitor: a logged value.
        mode: whether it is to be small or large.
        seed: of every draw.
        device: ``"cpu"`` or ``"cuda"``.
        bf16: run the network under autocast.
        gradient_clip: largest gradient norm; 0 clips nothing.
        accumulate: batches for one step.
        stateful: further callbacks, whose state is kept in the checkpoints.
        bars: draw a progress bar on the terminal.
        progress: told (batches done, batches, what).
    """
    early = EarlyStopping(monitor, mode=mode, patience=patience)
    best = _checkpoint(checkpoints, "best", monitor=monitor, mode=mode)
    callbacks: list[Callback] = [
        SeedEachEpoch(seed),
        History(history),
        *stateful,
        early,
        StayStopped(early),
        best,
        _checkpoint(checkpoints, "last"),
    ]
    if bars:
        callbacks.append(RichProgressBar(leave=False))
    if progress is not None:
        callbacks.append(_Told(progress))
    with _quiet_lightning():
        trainer = L.Trainer(
            max_epochs=epochs,
            accelerator="gpu" if device == "cuda" else "cpu",
            devices=1,
            precision="bf16-mixed" if bf16 else "32-true",
            callbacks=callbacks,
            gradient_clip_val=gradient_clip or None,
            accumulate_grad_batches=accumulate,
            logger=False,
            enable_progress_bar=bars,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            deterministic="warn",
        )
        interrupted = checkpoints / "last.ckpt"
        resume_from = interrupted if interrupted.exists() else None
        # The trainer draws the first order before any callback can say which epoch it resumes at.
        if resume_from is not None and isinstance(train.sampler, EpochShuffle):
            train.sampler.begin_epoch(_epoch_of(resume_from) + 1)
        trainer.fit(module, train, val, ckpt_path=resume_from, weights_only=True)
    if trainer.interrupted:
        raise KeyboardInterrupt
    state = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
    module.load_state_dict(state["state_dict"])
    return int(state["epoch"])


def wants_bf16(precision: str, device: str) -> bool:
    """Whether ``"auto"``, ``"32"`` or ``"bf16"`` means autocast to bfloat16 on this device."""
    if precision == "auto":
        return device == "cuda" and torch.cuda.is_bf16_supported()
    return precision == "bf16"


class _Told(Callback):
    """Hands the batches of each epoch to a progress hook."""

    def __init__(self, progress: Callable[[int, int, str], None]) -> None:
        self.progress = progress

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """One batch more."""
        self.progress(batch_idx + 1, int(trainer.num_training_batches), f"epoch {trainer.current_epoch + 1}")


def _epoch_of(checkpoint: Path) -> int:
    return int(torch.load(checkpoint, map_location="cpu", weights_only=True)["epoch"])


def _checkpoint(folder: Path, name: str, **monitored: str) -> ModelCheckpoint:
    return ModelCheckpoint(
        folder,
        filename=name,
        save_top_k=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
        **monitored,
    )


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
