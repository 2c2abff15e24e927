"""MM-DFN (Hu et al. 2022): MMGCN's graph, with gates that keep redundancy from piling up over its layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.losses.focal import focal_loss
from emofuse.models.dialogue_system import Dialogues, DialogueSystem
from emofuse.models.output import DialogueOutput
from emofuse.models.registry import register_system
from emofuse.models.system_config import DialogueSystemConfig
from emofuse.nn.angular_graph import angular_edges
from emofuse.nn.bidirectional import BidirectionalRecurrent
from emofuse.nn.dialogue_graphs import modality_graph
from emofuse.nn.dynamic_fusion import DynamicFusion
from emofuse.nn.party_context import PartyContext


class MMDFNConfig(DialogueSystemConfig):
    """Settings of `MMDFN`; sizes are those of the authors' published code.

    Attributes:
        dim: size of an utterance in every modality, even.
        layers: of the LSTM over words.
        text_speaker: weight of the speaker's own context in the words; audio_speaker and video_speaker likewise.
        audio_speaker: see text_speaker.
        video_speaker: see text_speaker.
        graph_dim: size of a node in the graph.
        graph_layers: K.
        alpha: α, what each layer keeps of the first.
        rho: ρ, of β_k = log(ρ / k + 1).
        between: weight of the edges between modalities.
        gamma: γ of the focal loss.
    """

    dim: int = Field(default=200, ge=2, multiple_of=2)
    layers: int = Field(default=2, ge=1)
    text_speaker: float = Field(default=1.0, ge=0.0)
    audio_speaker: float = Field(default=3.0, ge=0.0)
    video_speaker: float = Field(default=0.0, ge=0.0)
    graph_dim: int = Field(default=100, ge=1)
    graph_layers: int = Field(default=16, ge=1)
    alpha: float = Field(default=0.2, ge=0.0, le=1.0)
    rho: float = Field(default=0.5, gt=0.0)
    between: float = Field(default=1.0, ge=0.0)
    gamma: float = Field(default=1.0, ge=0.0)
    dropout: float = Field(default=0.4, ge=0.0, lt=1.0)

    @property
    def speaker_weights(self) -> dict[str, float]:
        """Modality -> weight of the speaker's own context."""
        weights = {"text": self.text_speaker, "audio": self.audio_speaker, "video": self.video_speaker}
        return {m: weights[m] for m in self.modalities}

    @classmethod
    def tiny(cls, num_classes: int, **overrides: Any) -> MMDFNConfig:
        """A size for tests."""
        sizes = {"dim": 16, "layers": 1, "graph_dim": 16, "graph_layers": 3, "dropout": 0.1}
        return cls(num_classes=num_classes, **{**sizes, **overrides})


@register_system(
    name="mm-dfn",
    title="MM-DFN",
    paper="Hu et al. 2022, MM-DFN: Multimodal Dynamic Fusion Network for Emotion Recognition in Conversations",
    summary="A graph of every modality of every utterance; gates between its many layers; a focal loss.",
    scope="dialogue",
    inputs={"text": "vector", "audio": "vector", "video": "vector"},
    config=MMDFNConfig,
    speakers=True,
    presets=("paper", "tiny"),
    citation="""
@inproceedings{hu2022mmdfn,
  title = {{MM-DFN}: Multimodal Dynamic Fusion Network for Emotion Recognition in Conversations},
  author = {Hu, Dou and Hou, Xiaolong and Wei, Lingwei and Jiang, Lianxin and Mo, Yang},
  booktitle = {ICASSP},
  year = {2022}
}""",
)
class MMDFN(DialogueSystem):
    """MM-DFN.

    Args:
        config: see `MMDFNConfig`.
    """

    config: MMDFNConfig

    def __init__(self, config: MMDFNConfig) -> None:
        super().__init__(config)
        c = config
        self.projections = nn.ModuleDict({m: nn.Linear(d, c.dim) for m, d in c.input_dims.items()})
        has_words = "text" in c.modalities
        self.context = (
            BidirectionalRecurrent("lstm", c.dim, c.dim // 2, c.layers, c.dropout) if has_words else None
        )
        self.party_context = PartyContext("lstm", c.dim) if any(c.speaker_weights.values()) else None
        self.first = nn.Linear(c.dim, c.graph_dim)
        self.fusion = DynamicFusion(c.graph_dim, c.graph_layers, c.alpha, c.rho, c.dropout)
        self.classifier = nn.Linear(len(c.modalities) * (c.dim + c.graph_dim), c.outputs)
        self.dropout = nn.Dropout(c.dropout)

    def recognise(self, dialogues: Dialogues) -> DialogueOutput:
        """Recognise the utterances of B dialogues."""
        inputs, mask, available, speakers = dialogues
        u = {m: self.projections[m](x) for m, x in inputs.items()}
        x = self._in_context(u, speakers, mask)

        graph = modality_graph(available)
        nodes = graph.gather(x)
        edges, weights = angular_edges(nodes, graph, self.config.between)
        first = F.relu(self.first(self.dropout(nodes)))
        g = self.fusion(first, edges, weights)

        e = torch.cat([*graph.put_back(nodes), *graph.put_back(g)], dim=-1)
        logits = self.classifier(F.relu(self.dropout(e)))
        features = dict(zip(x, graph.put_back(g), strict=True))
        return self._output(logits, features, e, mask, available)

    def _in_context(self, u: Mapping[str, Tensor], speakers: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Words in the context of the dialogue, and every modality in that of its speaker."""
        found = {}
        for m, weight in self.config.speaker_weights.items():
            found[m] = self.context(u[m], mask) if m == "text" and self.context is not None else u[m]
            if weight and self.party_context is not None:
                found[m] = found[m] + weight * self.party_context(u[m], speakers, mask)
        return found

    def training_loss(
        self,
        output: DialogueOutput,
        labels: Tensor,
        class_weights: Tensor | None = None,
        present: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Focal loss over the utterances (B, N) that have a label, negative where there is none."""
        y = labels.masked_fill(~output.mask, -1)
        loss = focal_loss(output.logits, y, self.config.gamma, class_weights)
        return {"loss": loss, "focal": loss}
