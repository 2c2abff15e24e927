"""RGAT (Ishiwatari et al. 2020): relational graph attention with relational position encodings."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.models.dialogue_system import Dialogues, DialogueSystem
from emofuse.models.output import DialogueOutput
from emofuse.models.registry import register_system
from emofuse.models.system_config import DialogueSystemConfig
from emofuse.nn.dialogue_graphs import edges_of, pairs_in_windows, put_back
from emofuse.nn.relational_attention import RelationalGraphLayer

RELATIONS = 4  # the same speaker or another, before or after


class RGATConfig(DialogueSystemConfig):
    """Settings of `RGAT`.

    Attributes:
        dim: of an utterance, as BERT's base model has it.
        heads: of the attention.
        layers: how many.
        ff_dim: width of a layer's feed-forward network.
        past: utterances that an utterance's window has before it.
        future: after it.
        positions: relational position encodings; without them the order within a window is before or after.
        dense: units of the layer before the classifier.
    """

    dim: int = Field(default=768, ge=1)
    heads: int = Field(default=8, ge=1)
    layers: int = Field(default=3, ge=1)
    ff_dim: int = Field(default=768, ge=1)
    past: int = Field(default=10, ge=0)
    future: int = Field(default=10, ge=0)
    positions: bool = True
    dense: int = Field(default=384, ge=1)
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)

    @model_validator(mode="after")
    def _check_heads(self) -> RGATConfig:
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is not a multiple of heads {self.heads}")
        return self

    @classmethod
    def tiny(cls, num_classes: int | None = None, **overrides: Any) -> RGATConfig:
        """A size for tests."""
        sizes = {"dim": 16, "heads": 2, "layers": 1, "ff_dim": 16, "dense": 16}
        return cls(num_classes=num_classes, **{**sizes, **overrides})


@register_system(
    name="rgat",
    title="RGAT",
    paper="Ishiwatari et al. 2020, Relation-aware Graph Attention Networks with Relational Position Encodings for Emotion "
    "Recognition in Conversations",
    summary="Attention over the utterances around each, told apart by speaker and order, with a position for each relation.",
    scope="dialogue",
    inputs={"text": "vector", "audio": "vector", "video": "vector"},
    config=RGATConfig,
    speakers=True,
    tasks=("classification", "regression"),
    presets=("paper", "tiny"),
    citation="""
@inproceedings{ishiwatari2020rgat,
  title = {Relation-aware Graph Attention Networks with Relational Position Encodings for Emotion Recognition in
           Conversations},
  author = {Ishiwatari, Taichi and Yasuda, Yuki and Miyazaki, Taro and Goto, Jun},
  booktitle = {EMNLP},
  year = {2020}
}""",
)
class RGAT(DialogueSystem):
    """RGAT on the concatenated modalities.

    Args:
        config: see `RGATConfig`.
    """

    config: RGATConfig

    def __init__(self, config: RGATConfig) -> None:
        super().__init__(config)
        c = config
        positions = max(c.past, c.future) + 1 if c.positions else 0
        self.embedding = nn.Linear(sum(c.input_dims.values()), c.dim)
        self.layers = nn.ModuleList(
            RelationalGraphLayer(c.dim, c.heads, RELATIONS, positions, c.ff_dim, c.dropout)
            for _ in range(c.layers)
        )
        self.dense, self.classifier = nn.Linear(2 * c.dim, c.dense), nn.Linear(c.dense, c.outputs)
        self.dropout = nn.Dropout(c.dropout)

    def recognise(self, dialogues: Dialogues) -> DialogueOutput:
        """Recognise the utterances of B dialogues."""
        inputs, mask, available, speakers = dialogues
        embedding = self.embedding(torch.cat(list(inputs.values()), dim=-1))[mask]
        pairs = pairs_in_windows(mask, self.config.past, self.config.future)
        edges, distances = edges_of(pairs, mask), (pairs[1] - pairs[2]).abs()
        relations = relations_of(pairs, speakers)
        h = embedding
        for layer in self.layers:
            h = layer(h, edges, relations, distances)
        both = put_back(torch.cat([embedding, h], dim=-1), mask)
        hidden = F.relu(self.dense(both))
        logits = self.classifier(self.dropout(hidden))
        return self._output(logits, inputs, hidden, mask, available)


def relations_of(pairs: Tensor, speakers: Tensor) -> Tensor:
    """(E,) of pairs (3, E): 2 where another speaks, 0 where the same; one more where the neighbour comes after."""
    rows, targets, sources = pairs
    another = speakers[rows, targets] != speakers[rows, sources]
    return 2 * another.long() + (sources > targets).long()
