"""What systems of dialogues have in common: inputs checked and scaled, and the loss of either task over their utterances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.data.modality import Modality
from emofuse.losses.task_losses import task_loss
from emofuse.models.dialogue_inputs import check_dialogues, dialogue_presence
from emofuse.models.given_inputs import inputs_of
from emofuse.models.output import DialogueOutput
from emofuse.models.system_config import DialogueSystemConfig
from emofuse.nn.feature_scaler import FeatureScalers


class Dialogues(NamedTuple):
    """B dialogues of up to N utterances, checked and scaled.

    Attributes:
        inputs: modality → (B, N, d_m), 0 where an utterance lacks it.
        mask: (B, N) bool, False for the padding at a dialogue's end.
        available: modality → (B, N) bool, the utterances that have it.
        speakers: (B, N) int64, the speakers of each dialogue numbered from 0; one for all where none are given.
    """

    inputs: dict[str, Tensor]
    mask: Tensor
    available: dict[str, Tensor]
    speakers: Tensor


class DialogueSystem(nn.Module):
    """Base of systems that see dialogues of utterance vectors, B dialogues of up to N utterances.

    A system implements `recognise`, ending with `_output`, and overrides `training_loss` where its paper has more than
    cross-entropy. One that does not can learn a value too, and declares that.

    Args:
        config: of the system.
    """

    def __init__(self, config: DialogueSystemConfig) -> None:
        super().__init__()
        self.config: DialogueSystemConfig = config
        self.scalers = FeatureScalers(config.input_dims)

    def forward(
        self,
        text: Tensor | None = None,
        audio: Tensor | None = None,
        video: Tensor | None = None,
        mask: Tensor | None = None,
        present: Mapping[str, Tensor] | None = None,
        speakers: Tensor | None = None,
    ) -> DialogueOutput:
        """Recognise the utterances of B dialogues.

        Args:
            text: (B, N, text_dim), or None; audio and video likewise.
            audio: see text.
            video: see text.
            mask: (B, N) bool, False for the padding at a dialogue's end; None for no padding.
            present: modality → (B, N) bool; a modality that is not named is there for all.
            speakers: (B, N) int64, the speakers of each dialogue numbered from 0; one for all by default.

        Raises:
            EmofuseError: for inputs of the wrong shape, or none at all.
        """
        inputs = inputs_of(self.config.modalities, text, audio, video)
        return self.recognise(self._dialogues(inputs, mask, present or {}, speakers))

    def recognise(self, dialogues: Dialogues) -> DialogueOutput:
        """The system itself."""
        raise NotImplementedError

    def _dialogues(
        self,
        inputs: Mapping[Modality, Tensor | None],
        mask: Tensor | None,
        present: Mapping[str, Tensor],
        speakers: Tensor | None,
    ) -> Dialogues:
        config = self.config
        mask = check_dialogues(inputs, config.input_dims, mask)
        dropout = config.modality_dropout if self.training else 0.0
        available = dialogue_presence(inputs, mask, present, dropout)
        dtype = next(p for p in self.parameters() if p.is_floating_point()).dtype
        scaled = {}
        for m, x in inputs.items():
            if x is None:
                x = torch.zeros(*mask.shape, config.input_dims[m], device=mask.device)
            values = self.scalers[m](x.to(dtype), available[m])
            scaled[str(m)] = F.dropout(values, config.feature_dropout, self.training)
        return Dialogues(scaled, mask, available, _speakers_or_one(speakers, mask))

    def _output(
        self,
        logits: Tensor,
        features: Mapping[str, Tensor],
        fused: Tensor,
        mask: Tensor,
        available: dict[str, Tensor],
    ) -> DialogueOutput:
        """Of logits (B, N, C), or (B, N, 1) for a regression; zeros where a dialogue has ended."""
        padding = ~mask.unsqueeze(-1)
        logits = logits.masked_fill(padding, 0.0)
        return DialogueOutput(
            logits=logits,
            value=logits.squeeze(-1) if self.config.task == "regression" else None,
            features={m: x.masked_fill(padding, 0.0) for m, x in features.items()},
            present=available,
            fused=fused.masked_fill(padding, 0.0),
            mask=mask,
        )

    def training_loss(
        self,
        output: DialogueOutput,
        labels: Tensor,
        class_weights: Tensor | None = None,
        present: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Cross-entropy, or for a regression the mean absolute or squared error, over the utterances that have a target.

        Args:
            output: of B dialogues.
            labels: (B, N), class numbers, negative where there is none, or values, NaN where there is none.
            class_weights: (C,), or None.
            present: not read.

        Raises:
            EmofuseError: if class weights are given for a regression.
        """
        c = self.config
        absent = -1 if c.task == "classification" else torch.nan
        known = labels.masked_fill(~output.mask, absent)
        return task_loss(output, known, c.task, c.regression_loss, class_weights)


def _speakers_or_one(speakers: Tensor | None, mask: Tensor) -> Tensor:
    """(B, N) int64, the speakers of each dialogue numbered from 0; one for all where none are given."""
    if speakers is None:
        return torch.zeros_like(mask, dtype=torch.int64)
    return speakers.to(mask.device).clamp_min(0).masked_fill(~mask, 0)
