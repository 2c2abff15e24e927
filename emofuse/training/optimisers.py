"""How the weights move: optimisers, and schedules of their learning rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from transformers import get_scheduler

from emofuse.runs.settings import OptimiserSettings
from emofuse.training.end_to_end.system import JointSystem


def build_optimiser(model: nn.Module, settings: OptimiserSettings) -> Optimizer:
    """Adam or AdamW; weight decay spares vectors (biases, norms) under AdamW, as is usual.

    Encoders that learn with a system have rates of their own, and no decay under Adam, where it is another thing.
    """
    joint = model.joint_encoders().values() if isinstance(model, JointSystem) else ()
    system = model.system if isinstance(model, JointSystem) else model
    trainable = [p for p in system.parameters() if p.requires_grad]
    decays = settings.name == "adamw"
    further = [group for encoder in joint for group in encoder.parameter_groups(decays)]
    if not decays:
        own = [{"params": trainable, "weight_decay": settings.weight_decay}]
        return torch.optim.Adam([*own, *further], lr=settings.learning_rate, betas=settings.betas)
    groups = [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([*groups, *further], lr=settings.learning_rate, betas=settings.betas)


def build_step_schedule(
    optimiser: Optimizer, settings: OptimiserSettings, count_steps: Callable[[], int]
) -> LRScheduler | None:
    """A schedule that moves with every step, or None."""
    if settings.schedule in ("plateau", "step"):
        return None
    if settings.schedule == "constant" and not settings.warmup_fraction:
        return None
    kind = "cosine" if settings.schedule == "cosine" else "constant_with_warmup"
    steps = count_steps()
    schedule: LRScheduler = get_scheduler(kind, optimiser, int(settings.warmup_fraction * steps), steps)
    return schedule


class EpochDecay(Callback):
    """The learning rate falls between epochs: where a metric no longer gets better, or every so many.

    A callback of our own, because the trainer's schedules of epochs move after the checkpoint is written, so
    that a resumed run would miss a move.

    Args:
        settings: schedule ``plateau`` or ``step``; with another this does nothing.
        monitor: the metric of ``plateau``.
        mode: whether less or more of it is better.
    """

    def __init__(self, settings: OptimiserSettings, monitor: str, mode: Literal["min", "max"]) -> None:
        self.settings, self.monitor, self.mode = settings, monitor, mode
        self._plateau: ReduceLROnPlateau | None = None
        self._saved: dict[str, Any] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Watch the optimiser, as an interrupted run had watched its own."""
        if self.settings.schedule == "plateau":
            self._plateau = ReduceLROnPlateau(
                trainer.optimizers[0], self.mode, self.settings.decay, self.settings.decay_epochs
            )
            if self._saved:
                self._plateau.load_state_dict(self._saved)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Set the rate of the next epoch; runs before the checkpoint is saved."""
        if self._plateau is not None:
            self._plateau.step(trainer.callback_metrics[self.monitor])
        elif self.settings.schedule == "step":
            passed = (trainer.current_epoch + 1) // self.settings.decay_epochs
            for group in trainer.optimizers[0].param_groups:
                rate = group.get("base_lr", self.settings.learning_rate)
                group["lr"] = rate * self.settings.decay**passed

    def state_dict(self) -> dict[str, Any]:
        """What the checkpoint keeps."""
        if self._plateau is None:
            return {}
        state = self._plateau.state_dict()
        # The metric may be a tensor of the trainer's.
        return {name: float(v) if isinstance(v, torch.Tensor) else v for name, v in state.items()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take up the state of the interrupted run."""
        self._saved = dict(state_dict)
