"""EmoCaps (Li et al. 2022): an emotion vector of each modality beside the sentence vector, and a context over them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.models.dialogue_system import Dialogues, DialogueSystem
from emofuse.models.output import DialogueOutput
from emofuse.models.registry import register_system
from emofuse.models.system_config import DialogueSystemConfig
from emofuse.nn.recurrent import Recurrent


class EmoCapsConfig(DialogueSystemConfig):
    """Settings of `EmoCaps`.

    Attributes:
        dim: of each modality in its Emoformer.
        heads: of the Emoformer's attention.
        ff_dim: of its feed-forward network.
        mapping: units of the mapping network's layers; the last is the size of an emotion vector.
        context: units of the LSTM over the dialogue, in each direction.
        dropout: in the Emoformer, and before the classifier.
    """

    dim: int = Field(default=128, ge=1)
    heads: int = Field(default=4, ge=1)
    ff_dim: int = Field(default=256, ge=1)
    mapping: tuple[int, ...] = Field(default=(128, 128, 64, 64, 32), min_length=1)
    context: int = Field(default=128, ge=1)
    dropout: float = Field(default=0.3, ge=0.0, lt=1.0)

    @model_validator(mode="after")
    def _check_heads(self) -> EmoCapsConfig:
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is not a multiple of heads {self.heads}")
        return self

    @classmethod
    def tiny(cls, num_classes: int | None = None, **overrides: Any) -> EmoCapsConfig:
        """A size for tests."""
        sizes = {"dim": 16, "heads": 2, "ff_dim": 32, "mapping": (16, 8), "context": 16, "dropout": 0.1}
        return cls(num_classes=num_classes, **{**sizes, **overrides})


class Emoformer(nn.Module):
    """A transformer's encoder layer over the utterances of a dialogue, and a mapping network to an emotion vector.

    Args:
        in_dim: of an utterance.
        config: see `EmoCapsConfig`.
    """

    def __init__(self, in_dim: int, config: EmoCapsConfig) -> None:
        super().__init__()
        c = config
        self.heads = c.heads
        self.input = nn.Linear(in_dim, c.dim)
        self.layer = nn.TransformerEncoderLayer(c.dim, c.heads, c.ff_dim, c.dropout, batch_first=True)
        sizes = (c.dim, *c.mapping)
        self.mapping = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))

    def forward(self, x: Tensor, available: Tensor) -> Tensor:
        """(B, N, emotion) of utterances (B, N, in_dim), 0 where (B, N) bool says that there is none."""
        itself = torch.eye(x.shape[1], dtype=torch.bool, device=x.device)
        hidden = ~(itself | available.unsqueeze(1)).repeat_interleave(self.heads, dim=0)
        e = cast(Tensor, self.layer(self.input(x), src_mask=hidden))
        for linear in self.mapping:
            e = F.relu(linear(e))
        return e.masked_fill(~available.unsqueeze(-1), 0.0)


@register_system(
    name="emocaps",
    title="EmoCaps",
    paper="Li et al. 2022, EmoCaps: Emotion Capsule based Model for Conversational Emotion Recognition",
    summary="An emotion vector of each modality by an Emoformer, with the sentence vector, and an LSTM over the dialogue.",
    scope="dialogue",
    inputs={"text": "vector", "audio": "vector", "video": "vector"},
    config=EmoCapsConfig,
    tasks=("classification", "regression"),
    presets=("paper", "tiny"),
    citation="""
@inproceedings{li2022emocaps,
  title = {EmoCaps: Emotion Capsule based Model for Conversational Emotion Recognition},
  author = {Li, Zaijing and Tang, Fengxiao and Zhao, Ming and Zhu, Yusen},
  booktitle = {Findings of ACL},
  year = {2022}
}""",
)
class EmoCaps(DialogueSystem):
    """Emotion capsules and their context.

    Args:
        config: see `EmoCapsConfig`.
    """

    config: EmoCapsConfig

    def __init__(self, config: EmoCapsConfig) -> None:
        super().__init__(config)
        c = config
        self.emoformers = nn.ModuleDict({m: Emoformer(d, c) for m, d in c.input_dims.items()})
        capsule = len(c.modalities) * c.mapping[-1] + (c.text_dim if "text" in c.modalities else 0)
        self.context = Recurrent("lstm", capsule, c.context, bidirectional=True, merge="cat")
        self.classifier = nn.Linear(2 * c.context, c.outputs)
        self.dropout = nn.Dropout(c.dropout)

    def recognise(self, dialogues: Dialogues) -> DialogueOutput:
        """Recognise the utterances of B dialogues."""
        inputs, mask, available, _ = dialogues
        emotions = {m: self.emoformers[m](x, available[m]) for m, x in inputs.items()}
        sentence = [inputs["text"]] if "text" in inputs else []
        capsules = torch.cat([*sentence, *emotions.values()], dim=-1)
        states = self.context(capsules, mask)
        return self._output(self.classifier(self.dropout(states)), emotions, states, mask, available)
