"""DialogueGCN (Ghosal et al. 2019): context by a GRU, then a graph whose relations are speakers and order."""

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
from emofuse.nn.bidirectional import BidirectionalRecurrent
from emofuse.nn.dialogue_graphs import edges_of, pairs_in_windows, put_back
from emofuse.nn.geometric import geometric
from emofuse.nn.matching_attention import MatchingAttention
from emofuse.nn.relational_convolution import EdgeAttention, RelationalConvolution


class DialogueGCNConfig(DialogueSystemConfig):
    """Settings of `DialogueGCN`; sizes are those of the authors' published code.

    Attributes:
        hidden: units of the GRU in each direction.
        layers: of the GRU.
        graph_dim: size of a node after the graph.
        past: p, utterances that an utterance's window has before it.
        future: f, after it.
        max_speakers: M, speakers that have relations of their own; those beyond share the last one's.
        bases: that the W_r of the 2 M² relations are made of.
        nodal_attention: each utterance attends to all of its dialogue before it is classified, Eq. 4-6.
    """

    hidden: int = Field(default=100, ge=1)
    layers: int = Field(default=2, ge=1)
    graph_dim: int = Field(default=100, ge=1)
    past: int = Field(default=10, ge=0)
    future: int = Field(default=10, ge=0)
    max_speakers: int = Field(default=9, ge=1, le=100)
    bases: int = Field(default=30, ge=1)
    nodal_attention: bool = True
    dropout: float = Field(default=0.5, ge=0.0, lt=1.0)

    @classmethod
    def tiny(cls, num_classes: int | None = None, **overrides: Any) -> DialogueGCNConfig:
        """A size for tests."""
        sizes = {"hidden": 8, "layers": 1, "graph_dim": 16, "bases": 4, "max_speakers": 3, "dropout": 0.1}
        return cls(num_classes=num_classes, **{**sizes, "nodal_attention": False, **overrides})


class SpeakerLevelEncoder(nn.Module):
    """Two layers over the directed graph of a dialogue.

    Source: §3.3.2 of the paper. Utterance i is joined to those of its window. The relation of i and j is who speaks the one,
    who the other, and which comes first:

    - h_i^(1) = ReLU(Σ_r Σ_{j ∈ N_i^r} α_ij / c_ir W_r g_j + α_ii W_0 g_i), Eq. 2
    - h_i^(2) = ReLU(Σ_{j ∈ N_i} W h_j^(1) + W_0 h_i^(1)), Eq. 3
    """

    def __init__(self, dim: int, config: DialogueGCNConfig) -> None:
        super().__init__()
        c = config
        self.past, self.future, self.max_speakers = c.past, c.future, c.max_speakers
        self.edge_attention = EdgeAttention(dim)
        self.relational = RelationalConvolution(dim, c.graph_dim, 2 * c.max_speakers**2, c.bases)
        self.second = geometric("nn").GraphConv(c.graph_dim, c.graph_dim)

    def forward(self, g: Tensor, speakers: Tensor, mask: Tensor) -> Tensor:
        """(B, N, graph_dim) of utterances (B, N, dim) by speakers (B, N), numbered from 0."""
        pairs = pairs_in_windows(mask, self.past, self.future)
        nodes, edges, relations = g[mask], edges_of(pairs, mask), self.relations(pairs, speakers)
        alpha = self.edge_attention(nodes, edges)
        loops = edges[0] == edges[1]
        edges, others = edges[:, ~loops], alpha[~loops]
        h = F.relu(self.relational(nodes, edges, relations[~loops], others, alpha[loops]))
        h = F.relu(self.second(h, edges))
        return put_back(h, mask)

    def relations(self, pairs: Tensor, speakers: Tensor) -> Tensor:
        """(E,) of the pairs (3, E): 2 (M p_i + p_j), and one more where i comes before j."""
        who = speakers.clamp_max(self.max_speakers - 1)
        rows, i, j = pairs
        return 2 * (self.max_speakers * who[rows, i] + who[rows, j]) + (i < j).long()


@register_system(
    name="dialogue-gcn",
    title="DialogueGCN",
    paper="Ghosal et al. 2019, DialogueGCN: A Graph Convolutional Neural Network for Emotion Recognition in Conversation",
    summary="A GRU for context, and a graph of the utterances around each whose relations are speakers and order.",
    scope="dialogue",
    inputs={"text": "vector", "audio": "vector", "video": "vector"},
    config=DialogueGCNConfig,
    speakers=True,
    tasks=("classification", "regression"),
    presets=("paper", "tiny"),
    citation="""
@inproceedings{ghosal2019dialoguegcn,
  title = {{DialogueGCN}: A Graph Convolutional Neural Network for Emotion Recognition in Conversation},
  author = {Ghosal, Deepanway and Majumder, Navonil and Poria, Soujanya and Chhaya, Niyati and Gelbukh, Alexander},
  booktitle = {EMNLP-IJCNLP},
  year = {2019}
}""",
)
class DialogueGCN(DialogueSystem):
    """DialogueGCN on the concatenated modalities.

    Args:
        config: see `DialogueGCNConfig`.
    """

    def __init__(self, config: DialogueGCNConfig) -> None:
        super().__init__(config)
        c = config
        self.context = BidirectionalRecurrent(
            "gru", sum(c.input_dims.values()), c.hidden, c.layers, c.dropout
        )
        self.speaker_level = SpeakerLevelEncoder(self.context.dim, c)
        states = self.context.dim + c.graph_dim
        self.attention = MatchingAttention(states, states, "general") if c.nodal_attention else None
        self.dense, self.classifier = nn.Linear(states, c.graph_dim), nn.Linear(c.graph_dim, c.outputs)
        self.dropout = nn.Dropout(c.dropout)

    def recognise(self, dialogues: Dialogues) -> DialogueOutput:
        """Recognise the utterances of B dialogues."""
        inputs, mask, available, speakers = dialogues
        g = self.context(torch.cat(list(inputs.values()), dim=-1), mask)
        h = torch.cat([g, self.speaker_level(g, speakers, mask)], dim=-1)
        if self.attention is not None:
            h = self.attention(h, h, mask.unsqueeze(1))
        hidden = F.relu(self.dense(h))
        logits = self.classifier(self.dropout(hidden))
        return self._output(logits, inputs, hidden, mask, available)
