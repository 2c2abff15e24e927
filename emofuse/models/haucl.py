"""HAUCL (Yi et al. 2024): a hypergraph that an autoencoder reconnects, twice, and a contrast of the two results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.losses.task_losses import cross_entropy
from emofuse.losses.two_views import two_view_contrast
from emofuse.models.dialogue_system import Dialogues, DialogueSystem
from emofuse.models.output import DialogueOutput
from emofuse.models.registry import register_system
from emofuse.models.system_config import DialogueSystemConfig
from emofuse.nn.dialogue_graphs import modality_graph
from emofuse.nn.hypergraph import HypergraphConvolution, dialogue_hypergraph
from emofuse.nn.hypergraph_autoencoder import HypergraphAutoencoder, reconstruction_by_utterance
from emofuse.nn.utterance_encoders import UtteranceEncoders


class HAUCLConfig(DialogueSystemConfig):
    """Settings of `HAUCL`.

    Attributes:
        dim: size of an utterance in every modality, and of a node; even.
        layers: of the GRU over words.
        max_speakers: speakers that have an embedding of their own; those beyond share the last.
        hidden: of the autoencoder.
        gumbel_temperature: of its Gumbel-softmax.
        temperature: τ of the contrast.
        contrast_weight: of the contrast in the loss.
        reconstruction_weight: of the autoencoder's loss.
        dense: units of the layer before the classifier.
    """

    dim: int = Field(default=512, ge=2, multiple_of=2)
    layers: int = Field(default=2, ge=1)
    max_speakers: int = Field(default=9, ge=1)
    hidden: int = Field(default=128, ge=1)
    gumbel_temperature: float = Field(default=0.1, gt=0)
    temperature: float = Field(default=0.5, gt=0)
    contrast_weight: float = Field(default=0.1, ge=0)
    reconstruction_weight: float = Field(default=0.1, ge=0)
    dense: int = Field(default=512, ge=1)
    dropout: float = Field(default=0.5, ge=0.0, lt=1.0)

    @classmethod
    def tiny(cls, num_classes: int, **overrides: Any) -> HAUCLConfig:
        """A size for tests."""
        sizes = {"dim": 16, "layers": 1, "hidden": 8, "dense": 16, "dropout": 0.1}
        return cls(num_classes=num_classes, **{**sizes, **overrides})


@dataclass(frozen=True, kw_only=True)
class HAUCLOutput(DialogueOutput):
    """As `DialogueOutput`, with what the losses look at.

    Attributes:
        one: modality -> (B, N, d), its nodes in the first hypergraph.
        other: the same in the second.
        reconstruction: modality -> (B, N), the autoencoder's loss of its nodes, the mean of both.
    """

    one: dict[str, Tensor] = field(default_factory=dict, repr=False)
    other: dict[str, Tensor] = field(default_factory=dict, repr=False)
    reconstruction: dict[str, Tensor] = field(default_factory=dict, repr=False)


@register_system(
    name="haucl",
    title="HAUCL",
    paper="Yi et al. 2024, Multimodal Fusion via Hypergraph Autoencoder and Contrastive Learning for Emotion Recognition in "
    "Conversation",
    summary="A hypergraph over modalities and contexts, reconnected twice by a variational autoencoder, and their contrast.",
    scope="dialogue",
    inputs={"text": "vector", "audio": "vector", "video": "vector"},
    config=HAUCLConfig,
    speakers=True,
    presets=("paper", "tiny"),
    citation="""
@inproceedings{yi2024haucl,
  title = {Multimodal Fusion via Hypergraph Autoencoder and Contrastive Learning for Emotion Recognition in Conversation},
  author = {Yi, Zijian and Zhao, Ziming and Shen, Zhishu and Zhang, Tiehua},
  booktitle = {ACM Multimedia},
  year = {2024}
}""",
)
class HAUCL(DialogueSystem):
    """HAUCL.

    Args:
        config: see `HAUCLConfig`.
    """

    config: HAUCLConfig

    def __init__(self, config: HAUCLConfig) -> None:
        super().__init__(config)
        c, count = config, len(config.modalities)
        self.encoders = UtteranceEncoders(c.input_dims, c.dim, "gru", c.layers, c.dropout)
        self.speakers = nn.Embedding(c.max_speakers, c.dim)
        self.first = nn.Linear(c.dim, c.dim)
        self.autoencoder = HypergraphAutoencoder(c.dim, c.hidden, c.gumbel_temperature)
        self.convolution = HypergraphConvolution()
        self.dense = nn.Linear(2 * count * c.dim, c.dense)
        self.classifier = nn.Linear(c.dense, c.outputs)
        self.dropout = nn.Dropout(c.dropout)

    def recognise(self, dialogues: Dialogues) -> HAUCLOutput:
        """Recognise the utterances of B dialogues."""
        inputs, mask, available, speakers = dialogues
        who = self.speakers(speakers.clamp_max(self.config.max_speakers - 1))
        x = {m: c + who if m == "text" else c for m, c in self.encoders(inputs, mask).items()}

        graph = modality_graph(available)
        hypergraph, nodes = dialogue_hypergraph(graph), graph.gather(x)
        features = self.first(nodes)
        views, losses = [], []
        for _ in range(2):
            belonging, loss = self.autoencoder(features, hypergraph)
            views.append(self.convolution(features, hypergraph, belonging, belonging))
            losses.append(loss)

        both = graph.put_back(torch.cat([nodes, views[0] + views[1]], dim=-1))
        hidden = F.relu(self.dense(self.dropout(torch.cat(list(both), dim=-1))))
        logits = self.classifier(self.dropout(hidden))
        plain = self._output(logits, dict(zip(x, both, strict=True)), hidden, mask, available)
        one, other = (dict(zip(x, graph.put_back(view), strict=True)) for view in views)
        mean = reconstruction_by_utterance((losses[0] + losses[1]) / 2, graph, list(x))
        return HAUCLOutput(**vars(plain), one=one, other=other, reconstruction=mean)

    def training_loss(
        self,
        output: DialogueOutput,
        labels: Tensor,
        class_weights: Tensor | None = None,
        present: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """L_CE, with the contrast of the two hypergraphs and the autoencoder's loss over the nodes of the batch."""
        c, found = self.config, cast(HAUCLOutput, output)
        task = cross_entropy(output.logits, labels.masked_fill(~output.mask, -1), class_weights)
        one, other, losses = (
            torch.cat([part[m][found.present[m]] for m in part])
            for part in (found.one, found.other, found.reconstruction)
        )
        contrast = two_view_contrast(one, other, c.temperature)
        reconstruction = losses.sum() / max(1, len(losses))
        loss = task + c.contrast_weight * contrast + c.reconstruction_weight * reconstruction
        return {"loss": loss, "cross_entropy": task, "contrast": contrast, "reconstruction": reconstruction}
