"""GraphCFC (Li et al. 2023): subspaces of each modality and one of all, completed pair by pair over a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from emofuse.data.modality import Modality
from emofuse.losses.task_losses import cross_entropy
from emofuse.models.dialogue_system import Dialogues, DialogueSystem
from emofuse.models.output import DialogueOutput
from emofuse.models.registry import register_system
from emofuse.models.system_config import DialogueSystemConfig
from emofuse.nn.gat_mlp import FeedForward, PairwiseComplement
from emofuse.nn.utterance_encoders import UtteranceEncoders

# In which order modalities join.
_ORDER: tuple[Modality, ...] = ("audio", "video", "text")


class GraphCFCConfig(DialogueSystemConfig):
    """Settings of `GraphCFC`; sizes are those of the authors' published code.

    Attributes:
        dim: size of everything inside, even.
        rnn_layers: of the LSTM over words.
        layers: GAT-MLPs of each pair.
        heads: of their attention.
        past: utterances that a window has before an utterance.
        future: after it.
        max_speakers: speakers with embeddings and types of edges of their own; those beyond share the last's.
        subspace_weight: of the cross-entropy of each subspace.
    """

    dim: int = Field(default=200, ge=2, multiple_of=2)
    rnn_layers: int = Field(default=2, ge=1)
    layers: int = Field(default=5, ge=1)
    heads: int = Field(default=4, ge=1)
    past: int = Field(default=18, ge=0)
    future: int = Field(default=18, ge=0)
    max_speakers: int = Field(default=9, ge=1, le=100)
    subspace_weight: float = Field(default=1.0, ge=0.0)

    @classmethod
    def tiny(cls, num_classes: int, **overrides: Any) -> GraphCFCConfig:
        """A size for tests."""
        sizes = {"dim": 16, "rnn_layers": 1, "layers": 1, "heads": 2, "max_speakers": 3}
        return cls(num_classes=num_classes, **{**sizes, **overrides})


@dataclass(frozen=True, kw_only=True)
class GraphCFCOutput(DialogueOutput):
    """As `DialogueOutput`, with what each subspace says.

    Attributes:
        subspaces: modality, or "shared" -> logits (B, N, classes).
    """

    subspaces: dict[str, Tensor] = field(default_factory=dict, repr=False)


@register_system(
    name="graph-cfc",
    title="GraphCFC",
    paper="Li et al. 2023, GraphCFC: A Directed Graph Based Cross-Modal Feature Complementation Approach for Multimodal "
    "Conversational Emotion Recognition",
    summary="Private and shared subspaces; pairs of them complement each other by graph attention over typed edges.",
    scope="dialogue",
    inputs={"text": "vector", "audio": "vector", "video": "vector"},
    config=GraphCFCConfig,
    speakers=True,
    presets=("paper", "tiny"),
    citation="""
@article{li2023graphcfc,
  title = {{GraphCFC}: A Directed Graph Based Cross-Modal Feature Complementation Approach for Multimodal Conversational
           Emotion Recognition},
  author = {Li, Jiang and Wang, Xiaoping and Lv, Guoqing and Zeng, Zhigang},
  journal = {IEEE Transactions on Multimedia},
  year = {2023}
}""",
)
class GraphCFC(DialogueSystem):
    """GraphCFC.

    Args:
        config: see `GraphCFCConfig`.
    """

    config: GraphCFCConfig

    def __init__(self, config: GraphCFCConfig) -> None:
        super().__init__(config)
        c, names = config, config.modalities
        self.encoders = UtteranceEncoders(c.input_dims, c.dim, "lstm", c.rnn_layers, c.dropout)
        self.speakers = nn.Embedding(c.max_speakers, c.dim)
        self.private = nn.ModuleDict({m: FeedForward(c.dim, c.dropout) for m in names})
        self.common = FeedForward(c.dim, c.dropout)
        self.combine = nn.Linear(len(names) * c.dim, c.dim)
        self.heads = nn.ModuleDict({s: nn.Linear(c.dim, c.outputs) for s in (*names, "shared")})
        self.edge_types = nn.Embedding(c.max_speakers * (c.max_speakers + 1) // 2 + 1, c.dim)
        self.complements = nn.ModuleList(
            PairwiseComplement(c.dim, c.layers, c.heads, c.max_speakers, c.past, c.future, c.dropout)
            for _ in names
        )
        self.classifier = nn.Linear(c.dim, c.outputs)

    def recognise(self, dialogues: Dialogues) -> GraphCFCOutput:
        """Recognise the utterances of B dialogues."""
        inputs, mask, available, speakers = dialogues
        said_by = speakers
        who = self.speakers(said_by.clamp_max(self.config.max_speakers - 1))
        x = {m: c + who for m, c in self.encoders(inputs, mask).items()}

        # Subspaces: one of each modality, and one that all share.
        private = {m: self.private[m](h) for m, h in x.items()}
        parts = [self.common(h).masked_fill(~available[m].unsqueeze(-1), 0.0) for m, h in x.items()]
        shared = self.combine(torch.cat(parts, dim=-1))
        spaces = {m: self.heads[m](h) for m, h in private.items()} | {"shared": self.heads["shared"](shared)}

        # Pair by pair: the first two modalities, what they give and the third, what that gives and the shared subspace.
        z = self._complete(private, shared, available, mask, said_by)
        plain = self._output(self.classifier(z), private, z, mask, available)
        subspaces = {s: logits.masked_fill(~mask.unsqueeze(-1), 0.0) for s, logits in spaces.items()}
        return GraphCFCOutput(**vars(plain), subspaces=subspaces)

    def _complete(
        self,
        private: Mapping[str, Tensor],
        shared: Tensor,
        available: Mapping[str, Tensor],
        mask: Tensor,
        speakers: Tensor,
    ) -> Tensor:
        first, *others = (m for m in _ORDER if m in private)
        z, has = private[first], available[first]
        partners = [(private[m], available[m]) for m in others] + [(shared, mask)]
        for complement, (partner, partner_has) in zip(self.complements, partners, strict=True):
            z = complement((z, partner), (has, partner_has), speakers, self.edge_types)
            has = has | partner_has
        return z

    def training_loss(
        self,
        output: DialogueOutput,
        labels: Tensor,
        class_weights: Tensor | None = None,
        present: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """L_CE of the whole, and of each subspace over the utterances that have its modality."""
        y = labels.masked_fill(~output.mask, -1)
        task = cross_entropy(output.logits, y, class_weights)
        spaces = [
            cross_entropy(logits, y.masked_fill(~output.present.get(s, output.mask), -1), class_weights)
            for s, logits in cast(GraphCFCOutput, output).subspaces.items()
        ]
        subspaces = torch.stack(spaces).sum()
        loss = task + self.config.subspace_weight * subspaces
        return {"loss": loss, "cross_entropy": task, "subspaces": subspaces}
