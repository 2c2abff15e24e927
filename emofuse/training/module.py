"""The one training loop for every system: forward, the system's own loss, validation metrics."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from emofuse.data.batch import Batch
from emofuse.data.quarantine import Quarantine
from emofuse.training.config import OptimiserSettings
from emofuse.training.optimisers import build_optimiser, build_step_schedule
from emofuse.training.tasks import Task


class EmotionModule(L.LightningModule):
    """A system and how it is optimised.

    Args:
        model: ``forward(**inputs)`` gives an output with ``logits``; ``training_loss`` composes its losses.
        task: what it learns to say, which decides what is measured on the validation part.
        settings: optimiser, schedule, batch size.
        class_weights: (C,) for the cross-entropy, or None.
        quarantine: told of media that the loader could not decode.
    """

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        settings: OptimiserSettings,
        class_weights: Tensor | None,
        quarantine: Quarantine,
    ) -> None:
        super().__init__()
        self.model = model
        self.task = task
        self.settings = settings
        self.quarantine = quarantine
        self.register_buffer("class_weights", class_weights, persistent=False)
        self._seen: list[tuple[Tensor, Tensor]] = []

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Frames travel as uint8; the model turns them into floats where it is."""
        return batch.to(device)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The system's loss, its parts logged under ``train_``."""
        self._note_setbacks(batch)
        output = self.model(**batch.inputs)
        losses = self.model.training_loss(  # type: ignore[operator]
            output, batch.labels, class_weights=self.class_weights, present=batch.inputs["present"]
        )
        named = {f"train_{name}": value.detach() for name, value in losses.items()}
        self.log_dict(named, on_step=False, on_epoch=True, batch_size=len(batch))
        self.log("loss", losses["loss"].detach(), prog_bar=True, logger=False, batch_size=len(batch))
        return losses["loss"]

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Gather what the system says; the metrics need the whole part."""
        self._note_setbacks(batch)
        logits = self.model(**batch.inputs).logits
        self._seen.append((batch.rows(logits).float().cpu(), batch.rows(batch.labels).cpu()))

    def on_validation_epoch_end(self) -> None:
        """The task's metrics over the validation part."""
        outputs = torch.cat([part for part, _ in self._seen])
        targets = torch.cat([part for _, part in self._seen])
        self._seen.clear()
        self.log_dict(self.task.validation(outputs, targets), prog_bar=True)

    def configure_optimizers(self) -> Any:
        """The optimiser, and a schedule that moves with the steps; one of epochs is a callback."""
        optimiser = build_optimiser(self.model, self.settings)
        schedule = build_step_schedule(
            optimiser, self.settings, lambda: int(self.trainer.estimated_stepping_batches)
        )
        if schedule is None:
            return optimiser
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _note_setbacks(self, batch: Batch) -> None:
        """Set aside what could not be decoded; what could be, this time, is taken back."""
        for setback in batch.setbacks:
            self.quarantine.add(
                setback.utterance_id, setback.modality, setback.path, setback.reason, setback.message
            )
        if len(self.quarantine) and "frames" in batch.inputs:
            for id, seen in zip(batch.ids, batch.inputs["present"]["video"].tolist(), strict=True):
                if seen:
                    self.quarantine.discard(id, "video")
