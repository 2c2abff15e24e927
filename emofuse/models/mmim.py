"""MMIM (Han et al. 2021): what modalities share with each other and with their fusion, kept by bounds on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from emofuse.losses.mutual_information import ContrastivePrediction, EntropyMemory, GaussianConditional
from emofuse.models.registry import register_system
from emofuse.models.sequence_output import SequenceOutput
from emofuse.models.sequence_system import Sequences, SequenceSystem, pooled_words
from emofuse.models.system_config import SequenceSystemConfig
from emofuse.nn.sub_networks import TextSubNetwork

# Whose information about whom is bounded from below; the last where the setting asks for it.
_PAIRS = (("text", "video"), ("text", "audio"), ("video", "audio"))


class MMIMConfig(SequenceSystemConfig):
    """Settings of `MMIM`; the defaults are those of the authors' published code.

    Attributes:
        text_pooling: "first", the first word's vector, which of BERT is [CLS]'s, or the "mean" of all.
        audio_hidden: units of the LSTM over the sound.
        video_hidden: of that over the pictures.
        audio_out: size of the sound's representation.
        video_out: of the pictures'.
        fusion_dim: of the fusion Z.
        video_audio: bound what pictures and sound share too; always where there is no text.
        memory: rows of each class that the entropy is estimated with, beside those of the batch.
        cpc_weight: α.
        information_weight: β, of the lower bounds.
        dropout: before the fusion.
    """

    text_pooling: Literal["first", "mean"] = "first"
    audio_hidden: int = Field(default=16, ge=1)
    video_hidden: int = Field(default=16, ge=1)
    audio_out: int = Field(default=16, ge=1)
    video_out: int = Field(default=16, ge=1)
    fusion_dim: int = Field(default=128, ge=1)
    video_audio: bool = False
    memory: int = Field(default=64, ge=1)
    cpc_weight: float = Field(default=0.1, ge=0.0)
    information_weight: float = Field(default=0.1, ge=0.0)
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)

    @classmethod
    def tiny(cls, num_classes: int | None = None, **overrides: Any) -> MMIMConfig:
        """A size for tests."""
        sizes = {"audio_hidden": 8, "video_hidden": 8, "audio_out": 8, "video_out": 8, "fusion_dim": 16}
        return cls(
            num_classes=num_classes,
            **{**sizes, "text_pooling": "mean", "memory": 8, "dropout": 0.0, **overrides},
        )

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """(x, y): y is predicted from x."""
        several = self.video_audio or "text" not in self.modalities
        pairs = _PAIRS if several else _PAIRS[:2]
        return [(x, y) for x, y in pairs if x in self.modalities and y in self.modalities]


@register_system(
    name="mmim",
    title="MMIM",
    paper="Han et al. 2021, Improving Multimodal Fusion with Hierarchical Mutual Information Maximization for Multimodal "
    "Sentiment Analysis",
    summary="Lower bounds on what modalities share with each other, and on what their fusion keeps of each.",
    scope="utterance",
    inputs={"text": "steps", "audio": "steps", "video": "steps"},
    config=MMIMConfig,
    tasks=("classification", "regression"),
    presets=("paper", "tiny"),
    citation="""
@inproceedings{han2021improving,
  title = {Improving Multimodal Fusion with Hierarchical Mutual Information Maximization for Multimodal Sentiment Analysis},
  author = {Han, Wei and Chen, Hui and Poria, Soujanya},
  booktitle = {EMNLP},
  year = {2021}
}""",
)
class MMIM(SequenceSystem):
    """Hierarchical mutual information maximisation.

    Args:
        config: see `MMIMConfig`.
    """

    config: MMIMConfig

    def __init__(self, config: MMIMConfig) -> None:
        super().__init__(config)
        c = config
        hidden = {"audio": c.audio_hidden, "video": c.video_hidden}
        sizes = {"text": c.text_dim, "audio": c.audio_out, "video": c.video_out}
        self.encoders = nn.ModuleDict(
            {m: TextSubNetwork(d, hidden[m], sizes[m], 0.0) for m, d in c.input_dims.items() if m != "text"}
        )
        self.linear_1 = nn.Linear(sum(sizes[m] for m in c.modalities), c.fusion_dim)
        self.linear_2 = nn.Linear(c.fusion_dim, c.fusion_dim)
        self.head = nn.Linear(c.fusion_dim, c.outputs)
        self.dropout = nn.Dropout(c.dropout)
        self.conditionals = nn.ModuleDict(
            {f"{x}_{y}": GaussianConditional(sizes[x], sizes[y]) for x, y in c.pairs}
        )
        # A value has two classes: what lies above 0 and what lies below.
        self.entropies = nn.ModuleDict(
            {f"{x}_{y}": EntropyMemory(sizes[y], c.num_classes or 2, c.memory) for x, y in c.pairs}
        )
        self.predictions = nn.ModuleDict(
            {m: ContrastivePrediction(sizes[m], c.fusion_dim) for m in c.modalities}
        )

    def recognise(self, sequences: Sequences) -> SequenceOutput:
        """Recognise B utterances."""
        x, steps, available, _ = sequences
        h = {
            m: self.encoders[m](s, steps[m])
            if m in self.encoders
            else pooled_words(s, steps[m], self.config.text_pooling)
            for m, s in x.items()
        }
        together = self.dropout(torch.cat(list(h.values()), dim=-1))
        fused = torch.tanh(self.linear_2(torch.tanh(self.linear_1(together))))
        return self._output(self.head(fused), h, fused, available)

    def training_loss(
        self,
        output: SequenceOutput,
        labels: Tensor,
        class_weights: Tensor | None = None,
        present: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """L_task + α Σ_m L_CPC(Z, m) − β Σ I_BA, and the negative likelihood by which each q is fitted.

        The paper goes through the data twice in each epoch: once for the q alone, once for everything else. Here both
        happen in each step: to a q its features are constants, to the features the q are.
        """
        c, h, there = self.config, output.features, output.present
        losses = super().training_loss(output, labels, class_weights, present)
        zero = output.fused.sum() * 0.0
        parts = {"cpc": zero, "likelihood": zero, "entropy": zero, "fit": zero}
        for m, prediction in self.predictions.items():
            parts["cpc"] = parts["cpc"] + prediction(h[m][there[m]], output.fused[there[m]])
        classes = self._classes(labels)
        for a, b in c.pairs:
            q, entropy, both = (
                self.conditionals[f"{a}_{b}"],
                self.entropies[f"{a}_{b}"],
                there[a] & there[b],
            )
            x, y = h[a][both], h[b][both]
            parts["fit"] = parts["fit"] - q(x.detach(), y.detach())
            parts["likelihood"] = parts["likelihood"] + q.frozen(x, y)  # type: ignore[operator]
            parts["entropy"] = parts["entropy"] + entropy(y, classes[both])
            if self.training:
                entropy.remember(y, classes[both])  # type: ignore[operator]
        information = parts["likelihood"] + parts["entropy"]
        loss = losses["loss"] + c.cpc_weight * parts["cpc"] - c.information_weight * information
        return losses | {"loss": loss + parts["fit"], **parts}

    def _classes(self, labels: Tensor) -> Tensor:
        """(B,) the classes, or of values 1 above 0, 0 below; −1 for neither."""
        if self.config.task == "classification":
            return labels
        return torch.where(labels > 0, 1, torch.where(labels < 0, 0, -1))
