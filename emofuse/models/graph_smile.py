"""GraphSmile (Li et al. 2025): modalities mixed by graphs between pairs of them, and the dynamics of sentiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from emofuse.losses.task_losses import cross_entropy
from emofuse.models.cfn_esa import shift_labels
from emofuse.models.dialogue_system import Dialogues, DialogueSystem
from emofuse.models.output import DialogueOutput
from emofuse.models.registry import register_system
from emofuse.models.system_config import DialogueSystemConfig
from emofuse.nn.heterogeneous_graph import HeterogeneousConvolution


class GraphSmileConfig(DialogueSystemConfig):
    """Settings of `GraphSmile`; the defaults are those of the authors' published command for MELD.

    Attributes:
        dim: size of everything inside.
        layers: of each pair's graph.
        past: utterances that a window has before an utterance.
        future: after it.
        shift_window: utterances of a block within which shifts are predicted; None for the whole dialogue.
        sentiments: the sentiment of each class, numbered from 0; without them there is no task of sentiment, and shifts are
            those of emotions.
        sentiment_weight: of the loss of sentiments.
        shift_weight: of the loss of shifts.
    """

    dim: int = Field(default=384, ge=1)
    layers: int = Field(default=5, ge=1)
    past: int = Field(default=3, ge=0)
    future: int = Field(default=3, ge=0)
    shift_window: int | None = Field(default=3, ge=1)
    sentiments: tuple[int, ...] | None = None
    sentiment_weight: float = Field(default=0.5, ge=0.0)
    shift_weight: float = Field(default=0.2, ge=0.0)
    dropout: float = Field(default=0.2, ge=0.0, lt=1.0)

    @model_validator(mode="after")
    def _check_sentiments(self) -> GraphSmileConfig:
        found = self.sentiments
        if found is not None and (len(found) != self.num_classes or min(found) < 0 or max(found) < 1):
            raise ValueError(f"sentiments name one of 0, 1, ... for each of {self.num_classes} classes")
        return self

    @classmethod
    def tiny(cls, num_classes: int, **overrides: Any) -> GraphSmileConfig:
        """A size for tests."""
        return cls(num_classes=num_classes, **{"dim": 16, "layers": 2, "dropout": 0.1, **overrides})


@dataclass(frozen=True, kw_only=True)
class GraphSmileOutput(DialogueOutput):
    """As `DialogueOutput`, with what the tasks of sentiment say.

    Attributes:
        sentiment: (B, N, sentiments) logits; None without that task.
        shift_from: (B, N, 2), what an utterance as the first of two adds to the logits of the same and of another sentiment.
        shift_to: (B, N, 2), what it adds as the second.
    """

    sentiment: Tensor | None = field(default=None, repr=False)
    shift_from: Tensor = field(repr=False)
    shift_to: Tensor = field(repr=False)


@register_system(
    name="graph-smile",
    title="GraphSmile",
    paper="Li et al. 2025, Tracing Intricate Cues in Dialogue: Joint Graph Structure and Sentiment Dynamics for Multimodal "
    "Emotion Recognition",
    summary="A graph between each pair of modalities, and tasks of sentiment and of its shifts.",
    scope="dialogue",
    inputs={"text": "vector", "audio": "vector", "video": "vector"},
    config=GraphSmileConfig,
    presets=("paper", "tiny"),
    citation="""
@article{li2025graphsmile,
  title = {Tracing Intricate Cues in Dialogue: Joint Graph Structure and Sentiment Dynamics for Multimodal Emotion
           Recognition},
  author = {Li, Jiang and Wang, Xiaoping and Zeng, Zhigang},
  journal = {IEEE Transactions on Pattern Analysis and Machine Intelligence},
  year = {2025}
}""",
)
class GraphSmile(DialogueSystem):
    """GraphSmile.

    Args:
        config: see `GraphSmileConfig`.
    """

    config: GraphSmileConfig

    def __init__(self, config: GraphSmileConfig) -> None:
        super().__init__(config)
        c, names = config, config.modalities
        self.projections = nn.ModuleDict(
            {
                m: nn.Sequential(nn.Linear(d, c.dim), nn.LeakyReLU(), nn.Dropout(c.dropout))
                for m, d in c.input_dims.items()
            }
        )
        # A modality alone is joined to itself.
        self.pairs = tuple(combinations(names, 2)) if len(names) > 1 else ((names[0], names[0]),)
        self.graphs = nn.ModuleList(
            HeterogeneousConvolution(c.dim, c.layers, c.past, c.future, c.dropout) for _ in self.pairs
        )
        self.fusion = nn.Sequential(nn.Linear(c.dim, c.dim), nn.LeakyReLU())
        self.classifier = nn.Linear(c.dim, c.outputs)
        count = max(c.sentiments) + 1 if c.sentiments else 0
        self.sentiment = nn.Linear(c.dim, count) if count else None
        self.shift_from, self.shift_to = nn.Linear(c.dim, 2), nn.Linear(c.dim, 2, bias=False)

    def recognise(self, dialogues: Dialogues) -> GraphSmileOutput:
        """Recognise the utterances of B dialogues."""
        inputs, mask, available, _ = dialogues
        x = {m: self.projections[m](u) for m, u in inputs.items()}
        mixed = []
        for (one, other), graph in zip(self.pairs, self.graphs, strict=True):
            there = torch.stack([available[one], available[other]])
            both = graph(torch.stack([x[one], x[other]]), there)
            mixed += [
                self.fusion(h).masked_fill(~t.unsqueeze(-1), 0.0) for h, t in zip(both, there, strict=True)
            ]
        fused = torch.stack(mixed).mean(dim=0)
        plain = self._output(self.classifier(fused), x, fused, mask, available)
        return GraphSmileOutput(
            **vars(plain),
            sentiment=self.sentiment(fused) if self.sentiment is not None else None,
            shift_from=self.shift_from(fused),
            shift_to=self.shift_to(fused),
        )

    def training_loss(
        self,
        output: DialogueOutput,
        labels: Tensor,
        class_weights: Tensor | None = None,
        present: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """L_emotion + λ_2 L_sentiment + λ_3 L_shift, the last over the pairs of utterances of each block."""
        c, found = self.config, cast(GraphSmileOutput, output)
        y = labels.masked_fill(~output.mask, -1)
        parts = {"cross_entropy": cross_entropy(output.logits, y, class_weights)}
        felt = y
        if c.sentiments is not None and found.sentiment is not None:
            of_class = torch.tensor(c.sentiments, device=y.device)
            felt = torch.where(y >= 0, of_class[y.clamp_min(0)], y)
            parts["sentiment"] = cross_entropy(found.sentiment, felt)
        block = torch.arange(y.shape[1], device=y.device) // (c.shift_window or y.shape[1])
        shifted = shift_labels(felt).masked_fill(block.unsqueeze(1) != block, -1)
        shifts = found.shift_from.unsqueeze(2) + found.shift_to.unsqueeze(1)
        parts["shift"] = cross_entropy(shifts, shifted)
        loss = parts["cross_entropy"] + c.shift_weight * parts["shift"]
        if "sentiment" in parts:
            loss = loss + c.sentiment_weight * parts["sentiment"]
        return {"loss": loss, **parts}
