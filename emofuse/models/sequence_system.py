"""What systems of utterances as sequences have in common: inputs checked and scaled, and the loss of either task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from emofuse.data.modality import Modality
from emofuse.losses.task_losses import task_loss
from emofuse.models.given_inputs import inputs_of
from emofuse.models.sequence_inputs import given_sequences
from emofuse.models.sequence_output import SequenceOutput
from emofuse.models.system_config import SequenceSystemConfig
from emofuse.nn.feature_scaler import FeatureScalers


class Sequences(NamedTuple):
    """B utterances, a sequence per modality, checked and scaled.

    Attributes:
        x: modality → (B, T, d), the real steps first.
        steps: modality → (B, T) bool, which are real.
        available: modality → (B,) bool, which rows have any.
        row_numbers: (B,) int64, by which a training knows an utterance again; None where nobody asked for them.
    """

    x: dict[str, Tensor]
    steps: dict[str, Tensor]
    available: dict[str, Tensor]
    row_numbers: Tensor | None


class SequenceSystem(nn.Module):
    """Base of systems that see an utterance as a sequence per modality.

    A system implements `recognise`, ending with `_output`, and overrides `training_loss` where its paper has more than the
    task's own loss.

    Args:
        config: of the system.
    """

    def __init__(self, config: SequenceSystemConfig) -> None:
        super().__init__()
        self.config: SequenceSystemConfig = config
        self.scalers = FeatureScalers(config.input_dims)

    def forward(
        self,
        text: Tensor | None = None,
        audio: Tensor | None = None,
        video: Tensor | None = None,
        masks: Mapping[str, Tensor] | None = None,
        present: Mapping[str, Tensor] | None = None,
        row_numbers: Tensor | None = None,
    ) -> SequenceOutput:
        """Recognise B utterances.

        Args:
            text: (B, T, text_dim), or None; audio and video likewise, each with a T of its own.
            audio: see text.
            video: see text.
            masks: modality → (B, T) bool, the steps that are real; a modality that is not named has real ones alone.
            present: modality → (B,) bool; a modality that is not named is there for all.
            row_numbers: (B,) int64, for a system that declares them.

        Raises:
            EmofuseError: for inputs of the wrong shape, or none at all.
        """
        inputs = inputs_of(self.config.modalities, text, audio, video)
        return self.recognise(self._sequences(inputs, masks or {}, present or {}, row_numbers))

    def recognise(self, sequences: Sequences) -> SequenceOutput:
        """The system itself."""
        raise NotImplementedError

    def _sequences(
        self,
        inputs: Mapping[Modality, Tensor | None],
        masks: Mapping[str, Tensor],
        present: Mapping[str, Tensor],
        row_numbers: Tensor | None,
    ) -> Sequences:
        c = self.config
        dropout = c.modality_dropout if self.training else 0.0
        given = given_sequences(inputs, c.input_dims, masks, present, dropout)
        dtype = next(p for p in self.parameters() if p.is_floating_point()).dtype
        x = {
            m: self.scalers[m](steps.take(given.x[m].to(dtype)), steps.mask)
            for m, steps in given.steps.items()
        }
        steps = {m: steps.mask for m, steps in given.steps.items()}
        return Sequences(x, steps, given.available, row_numbers)

    def _output(
        self, y: Tensor, features: Mapping[str, Tensor], fused: Tensor, available: dict[str, Tensor]
    ) -> SequenceOutput:
        """Of y (B, C), or (B, 1) for a regression; features are 0 where a row lacks the modality."""
        return SequenceOutput(
            logits=y,
            value=y.squeeze(-1) if self.config.task == "regression" else None,
            features={m: f.masked_fill(~available[m].unsqueeze(-1), 0.0) for m, f in features.items()},
            present=available,
            fused=fused,
        )

    def training_loss(
        self,
        output: SequenceOutput,
        labels: Tensor,
        class_weights: Tensor | None = None,
        present: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Cross-entropy, or for a regression the mean absolute or squared error; rows without a target count for nothing.

        Raises:
            EmofuseError: if class weights are given for a regression.
        """
        return task_loss(output, labels, self.config.task, self.config.regression_loss, class_weights)


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """(B, d), the mean of (B, T, d) over the steps in the mask (B, T); 0 without steps."""
    weights = mask.unsqueeze(-1).to(x.dtype)
    return (x * weights).sum(dim=1) / weights.sum(dim=1).clamp_min(1.0)


def last_step(x: Tensor, mask: Tensor) -> Tensor:
    """(B, d), the last real step of (B, T, d), real ones being first; 0 without steps."""
    counts = mask.sum(dim=1)
    rows = torch.arange(x.shape[0], device=x.device)
    return x[rows, (counts - 1).clamp_min(0)] * (counts > 0).unsqueeze(-1)


def pooled_words(x: Tensor, mask: Tensor, how: Literal["first", "mean"]) -> Tensor:
    """(B, d) of words (B, T, d): the first, or the mean of those in the mask (B, T); 0 without any."""
    if how == "mean":
        return masked_mean(x, mask)
    return x[:, 0].masked_fill(~mask[:, :1], 0.0)
