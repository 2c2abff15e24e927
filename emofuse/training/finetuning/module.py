"""Fine-tuning as a Lightning module: cross-entropy, AdamW, warm-up and linear decay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import lightning as L
import torch
from sklearn.metrics import f1_score
from torch import Tensor, nn
from transformers import get_scheduler

from emofuse.data.batch import DecodeFailure
from emofuse.data.quarantine import Quarantine
from emofuse.encoders.fine_tuning import FineTuneSettings
from emofuse.errors import EmofuseError
from emofuse.training.divergence import refuse_divergence
from emofuse.training.finetuning.batches import TuningBatch
from emofuse.training.finetuning.network import UtteranceClassifier


class FineTuneModule(L.LightningModule):
    """A classifier of utterances and how it is optimised.

    Args:
        classifier: the encoder with its head.
        settings: of the optimisation.
        class_weights: (C,) for the cross-entropy, or None.
        quarantine: notes media that could not be read.
    """

    def __init__(
        self,
        classifier: UtteranceClassifier,
        settings: FineTuneSettings,
        class_weights: Tensor | None,
        quarantine: Quarantine,
    ) -> None:
        super().__init__()
        self.classifier = classifier
        self.settings = settings
        self.quarantine = quarantine
        self.register_buffer("class_weights", class_weights, persistent=False)
        self._seen: list[tuple[Tensor, Tensor]] = []
        self.rows_read = 0  # of the training part, in all epochs

    def transfer_batch_to_device(
        self, batch: TuningBatch, device: torch.device, dataloader_idx: int
    ) -> TuningBatch:
        """Move the tensors of a batch."""
        return batch.to(device)

    def training_step(self, batch: TuningBatch, batch_idx: int) -> Tensor | None:
        """Cross-entropy of a batch; None, which skips the step, where nothing of it could be read."""
        quarantine_failures(self.quarantine, batch.decode_failures)
        if not len(batch):
            return None
        self.rows_read += len(batch)
        loss = nn.functional.cross_entropy(
            self.classifier(batch),
            batch.labels,
            weight=self.class_weights,
            label_smoothing=self.settings.label_smoothing,
        )
        refuse_divergence(self, loss, "loss", self.settings.learning_rate)
        self.log("train_loss", loss.detach(), on_step=False, on_epoch=True, batch_size=len(batch))
        return loss

    def validation_step(self, batch: TuningBatch, batch_idx: int) -> None:
        """Gather logits; the metrics need the whole part."""
        quarantine_failures(self.quarantine, batch.decode_failures)
        if len(batch):
            logits = self.classifier(batch)
            refuse_divergence(self, logits, "output on the validation part", self.settings.learning_rate)
            self._seen.append((logits.cpu(), batch.labels.cpu()))

    def on_validation_epoch_end(self) -> None:
        """Unweighted cross-entropy and weighted F1 over the validation part.

        Raises:
            EmofuseError: none of it could be read.
        """
        if not self._seen:
            raise EmofuseError(
                "finetune: no utterance of the validation part could be read, and it chooses the epoch; "
                f"{self.quarantine.path} says why: mend those files, or choose another split"
            )
        logits = torch.cat([part for part, _ in self._seen])
        labels = torch.cat([part for _, part in self._seen])
        self._seen.clear()
        weighted_f1 = f1_score(labels, logits.argmax(-1), average="weighted", zero_division=0)
        self.log("val_loss", nn.functional.cross_entropy(logits, labels))
        self.log("val_weighted_f1", float(weighted_f1))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """A training that is taken up knows whether it had read anything."""
        checkpoint["rows_read"] = self.rows_read

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """An earlier version's checkpoint does not say, but its optimiser has no state where it never had a gradient."""
        has_learnt = any(optimiser["state"] for optimiser in checkpoint["optimizer_states"])
        self.rows_read = int(checkpoint.get("rows_read", has_learnt))

    def configure_optimizers(self) -> Any:
        """AdamW with a rate of its own for the head; weight decay spares vectors (biases, norms)."""
        settings = self.settings
        head = self.classifier.head_names()
        groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for name, parameter in self.classifier.named_parameters():
            if parameter.requires_grad:
                groups.setdefault((name in head, parameter.ndim > 1), []).append(parameter)
        optimiser = torch.optim.AdamW(
            [
                {
                    "params": parameters,
                    "lr": settings.head_learning_rate if is_head else settings.learning_rate,
                    "weight_decay": settings.weight_decay if decays else 0.0,
                }
                for (is_head, decays), parameters in groups.items()
            ]
        )
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = get_scheduler("linear", optimiser, int(settings.warmup_fraction * steps), steps)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def quarantine_failures(quarantine: Quarantine, decode_failures: Iterable[DecodeFailure]) -> None:
    """Write down what could not be read."""
    for decode_failure in decode_failures:
        quarantine.add(
            decode_failure.utterance_id,
            decode_failure.modality,
            decode_failure.path,
            decode_failure.reason,
            decode_failure.message,
        )
