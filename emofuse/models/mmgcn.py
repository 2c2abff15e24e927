"""MMGCN (Hu et al. 2021): one graph of all modalities of a dialogue, and a deep spectral convolution over it."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional as F

from emofuse.models.dialogue_system import Dialogues, DialogueSystem
from emofuse.models.output import DialogueOutput
from emofuse.models.registry import register_system
from emofuse.models.system_config import DialogueSystemConfig
from emofuse.nn.angular_graph import DeepGraphConvolution, angular_edges
from emofuse.nn.dialogue_graphs import modality_graph
from emofuse.nn.utterance_encoders import UtteranceEncoders


class MMGCNConfig(DialogueSystemConfig):
    """Settings of `MMGCN`; sizes are those of the authors' published code.

    Attributes:
        dim: size of an utterance in every modality, even.
        layers: of the LSTM over words.
        speaker_dim: of the embedding of a speaker.
        max_speakers: speakers that have an embedding of their own; those beyond share the last.
        graph_dim: size of a node in the graph.
        graph_layers: K.
        alpha: α, what each layer keeps of the first.
        eta: η, of β_l = log(η / l + 1).
        between: γ, weight of the edges between modalities.
    """

    dim: int = Field(default=200, ge=2, multiple_of=2)
    layers: int = Field(default=2, ge=1)
    speaker_dim: int = Field(default=100, ge=1)
    max_speakers: int = Field(default=9, ge=1)
    graph_dim: int = Field(default=100, ge=1)
    graph_layers: int = Field(default=4, ge=1)
    alpha: float = Field(default=0.1, ge=0.0, le=1.0)
    eta: float = Field(default=0.5, gt=0.0)
    between: float = Field(default=0.7, ge=0.0)
    dropout: float = Field(default=0.4, ge=0.0, lt=1.0)

    @classmethod
    def tiny(cls, num_classes: int | None = None, **overrides: Any) -> MMGCNConfig:
        """A size for tests."""
        sizes = {"dim": 16, "layers": 1, "speaker_dim": 4, "graph_dim": 16, "graph_layers": 2, "dropout": 0.1}
        return cls(num_classes=num_classes, **{**sizes, **overrides})


@register_system(
    name="mmgcn",
    title="MMGCN",
    paper="Hu et al. 2021, MMGCN: Multimodal Fusion via Deep Graph Convolution Network for Emotion Recognition in "
    "Conversation",
    summary="A graph of every modality of every utterance, its edges weighed by angles, under a deep spectral convolution.",
    scope="dialogue",
    inputs={"text": "vector", "audio": "vector", "video": "vector"},
    config=MMGCNConfig,
    speakers=True,
    tasks=("classification", "regression"),
    presets=("paper", "tiny"),
    citation="""
@inproceedings{hu2021mmgcn,
  title = {{MMGCN}: Multimodal Fusion via Deep Graph Convolution Network for Emotion Recognition in Conversation},
  author = {Hu, Jingwen and Liu, Yuchen and Zhao, Jinming and Jin, Qin},
  booktitle = {ACL-IJCNLP},
  year = {2021}
}""",
)
class MMGCN(DialogueSystem):
    """MMGCN.

    Args:
        config: see `MMGCNConfig`.
    """

    config: MMGCNConfig

    def __init__(self, config: MMGCNConfig) -> None:
        super().__init__(config)
        c, node_dim = config, config.dim + config.speaker_dim
        self.encoders = UtteranceEncoders(c.input_dims, c.dim, "lstm", c.layers, c.dropout)
        self.speakers = nn.Embedding(c.max_speakers, c.speaker_dim)
        self.first = nn.Linear(node_dim, c.graph_dim)
        self.convolution = DeepGraphConvolution(c.graph_dim, c.graph_layers, c.alpha, c.eta, c.dropout)
        self.classifier = nn.Linear(len(c.modalities) * (node_dim + c.graph_dim), c.outputs)
        self.dropout = nn.Dropout(c.dropout)

    def recognise(self, dialogues: Dialogues) -> DialogueOutput:
        """Recognise the utterances of B dialogues."""
        inputs, mask, available, speakers = dialogues
        who = self.speakers(speakers.clamp_max(self.config.max_speakers - 1))
        h = {m: torch.cat([c, who], dim=-1) for m, c in self.encoders(inputs, mask).items()}

        graph = modality_graph(available)
        nodes = graph.gather(h)
        edges, weights = angular_edges(nodes, graph, self.config.between)
        first = F.relu(self.first(self.dropout(nodes)))
        g = self.convolution(first, edges, weights)

        e = torch.cat([*graph.put_back(nodes), *graph.put_back(g)], dim=-1)
        logits = self.classifier(F.relu(self.dropout(e)))
        features = dict(zip(h, graph.put_back(g), strict=True))
        return self._output(logits, features, e, mask, available)
