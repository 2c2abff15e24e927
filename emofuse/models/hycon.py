"""HyCon (Mai et al. 2022): modalities brought together by contrast, within, between and across utterances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.losses.hybrid_contrastive import HybridContrastiveLoss
from emofuse.models.registry import register_system
from emofuse.models.sequence_output import SequenceOutput
from emofuse.models.sequence_system import Sequences, SequenceSystem, pooled_words
from emofuse.models.system_config import SequenceSystemConfig
from emofuse.nn.sub_networks import TextSubNetwork


class HyConConfig(SequenceSystemConfig):
    """Settings of `HyCon`.

    Attributes:
        text_pooling: "first", the first word's vector, which of BERT is [CLS]'s, or the "mean" of all.
        hidden: units of the LSTMs over sound and pictures.
        dim: of every modality's representation.
        fusion_dim: units of the layer after the fusion.
        class_width: values are of one class that are rounded to the same multiple of it.
        margin: λ of the contrastive losses, see `HybridContrastiveLoss` for this and the next four.
        modality_margin: by which it is smaller between modalities.
        selection: ε of the pair selection.
        temperature: τ of the pairs' weights.
        refinement: ρ of the refinement term.
        intra_weight: of the intra-modal loss.
        inter_weight: of the inter-modal loss.
        semi_weight: of the semi-contrastive loss.
        dropout: before each representation, and before the output.
    """

    text_pooling: Literal["first", "mean"] = "first"
    hidden: int = Field(default=64, ge=1)
    dim: int = Field(default=64, ge=1)
    fusion_dim: int = Field(default=128, ge=1)
    class_width: float = Field(default=1.0, gt=0.0)
    margin: float = Field(default=0.4, ge=0.0)
    modality_margin: float = Field(default=0.2, ge=0.0)
    selection: float = Field(default=0.1, ge=0.0)
    temperature: float = Field(default=0.1, gt=0.0)
    refinement: float = Field(default=0.1, ge=0.0)
    intra_weight: float = Field(default=0.1, ge=0.0)
    inter_weight: float = Field(default=0.1, ge=0.0)
    semi_weight: float = Field(default=0.1, ge=0.0)
    dropout: float = Field(default=0.2, ge=0.0, lt=1.0)

    @classmethod
    def tiny(cls, num_classes: int | None = None, **overrides: Any) -> HyConConfig:
        """A size for tests."""
        sizes = {"hidden": 8, "dim": 8, "fusion_dim": 16, "text_pooling": "mean", "dropout": 0.0}
        return cls(num_classes=num_classes, **{**sizes, **overrides})


@register_system(
    name="hycon",
    title="HyCon",
    paper="Mai et al. 2022, Hybrid Contrastive Learning of Tri-Modal Representation for Multimodal Sentiment Analysis",
    summary="Contrast within a modality, between modalities, and between the modalities of one utterance.",
    scope="utterance",
    inputs={"text": "steps", "audio": "steps", "video": "steps"},
    config=HyConConfig,
    tasks=("classification", "regression"),
    presets=("paper", "tiny"),
    citation="""
@article{mai2022hybrid,
  title = {Hybrid Contrastive Learning of Tri-Modal Representation for Multimodal Sentiment Analysis},
  author = {Mai, Sijie and Zeng, Ying and Zheng, Shuangjia and Hu, Haifeng},
  journal = {IEEE Transactions on Affective Computing},
  year = {2022}
}""",
)
class HyCon(SequenceSystem):
    """Hybrid contrastive learning.

    Args:
        config: see `HyConConfig`.
    """

    config: HyConConfig

    def __init__(self, config: HyConConfig) -> None:
        super().__init__(config)
        c = config
        self.encoders = nn.ModuleDict(
            {
                m: nn.Linear(d, c.dim) if m == "text" else TextSubNetwork(d, c.hidden, c.dim, c.dropout)
                for m, d in c.input_dims.items()
            }
        )
        self.fusion = nn.Linear(len(c.modalities) * c.dim, c.fusion_dim)
        self.head = nn.Linear(c.fusion_dim, c.outputs)
        self.dropout = nn.Dropout(c.dropout)
        self.contrast = HybridContrastiveLoss(
            c.margin, c.modality_margin, c.selection, c.temperature, c.refinement
        )

    def recognise(self, sequences: Sequences) -> SequenceOutput:
        """Recognise B utterances."""
        x, steps, available, _ = sequences
        f = {m: self._encode(m, s, steps[m]) for m, s in x.items()}
        f = {m: s.masked_fill(~available[m].unsqueeze(-1), 0.0) for m, s in f.items()}
        fused = F.relu(self.fusion(torch.cat(list(f.values()), dim=-1)))
        return self._output(self.head(self.dropout(fused)), f, fused, available)

    def _encode(self, m: str, x: Tensor, mask: Tensor) -> Tensor:
        if m != "text":
            return cast(Tensor, self.encoders[m](x, mask))
        return cast(Tensor, self.encoders[m](self.dropout(pooled_words(x, mask, self.config.text_pooling))))

    def training_loss(
        self,
        output: SequenceOutput,
        labels: Tensor,
        class_weights: Tensor | None = None,
        present: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """The task's loss and the three contrastive ones, weighed."""
        c = self.config
        losses = super().training_loss(output, labels, class_weights, present)
        parts = self.contrast(output.features, self._classes(labels), output.present)
        loss = losses["loss"] + c.intra_weight * parts["intra"]
        loss = loss + c.inter_weight * parts["inter"] + c.semi_weight * parts["semi"]
        return losses | {"loss": loss, **parts}

    def _classes(self, labels: Tensor) -> Tensor:
        """(B,) the classes, or those of values, numbered from 0 by the smallest of the batch; −1 for none."""
        if self.config.task == "classification":
            return labels
        known = ~torch.isnan(labels)
        near = torch.round(labels / self.config.class_width)
        lowest = near[known].min() if bool(known.any()) else near.new_zeros(())
        return torch.where(known, near - lowest, -1.0).long()
