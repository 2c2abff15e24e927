"""Late fusion: each modality's own classifier, joined by a logarithmic opinion pool (Heskes 1998, Eq. 3)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.losses.task_losses import cross_entropy
from emofuse.models.given_inputs import inputs_of, row_presence
from emofuse.models.opinion_pool import opinion_pool
from emofuse.models.output import EmotionOutput
from emofuse.models.registry import register_system
from emofuse.models.system_config import DialogueSystemConfig
from emofuse.nn.feature_scaler import FeatureScalers


class LateFusionConfig(DialogueSystemConfig):
    """Settings of `LateFusion`.

    Attributes:
        hidden: units of each classifier's hidden layer; 0 makes it linear.
        dropout: before the last layer of each classifier.
        clip: scaled features are clipped to so many standard deviations.
    """

    text_dim: int = Field(default=384, ge=1)
    hidden: int = Field(default=0, ge=0)
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    clip: float = Field(default=5.0, gt=0)

    @classmethod
    def tiny(cls, num_classes: int, **overrides: Any) -> LateFusionConfig:
        """A size for small corpora: linear classifiers."""
        return cls(num_classes=num_classes, **overrides)


@register_system(
    name="late-fusion",
    title="Late fusion",
    paper="Heskes 1998, Selecting Weighting Factors in Logarithmic Opinion Pools",
    summary="A classifier for each modality, joined by a logarithmic opinion pool whose weights are learnt.",
    scope="utterance",
    inputs={"text": "vector", "audio": "vector", "video": "vector"},
    config=LateFusionConfig,
    presets=("tiny",),
    citation="""
@inproceedings{heskes1998selecting,
  title = {Selecting Weighting Factors in Logarithmic Opinion Pools},
  author = {Heskes, Tom},
  booktitle = {NIPS},
  year = {1998}
}""",
)
class LateFusion(nn.Module):
    """Experts that know one modality each; what is missing has no say.

    With p_m(y) of expert m, softened by its temperature τ_m: log p(y) = Σ_m w_m log p_m(y) + const. The weights are
    softplus(trust_m), and 1 at first. They are learnt from the fused cross-entropy, through which no gradient reaches
    the experts: each is trained on its own cross-entropy.

    Args:
        config: see `LateFusionConfig`.
    """

    temperature: Tensor

    def __init__(self, config: LateFusionConfig) -> None:
        super().__init__()
        self.config = config
        self.scalers = FeatureScalers(config.input_dims)
        for m in config.modalities:
            self.scalers[m].clip = config.clip
        self.experts = nn.ModuleDict({m: self._expert(size) for m, size in config.input_dims.items()})
        one = math.log(math.expm1(1.0))  # of softplus
        self.trust = nn.ParameterDict({m: nn.Parameter(torch.tensor(one)) for m in config.modalities})
        self.register_buffer("temperature", torch.ones(len(config.modalities)))

    def _expert(self, size: int) -> nn.Module:
        c = self.config
        if not c.hidden:
            return nn.Sequential(nn.Dropout(c.dropout), nn.Linear(size, c.outputs))
        return nn.Sequential(
            nn.Linear(size, c.hidden), nn.ReLU(), nn.Dropout(c.dropout), nn.Linear(c.hidden, c.outputs)
        )

    def forward(
        self,
        text: Tensor | None = None,
        audio: Tensor | None = None,
        video: Tensor | None = None,
        present: Mapping[str, Tensor] | None = None,
    ) -> EmotionOutput:
        """Recognise B utterances from vectors (B, d_m).

        Args:
            text: (B, text_dim) or None.
            audio: (B, audio_dim) or None.
            video: (B, video_dim) or None.
            present: modality -> (B,) bool; a row without any gets equal logits.

        Returns:
            Fused log-probabilities up to a constant as ``logits``; each expert's logits as ``features``.

        Raises:
            EmofuseError: for no input at all.
        """
        inputs = inputs_of(self.config.modalities, text, audio, video)
        dropout = self.config.modality_dropout if self.training else 0.0
        available = row_presence(inputs, present or {}, dropout)
        experts: dict[str, Tensor] = {m: self._logits(m, x, available[m]) for m, x in inputs.items()}
        return EmotionOutput(
            logits=self.pool_of_experts(experts, available), features=experts, present=available
        )

    def _logits(self, m: str, x: Tensor | None, available: Tensor) -> Tensor:
        if x is None:
            x = self.scalers[m].mean.expand(available.shape[0], -1)
        scaled = self.scalers[m](x.to(self.scalers[m].mean.dtype), available)
        dropped = F.dropout(scaled, self.config.feature_dropout, self.training)
        logits: Tensor = self.experts[m](dropped)
        return logits.masked_fill(~available.unsqueeze(-1), 0.0)

    def pool_of_experts(
        self,
        experts: Mapping[str, Tensor],
        available: Mapping[str, Tensor],
        unlikeness: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """The logarithmic opinion pool of this system's weights; see :func:`emofuse.models.opinion_pool.opinion_pool`.

        Args:
            experts: modality → (B, C) logits.
            available: modality → (B,) bool.
            unlikeness: modality → (B,), or None for inputs like the training data.

        Returns:
            (B, C) log-probabilities up to a constant.
        """
        return opinion_pool(experts, available, *self.pool_settings(), unlikeness)

    def pool_settings(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Modality → the weight of its expert, and modality → its temperature."""
        names = [str(m) for m in self.config.modalities]
        return {m: F.softplus(self.trust[m]) for m in names}, dict(zip(names, self.temperature, strict=True))

    def training_loss(
        self,
        output: EmotionOutput,
        labels: Tensor,
        class_weights: Tensor | None = None,
        present: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Cross-entropy of each expert on the rows that have its modality, and of the pool.

        Args:
            output: of `forward`.
            labels: (B,) class numbers, negative where there is none.
            class_weights: (C,) or None.
            present: not needed; ``output.present`` says it.

        Returns:
            "loss", "fused" and one part for each modality.
        """
        parts = {
            m: cross_entropy(logits, labels.masked_fill(~output.present[m], -1), class_weights)
            for m, logits in output.features.items()
        }
        parts["fused"] = cross_entropy(output.logits, labels, class_weights)
        return {"loss": torch.stack(list(parts.values())).sum(), **parts}
