"""The one way to train: epochs, checkpoints, early stopping by a validation part, resuming."""

from __future__ import annotations

import logging
import os
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, RichProgressBar
from lightning.pytorch.strategies import DDPStrategy
from torch.multiprocessing import ProcessRaisedException
from torch.utils.data import DataLoader

from emofuse.data.loader import EpochOrder
from emofuse.errors import EmofuseError
from emofuse.training.callbacks import History, KeepEarlyStop, SeedEachEpoch
from emofuse.training.checkpoints import AsideCheckpointIO, FolderCheckpoint, checkpoint_to_resume
from emofuse.training.processes import Processes, is_torchrun


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
    processes: Processes = Processes(),  # noqa: B008 - it is frozen
    stateful: Sequence[Callback] = (),
    bars: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> int:
    """Train ``module``, leave the weights of its best epoch in it, and return that epoch, from 0.

    A run that was interrupted is taken up from ``checkpoints`` after its last whole epoch and ends in the numbers
    of an uninterrupted one, provided that the order of ``train`` depends on seed and epoch alone.

    Several processes on one machine are started here, and end here; all that is given is then handed to them by
    pickle, and a script that calls this keeps its own work under ``if __name__ == "__main__"``. On several
    machines torchrun has started them, and each calls this.

    Args:
        module: logs ``monitor`` in validation, the same in every process.
        train: its sampler is an `EpochOrder`.
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
        processes: that train together, each on its share of what the loaders give.
        stateful: further callbacks, whose state is kept in the checkpoints.
        bars: draw a progress bar on the terminal.
        progress: called with (batches done, batches, what).

    Raises:
        EmofuseError: there are not so many devices, or a process that was started here ended with this error.
        KeyboardInterrupt: the user stopped it.
    """
    processes.check(device)
    early = EarlyStopping(monitor, mode=mode, patience=patience)
    callbacks: list[Callback] = [
        SeedEachEpoch(seed),
        History(history),
        *stateful,
        early,
        KeepEarlyStop(early),
        FolderCheckpoint(checkpoints, "best", monitor=monitor, mode=mode),
        FolderCheckpoint(checkpoints, "last"),
    ]
    if bars:
        callbacks.append(RichProgressBar(leave=False))
    if progress is not None:
        callbacks.append(_ProgressCallback(progress))
    with _quiet_lightning():
        trainer = L.Trainer(
            max_epochs=epochs,
            accelerator="gpu" if device == "cuda" else "cpu",
            devices=processes.devices,
            num_nodes=processes.nodes,
            strategy=_strategy(processes),
            # Of torch's synchronised batch normalisation there is only one for CUDA.
            sync_batchnorm=processes.count > 1 and device == "cuda",
            use_distributed_sampler=False,
            precision="bf16-mixed" if bf16 else "32-true",
            callbacks=callbacks,
            gradient_clip_val=gradient_clip or None,
            accumulate_grad_batches=accumulate,
            logger=False,
            enable_progress_bar=bars,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            deterministic="warn",
            plugins=[AsideCheckpointIO()],
        )
        # The trainer leaves a module in the mode that it has, and a pretrained network comes in that of prediction.
        module.train()
        found = checkpoint_to_resume(checkpoints)
        resume_from = None if found is None else found[0]
        # The trainer draws the first order before any callback can say which epoch it resumes at.
        if found is not None and isinstance(train.sampler, EpochOrder):
            train.sampler.begin_epoch(found[1] + 1)
        with _plain_failures(trainer), _own_environment():
            trainer.fit(module, train, val, ckpt_path=resume_from, weights_only=True)
    state = torch.load(checkpoints / "best.ckpt", map_location="cpu", weights_only=True)
    module.load_state_dict(state["state_dict"])
    return int(state["epoch"])


class _ProgressCallback(Callback):
    """Hands the batches of each epoch to a progress hook."""

    def __init__(self, progress: Callable[[int, int, str], None]) -> None:
        self.progress = progress

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """One batch more."""
        self.progress(batch_idx + 1, int(trainer.num_training_batches), f"epoch {trainer.current_epoch + 1}")


def _strategy(processes: Processes) -> DDPStrategy | str:
    if processes.count == 1:
        return "auto"
    # A share may lack a modality, and with it whatever reads that.
    return _QuietDDP(start_method="popen" if is_torchrun() else "spawn", find_unused_parameters=True)


class _QuietDDP(DDPStrategy):
    """In a process that was just started Lightning is as talkative as ever."""

    def setup_environment(self) -> None:
        """Silence it, then do what is to be done."""
        _silence()
        warnings.filterwarnings("ignore", module="lightning")
        super().setup_environment()


@contextmanager
def _plain_failures(trainer: L.Trainer) -> Iterator[None]:
    """An interruption is a KeyboardInterrupt, and what is the user's to mend is said in one line."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:  # Lightning ends the program, and leaves it deaf to further interruptions
        signal.signal(signal.SIGINT, handler)
        for process in getattr(trainer.strategy.launcher, "procs", ()):
            process.kill()
            process.join()
        raise KeyboardInterrupt from None
    except ProcessRaisedException as error:
        message = str(error).strip().splitlines()[-1]
        name = f"{EmofuseError.__module__}.{EmofuseError.__qualname__}: "
        if message.startswith(name):
            raise EmofuseError(message.removeprefix(name)) from None
        raise
    if trainer.interrupted:
        raise KeyboardInterrupt


@contextmanager
def _own_environment() -> Iterator[None]:
    """What is set for the processes that are started meanwhile is not left to those that come later.

    They meet at a port of their own, and do not warn that every parameter happened to be used in the first step.
    """
    before = {name: os.environ.get(name) for name in ("TORCH_CPP_LOG_LEVEL", "MASTER_ADDR", "MASTER_PORT")}
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _silence() -> dict[str, int]:
    """Lightning's hints are for its own users; the levels that its loggers had."""
    levels = {}
    for name in ("lightning.pytorch", "lightning.fabric"):
        logger = logging.getLogger(name)
        levels[name] = logger.level
        logger.setLevel(logging.ERROR)
    return levels


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Lightning's hints on loggers and workers are for its own users, not for ours."""
    levels = _silence()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
