"""The one training loop for every system: forward, the system's own loss, validation metrics."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
import torch.distributed as dist
from torch import Tensor, nn

from emofuse.data.batch import Batch, DecodeFailure
from emofuse.data.quarantine import Quarantine
from emofuse.losses.global_batch import gather_rows, is_distributed
from emofuse.nn.row_memory import RowMemory
from emofuse.runs.settings import OptimiserSettings
from emofuse.runs.tasks import Task
from emofuse.training.compiling import compile_parts
from emofuse.training.divergence import refuse_divergence
from emofuse.training.objective import Objective
from emofuse.training.optimisers import build_optimiser, build_step_schedule


class EmotionModule(L.LightningModule):
    """A system and how it is optimised.

    Args:
        model: ``forward(**inputs)`` gives an output with ``logits``; ``training_loss`` composes its losses.
        task: what it learns to say, which decides what is measured on the validation part.
        settings: optimiser, schedule, batch size.
        class_weights: (C,) for the cross-entropy, or None.
        quarantine: notes media that the loader could not decode.
        compiled: use torch.compile where it can do something.
        seed: of what the objective draws.
    """

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        settings: OptimiserSettings,
        class_weights: Tensor | None,
        quarantine: Quarantine,
        compiled: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.model = model
        self.objective = Objective(model, settings, seed)
        self.task = task
        self.settings = settings
        self.quarantine = quarantine
        self.compiled = compiled
        self.register_buffer("class_weights", class_weights, persistent=False)
        self._seen: list[tuple[Tensor, Tensor]] = []
        self._decode_failures: list[DecodeFailure] = []
        self._decoded: list[str] = []

    def setup(self, stage: str) -> None:
        """Compile here, in the process that trains: what is compiled cannot be handed to another."""
        if self.compiled:
            compile_parts(self.model)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Frames travel as uint8; the model turns them into floats where it is."""
        return batch.to(device)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The system's loss over the batch of all processes, its parts logged under ``train_``."""
        self._collect_failures(batch)
        step = self.objective(batch, self.class_weights, self.trainer.global_step)
        losses = step.parts
        refuse_divergence(self, losses["loss"], "loss", self.settings.learning_rate)
        named = {f"train_{name}": value.detach() for name, value in losses.items()}
        self.log_dict(named, on_step=False, on_epoch=True, batch_size=step.utterances)
        self.log("loss", losses["loss"].detach(), prog_bar=True, logger=False, batch_size=step.utterances)
        return losses["loss"] * batch.weight if batch.weight != 1.0 else losses["loss"]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what the system remembers of its training rows, so that a resumed run goes on with it."""
        memories = {name: memory.state() for name, memory in self._memories().items()}
        if memories:
            checkpoint["row_memories"] = memories

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take it up."""
        memories = self._memories()
        for name, state in checkpoint.get("row_memories", {}).items():
            memories[name].restore(state)

    def _memories(self) -> dict[str, RowMemory]:
        return {name: module for name, module in self.model.named_modules() if isinstance(module, RowMemory)}

    def on_train_epoch_end(self) -> None:
        """The first process writes down what could not be decoded in any."""
        if is_distributed():
            everyone: list[Any] = [None] * self.trainer.world_size
            dist.all_gather_object(everyone, (self._decode_failures, self._decoded))
            self._decode_failures = [
                decode_failure for decode_failures, _ in everyone for decode_failure in decode_failures
            ]
            self._decoded = [id for _, ids in everyone for id in ids]
            if self.trainer.is_global_zero:
                self._write_failures()
            self._decode_failures, self._decoded = [], []

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Gather what the system says; the metrics need the whole part."""
        self._collect_failures(batch)
        logits = self.model(**batch.inputs).logits
        refuse_divergence(self, logits, "output on the validation part", self.settings.learning_rate)
        self._seen.append((batch.rows(logits).float().cpu(), batch.rows(batch.labels).cpu()))

    def on_validation_epoch_end(self) -> None:
        """The task's metrics over the validation part, of all processes."""
        outputs, targets = (
            gather_rows(torch.cat(parts).to(self.device)).cpu() for parts in zip(*self._seen, strict=True)
        )
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

    def _collect_failures(self, batch: Batch) -> None:
        """Set aside what could not be decoded; what could be, this time, is taken back."""
        self._decode_failures += batch.decode_failures
        if "frames" in batch.inputs:
            seen = batch.inputs["present"]["video"].tolist()
            self._decoded += [id for id, there in zip(batch.ids, seen, strict=True) if there]
        if not is_distributed():
            self._write_failures()

    def _write_failures(self) -> None:
        for decode_failure in self._decode_failures:
            self.quarantine.add(
                decode_failure.utterance_id,
                decode_failure.modality,
                decode_failure.path,
                decode_failure.reason,
                decode_failure.message,
            )
        if len(self.quarantine):
            for id in self._decoded:
                self.quarantine.discard(id, "video")
        self._decode_failures, self._decoded = [], []
