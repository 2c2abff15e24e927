"""A training that diverges stops at once, before its weights are kept."""

from __future__ import annotations

import lightning as L
import torch
from torch import Tensor

from emofuse.data.wording import counted
from emofuse.errors import EmofuseError


def refuse_divergence(module: L.LightningModule, values: Tensor, what: str, learning_rate: float) -> None:
    """Stop where something is not finite.

    Args:
        module: that trains.
        values: any shape; a loss or outputs.
        what: their name in the message.
        learning_rate: of the settings.

    Raises:
        EmofuseError: a value is NaN or infinite.
    """
    if not bool(torch.isfinite(values).all()):
        raise EmofuseError(
            f"the training diverged: its {what} is not finite in epoch {module.current_epoch + 1}, after "
            f"{counted(module.global_step, 'step')}; lower the learning rate (now {learning_rate:g}), or use precision 32"
        )
