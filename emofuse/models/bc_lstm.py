"""bc-LSTM (Poria et al. 2017): a bidirectional contextual LSTM over the utterances of a dialogue."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.models.dialogue_system import Dialogues, DialogueSystem
from emofuse.models.output import DialogueOutput
from emofuse.models.registry import register_system
from emofuse.models.system_config import DialogueSystemConfig
from emofuse.nn.exporting import exporting, run_padded_lstm
from emofuse.nn.matching_attention import MatchingAttention


class BCLSTMConfig(DialogueSystemConfig):
    """Settings of `BCLSTM`.

    Attributes:
        hidden: units of the LSTM in each direction.
        layers: of the LSTM.
        dense: units of the layer before the classifier.
        attention: each utterance attends to all states of its dialogue, as in the authors' published code.
        pack: leave padding out of the LSTM. The authors' code lets its backward direction read padding.
    """

    hidden: int = Field(default=100, ge=1)
    layers: int = Field(default=2, ge=1)
    dense: int = Field(default=100, ge=1)
    attention: bool = False
    pack: bool = True
    dropout: float = Field(default=0.5, ge=0.0, lt=1.0)

    @classmethod
    def tiny(cls, num_classes: int | None = None, **overrides: Any) -> BCLSTMConfig:
        """A size for tests."""
        return cls(
            num_classes=num_classes, **{"hidden": 16, "dense": 16, "layers": 1, "dropout": 0.1, **overrides}
        )


@register_system(
    name="bc-lstm",
    title="bc-LSTM",
    paper="Poria et al. 2017, Context-Dependent Sentiment Analysis in User-Generated Videos",
    summary="A bidirectional LSTM over the utterances of a dialogue, all modalities side by side.",
    scope="dialogue",
    inputs={"text": "vector", "audio": "vector", "video": "vector"},
    config=BCLSTMConfig,
    tasks=("classification", "regression"),
    presets=("paper", "tiny"),
    citation="""
@inproceedings{poria2017context,
  title = {Context-Dependent Sentiment Analysis in User-Generated Videos},
  author = {Poria, Soujanya and Cambria, Erik and Hazarika, Devamanyu and Majumder, Navonil and Zadeh, Amir and
            Morency, Louis-Philippe},
  booktitle = {ACL},
  year = {2017}
}""",
)
class BCLSTM(DialogueSystem):
    """The contextual LSTM on the concatenated modalities.

    Args:
        config: see `BCLSTMConfig`.
    """

    def __init__(self, config: BCLSTMConfig) -> None:
        super().__init__(config)
        c, states = config, 2 * config.hidden
        self.lstm = nn.LSTM(
            sum(c.input_dims.values()),
            c.hidden,
            c.layers,
            batch_first=True,
            bidirectional=True,
            dropout=c.dropout if c.layers > 1 else 0.0,
        )
        self.attention = MatchingAttention(states, states, "general2", squash=True) if c.attention else None
        self.dense = nn.Linear(states, c.dense)
        self.classifier = nn.Linear(c.dense, c.outputs)
        self.pack = c.pack
        self.dropout = nn.Dropout(c.dropout)

    def recognise(self, dialogues: Dialogues) -> DialogueOutput:
        """Recognise the utterances of B dialogues."""
        inputs, mask, available, _ = dialogues
        states = self._states(torch.cat(list(inputs.values()), dim=-1), mask)
        if self.attention is not None:
            states = self.attention(states, states, mask.unsqueeze(1))
        hidden = F.relu(self.dense(states))
        logits = self.classifier(self.dropout(hidden))
        return self._output(logits, inputs, hidden, mask, available)

    def _states(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, N, 2 hidden)"""
        if exporting():
            return run_padded_lstm(self.lstm, x, mask if self.pack else torch.ones_like(mask))
        if not self.pack:
            states: Tensor = self.lstm(x)[0]
            return states
        lengths = mask.sum(dim=1).clamp_min(1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return nn.utils.rnn.pad_packed_sequence(
            self.lstm(packed)[0], batch_first=True, total_length=mask.shape[1]
        )[0]
