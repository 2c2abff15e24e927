"""GS-MCC (Meng et al. 2025): what is consistent and what is complementary as low and high frequencies of a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.losses.cross_frequency import frequency_contrast
from emofuse.losses.task_losses import cross_entropy
from emofuse.models.dialogue_system import Dialogues, DialogueSystem
from emofuse.models.output import DialogueOutput
from emofuse.models.registry import register_system
from emofuse.models.system_config import DialogueSystemConfig
from emofuse.nn.angular_graph import angular_edges
from emofuse.nn.dialogue_graphs import ModalityGraph, modality_graph
from emofuse.nn.fourier_graph import FourierGraphOperators, FourierTransform, frequencies
from emofuse.nn.real_steps import RealSteps
from emofuse.nn.utterance_encoders import UtteranceEncoders


class GSMCCConfig(DialogueSystemConfig):
    """Settings of `GSMCC`.

    Attributes:
        dim: size of an utterance in every modality, and of a node; even.
        layers: of the GRU over words.
        max_speakers: speakers that have an embedding of their own; those beyond share the last.
        window: utterances to each side that a node is joined to.
        between: weight of the edges between modalities.
        epsilon: ε of both filters.
        operators: K, Fourier graph operators of each band.
        dense: units of the layer before the classifier.
        temperature: τ of the contrastive losses.
        low_weight: of the contrastive loss of the low band.
        high_weight: of that of the high band.
    """

    dim: int = Field(default=200, ge=2, multiple_of=2)
    layers: int = Field(default=2, ge=1)
    max_speakers: int = Field(default=9, ge=1)
    window: int = Field(default=10, ge=0)
    between: float = Field(default=1.0, ge=0.0)
    epsilon: float = Field(default=1.0, ge=0.0)
    operators: int = Field(default=3, ge=1)
    dense: int = Field(default=200, ge=1)
    temperature: float = Field(default=0.5, gt=0.0)
    low_weight: float = Field(default=0.1, ge=0.0)
    high_weight: float = Field(default=0.1, ge=0.0)
    dropout: float = Field(default=0.4, ge=0.0, lt=1.0)

    @classmethod
    def tiny(cls, num_classes: int, **overrides: Any) -> GSMCCConfig:
        """A size for tests."""
        sizes = {"dim": 16, "layers": 1, "operators": 2, "dense": 16, "dropout": 0.1}
        return cls(num_classes=num_classes, **{**sizes, **overrides})


@dataclass(frozen=True, kw_only=True)
class GSMCCOutput(DialogueOutput):
    """As `DialogueOutput`, with both bands.

    Attributes:
        low: modality -> (B, N, d), its nodes in the low band.
        high: the same in the high band.
    """

    low: dict[str, Tensor] = field(default_factory=dict, repr=False)
    high: dict[str, Tensor] = field(default_factory=dict, repr=False)


@register_system(
    name="gs-mcc",
    title="GS-MCC",
    paper="Meng et al. 2025, Revisiting Multimodal Emotion Recognition in Conversation from the Perspective of Graph Spectrum",
    summary="Low and high frequencies of a graph of all modalities, by Fourier graph operators, contrasted with each other.",
    scope="dialogue",
    inputs={"text": "vector", "audio": "vector", "video": "vector"},
    config=GSMCCConfig,
    speakers=True,
    presets=("paper", "tiny"),
    citation="""
@inproceedings{meng2025gsmcc,
  title = {Revisiting Multimodal Emotion Recognition in Conversation from the Perspective of Graph Spectrum},
  author = {Meng, Tao and Zhang, Fuchen and Shou, Yuntao and Ai, Wei and Yin, Nan and Li, Keqin},
  booktitle = {AAAI},
  year = {2025}
}""",
)
class GSMCC(DialogueSystem):
    """GS-MCC.

    Args:
        config: see `GSMCCConfig`.
    """

    config: GSMCCConfig

    def __init__(self, config: GSMCCConfig) -> None:
        super().__init__(config)
        c = config
        self.encoders = UtteranceEncoders(c.input_dims, c.dim, "gru", c.layers, c.dropout)
        self.speakers = nn.Embedding(c.max_speakers, c.dim)
        self.low = FourierGraphOperators(c.dim, c.operators)
        self.high = FourierGraphOperators(c.dim, c.operators)
        self.dense = nn.Linear(2 * len(c.modalities) * c.dim, c.dense)
        self.classifier = nn.Linear(c.dense, c.outputs)
        self.dropout = nn.Dropout(c.dropout)

    def recognise(self, dialogues: Dialogues) -> GSMCCOutput:
        """Recognise the utterances of B dialogues."""
        inputs, mask, available, speakers = dialogues
        who = self.speakers(speakers.clamp_max(self.config.max_speakers - 1))
        x = {m: c + who for m, c in self.encoders(inputs, mask).items()}

        graph = modality_graph(available, self.config.window, self.config.window)
        nodes = graph.gather(x)
        edges, weights = angular_edges(nodes, graph, self.config.between)
        smooth, rough = frequencies(nodes, edges, weights, self.config.epsilon)
        low, high = self._in_fourier_space(smooth, rough, graph)

        both = torch.cat([*low, *high], dim=-1)
        hidden = F.relu(self.dense(self.dropout(both)))
        logits = self.classifier(self.dropout(hidden))
        plain = self._output(logits, x, hidden, mask, available)
        bands = [dict(zip(x, band, strict=True)) for band in (low, high)]
        return GSMCCOutput(**vars(plain), low=bands[0], high=bands[1])

    def _in_fourier_space(self, smooth: Tensor, rough: Tensor, graph: ModalityGraph) -> tuple[Tensor, Tensor]:
        """Both bands (M, B, N, d): a dialogue's nodes stand one modality after another, those that are absent left out."""
        modalities = len(graph.present)
        steps = RealSteps(graph.present.transpose(0, 1).flatten(1))
        fourier = FourierTransform(steps.mask, smooth)
        bands = []
        for band, operators in ((smooth, self.low), (rough, self.high)):
            rows = steps.take(graph.put_back(band).transpose(0, 1).flatten(1, 2))
            rows = operators(rows.masked_fill(~steps.mask.unsqueeze(-1), 0.0), fourier)
            bands.append(steps.scatter_back(rows).unflatten(1, (modalities, -1)).transpose(0, 1))
        return bands[0], bands[1]

    def training_loss(
        self,
        output: DialogueOutput,
        labels: Tensor,
        class_weights: Tensor | None = None,
        present: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """L_CE, with the contrastive losses of both bands over the nodes of the batch."""
        c, found = self.config, cast(GSMCCOutput, output)
        y = labels.masked_fill(~output.mask, -1)
        task = cross_entropy(output.logits, y, class_weights)
        low, high = (torch.cat([band[m][found.present[m]] for m in band]) for band in (found.low, found.high))
        lfcl = frequency_contrast(low, high, c.temperature)
        hfcl = frequency_contrast(high, low, c.temperature)
        loss = task + c.low_weight * lfcl + c.high_weight * hfcl
        return {"loss": loss, "cross_entropy": task, "low_contrast": lfcl, "high_contrast": hfcl}
