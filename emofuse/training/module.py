"""The one training loop for every system: forward, the system's own loss, validation metrics."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from sklearn.metrics import f1_score
from torch import Tensor, nn
from transformers import get_scheduler

from emofuse.data.dataset import Batch
from emofuse.data.quarantine import Quarantine
from emofuse.training.config import OptimiserSettings


class EmotionModule(L.LightningModule):
    """A system and how it is optimised.

    Args:
        model: ``forward(**inputs)`` gives an output with ``logits``; ``training_loss`` composes its losses.
        settings: optimiser, schedule, batch size.
        class_weights: (C,) for the cross-entropy, or None.
        quarantine: told of media that the loader could not decode.
    """

    def __init__(
        self,
        model: nn.Module,
        settings: OptimiserSettings,
        class_weights: Tensor | None,
        quarantine: Quarantine,
    ) -> None:
        super().__init__()
        self.model = model
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
        """Gather logits; the metrics need the whole part."""
        self._note_setbacks(batch)
        self._seen.append((self.model(**batch.inputs).logits.float().cpu(), batch.labels.cpu()))

    def on_validation_epoch_end(self) -> None:
        """Unweighted cross-entropy and weighted F1 over the validation part."""
        logits = torch.cat([part for part, _ in self._seen])
        labels = torch.cat([part for _, part in self._seen])
        self._seen.clear()
        weighted_f1 = f1_score(labels, logits.argmax(-1), average="weighted", zero_division=0)
        self.log("val_loss", nn.functional.cross_entropy(logits, labels), prog_bar=True)
        self.log("val_weighted_f1", float(weighted_f1), prog_bar=True)

    def configure_optimizers(self) -> Any:
        """Adam or AdamW; weight decay spares vectors (biases, norms) under AdamW, as is usual."""
        settings = self.settings
        trainable = [p for p in self.model.parameters() if p.requires_grad]
        if settings.name == "adam":
            optimiser: torch.optim.Optimizer = torch.optim.Adam(
                trainable, lr=settings.learning_rate, weight_decay=settings.weight_decay
            )
        else:
            groups = [
                {"params": [p for p in trainable if p.ndim > 1], "weight_decay": settings.weight_decay},
                {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
            ]
            optimiser = torch.optim.AdamW(groups, lr=settings.learning_rate)
        if settings.schedule == "constant" and not settings.warmup_fraction:
            return optimiser
        steps = int(self.trainer.estimated_stepping_batches)
        kind = "cosine" if settings.schedule == "cosine" else "constant_with_warmup"
        schedule = get_scheduler(kind, optimiser, int(settings.warmup_fraction * steps), steps)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _note_setbacks(self, batch: Batch) -> None:
        for setback in batch.setbacks:
            self.quarantine.add(
                setback.utterance_id, setback.modality, setback.path, setback.reason, setback.message
            )
