"""M3NET (Chen et al. 2023): hyperedges for relations of many, and messages of high and of low frequency."""

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
from emofuse.nn.dialogue_graphs import ModalityGraph, modality_graph
from emofuse.nn.geometric import geometric
from emofuse.nn.hypergraph import HypergraphConvolution, HypergraphWeights, dialogue_hypergraph
from emofuse.nn.utterance_encoders import UtteranceEncoders


class M3NetConfig(DialogueSystemConfig):
    """Settings of `M3Net`.

    Attributes:
        dim: size of an utterance in every modality, and of a node; even.
        layers: of the GRU over words.
        max_speakers: speakers that have an embedding of their own; those beyond share the last.
        hyper_layers: hypergraph convolutions, L.
        frequency_layers: layers of multi-frequency propagation, K.
        places: places in a dialogue whose nodes have a weight of their own in their contextual hyperedge.
        dense: units of the layer before the classifier.
    """

    dim: int = Field(default=512, ge=2, multiple_of=2)
    layers: int = Field(default=2, ge=1)
    max_speakers: int = Field(default=9, ge=1)
    hyper_layers: int = Field(default=3, ge=1)
    frequency_layers: int = Field(default=4, ge=1)
    places: int = Field(default=110, ge=1)
    dense: int = Field(default=512, ge=1)
    dropout: float = Field(default=0.5, ge=0.0, lt=1.0)

    @classmethod
    def tiny(cls, num_classes: int | None = None, **overrides: Any) -> M3NetConfig:
        """A size for tests."""
        sizes = {"dim": 16, "layers": 1, "hyper_layers": 2, "frequency_layers": 2, "places": 4, "dense": 16}
        return cls(num_classes=num_classes, **{**sizes, "dropout": 0.1, **overrides})


class MultiFrequencyPropagation(nn.Module):
    """f_i^(k) = f_i^(k-1) + Σ_j s_ij / √(|N_i| |N_j|) f_j^(k-1), with s_ij = tanh(wᵀ [f_i; f_j]).

    Source: M3NET, Eq. 7-10. s_ij is the difference of the weights of low and of high frequencies. A node's neighbours are
    those of its modality in its dialogue, and its utterance's in other modalities.
    """

    def __init__(self, dim: int, layers: int) -> None:
        super().__init__()
        adaptive = geometric("nn").FAConv
        self.layers = nn.ModuleList(adaptive(dim, eps=1.0, add_self_loops=False) for _ in range(layers))

    def forward(self, f: Tensor, graph: ModalityGraph) -> Tensor:
        """(V, dim) of nodes (V, dim)."""
        sources, targets = graph.within
        edges = torch.cat([graph.within[:, sources != targets], graph.between], dim=1)
        for layer in self.layers:
            f = layer(f, f, edges)
        return f


@register_system(
    name="m3net",
    title="M3NET",
    paper="Chen et al. 2023, Multivariate, Multi-frequency and Multimodal: Rethinking Graph Neural Networks for Emotion "
    "Recognition in Conversation",
    summary="A hypergraph over modalities and contexts beside a graph whose messages are of high and low frequency.",
    scope="dialogue",
    inputs={"text": "vector", "audio": "vector", "video": "vector"},
    config=M3NetConfig,
    speakers=True,
    tasks=("classification", "regression"),
    presets=("paper", "tiny"),
    citation="""
@inproceedings{chen2023m3net,
  title = {Multivariate, Multi-Frequency and Multimodal: Rethinking Graph Neural Networks for Emotion Recognition in
           Conversation},
  author = {Chen, Feiyu and Shao, Jie and Zhu, Shuyuan and Shen, Heng Tao},
  booktitle = {CVPR},
  year = {2023}
}""",
)
class M3Net(DialogueSystem):
    """M3NET.

    Args:
        config: see `M3NetConfig`.
    """

    config: M3NetConfig

    def __init__(self, config: M3NetConfig) -> None:
        super().__init__(config)
        c, count = config, len(config.modalities)
        self.encoders = UtteranceEncoders(c.input_dims, c.dim, "gru", c.layers, c.dropout)
        self.speakers = nn.Embedding(c.max_speakers, c.dim)
        self.first = nn.Linear(c.dim, c.dim)
        self.weights = HypergraphWeights(count, c.places)
        self.hypergraph_convolution = HypergraphConvolution()
        self.frequencies = MultiFrequencyPropagation(c.dim, c.frequency_layers)
        self.dense, self.classifier = nn.Linear(2 * count * c.dim, c.dense), nn.Linear(c.dense, c.outputs)
        self.dropout = nn.Dropout(c.dropout)

    def recognise(self, dialogues: Dialogues) -> DialogueOutput:
        """Recognise the utterances of B dialogues."""
        inputs, mask, available, speakers = dialogues
        who = self.speakers(speakers.clamp_max(self.config.max_speakers - 1))
        x = {m: c + who for m, c in self.encoders(inputs, mask).items()}

        graph = modality_graph(available)
        nodes = self.first(graph.gather(x))
        v, f = self._multivariate(nodes, graph), self.frequencies(nodes, graph)

        fused = graph.put_back(torch.cat([v, f], dim=-1))
        hidden = F.relu(self.dense(self.dropout(torch.cat(list(fused), dim=-1))))
        logits = self.classifier(self.dropout(hidden))
        return self._output(logits, dict(zip(x, fused, strict=True)), hidden, mask, available)

    def _multivariate(self, v: Tensor, graph: ModalityGraph) -> Tensor:
        hypergraph = dialogue_hypergraph(graph)
        omega, gamma = self.weights(hypergraph)
        for _ in range(self.config.hyper_layers):
            v = self.hypergraph_convolution(v, hypergraph, omega, gamma)
        return v
