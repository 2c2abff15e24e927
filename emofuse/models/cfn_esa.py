"""CFN-ESA (Li et al. 2024): fusion centred on words, and a task of telling shifts of emotion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.losses.task_losses import cross_entropy
from emofuse.models.dialogue_system import Dialogues, DialogueSystem
from emofuse.models.output import DialogueOutput
from emofuse.models.registry import register_system
from emofuse.models.system_config import DialogueSystemConfig
from emofuse.nn.emotion_shift import ACMELayer, EmotionShift, RUMELayer


class CFNESAConfig(DialogueSystemConfig):
    """Settings of `CFNESA`; the defaults are those of the authors' published code for MELD.

    Attributes:
        dim: size of everything inside.
        rume_layers: of the encoder of each modality.
        acme_layers: of the encoder between modalities.
        heads: of its attentions.
        rume_dropout: in the encoder of each modality.
        shift_dim: units of the emotion-shift module.
        shift_dropout: in it.
        shift_weight: λ, of its loss.
    """

    dim: int = Field(default=384, ge=1)
    rume_layers: int = Field(default=2, ge=1)
    acme_layers: int = Field(default=3, ge=1)
    heads: int = Field(default=8, ge=1)
    rume_dropout: float = Field(default=0.15, ge=0.0, lt=1.0)
    shift_dim: int = Field(default=128, ge=1)
    shift_dropout: float = Field(default=0.05, ge=0.0, lt=1.0)
    shift_weight: float = Field(default=0.9, ge=0.0)
    dropout: float = Field(default=0.3, ge=0.0, lt=1.0)

    @model_validator(mode="after")
    def _check_heads(self) -> CFNESAConfig:
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is not a multiple of heads {self.heads}")
        return self

    @classmethod
    def tiny(cls, num_classes: int, **overrides: Any) -> CFNESAConfig:
        """A size for tests."""
        sizes = {"dim": 16, "rume_layers": 1, "acme_layers": 1, "heads": 2, "shift_dim": 8, "dropout": 0.1}
        return cls(num_classes=num_classes, **{**sizes, **overrides})


@dataclass(frozen=True, kw_only=True)
class CFNESAOutput(DialogueOutput):
    """As `DialogueOutput`, with what the emotion-shift module says while training.

    Attributes:
        shift_first: (B, N, shift_dim), an utterance as the first of two, see `EmotionShift`; None outside training.
        shift_second: the same as the second.
    """

    shift_first: Tensor | None = field(default=None, repr=False)
    shift_second: Tensor | None = field(default=None, repr=False)


@register_system(
    name="cfn-esa",
    title="CFN-ESA",
    paper="Li et al. 2024, CFN-ESA: A Cross-Modal Fusion Network with Emotion-Shift Awareness for Dialogue Emotion "
    "Recognition",
    summary="Recurrent encoders, attention between words and the other modalities, and a task of telling shifts of emotion.",
    scope="dialogue",
    inputs={"text": "vector", "audio": "vector", "video": "vector"},
    config=CFNESAConfig,
    presets=("paper", "tiny"),
    citation="""
@article{li2024cfnesa,
  title = {{CFN-ESA}: A Cross-Modal Fusion Network with Emotion-Shift Awareness for Dialogue Emotion Recognition},
  author = {Li, Jiang and Wang, Xiaoping and Liu, Yingjian and Zeng, Zhigang},
  journal = {IEEE Transactions on Affective Computing},
  year = {2024}
}""",
)
class CFNESA(DialogueSystem):
    """CFN-ESA.

    Args:
        config: see `CFNESAConfig`.
    """

    config: CFNESAConfig

    def __init__(self, config: CFNESAConfig) -> None:
        super().__init__(config)
        c, names = config, config.modalities  # words come first among them
        self.projections = nn.ModuleDict({m: nn.Linear(d, c.dim) for m, d in c.input_dims.items()})
        self.rume = nn.ModuleList(RUMELayer(c.dim, c.rume_dropout) for _ in range(c.rume_layers))
        self.acme = nn.ModuleList(ACMELayer(names, c.dim, c.heads, c.dropout) for _ in range(c.acme_layers))
        self.combine = nn.Linear(len(names) * c.dim, c.dim)
        self.shift = EmotionShift(c.dim, c.shift_dim, c.shift_dropout)
        self.classifier = nn.Linear(c.dim, c.outputs)
        self.dropout = nn.Dropout(c.dropout)

    def recognise(self, dialogues: Dialogues) -> CFNESAOutput:
        """Recognise the utterances of B dialogues."""
        inputs, mask, available, _ = dialogues
        x = {m: self._in_context(self.projections[m](u), mask) for m, u in inputs.items()}
        z, features = self._across(x, available)
        plain = self._output(self.classifier(z), features, z, mask, available)
        if not self.training:
            return CFNESAOutput(**vars(plain))
        first, second = self.shift.halves(z, self._across(x, available)[0])
        return CFNESAOutput(**vars(plain), shift_first=first, shift_second=second)

    def _in_context(self, x: Tensor, mask: Tensor) -> Tensor:
        for layer in self.rume:
            x = layer(x, mask)
        return x

    def _across(
        self, x: Mapping[str, Tensor], available: Mapping[str, Tensor]
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """z (B, N, dim), and the modalities that it is made of."""
        for layer in self.acme:
            x = layer(x, available)
        parts = [h.masked_fill(~available[m].unsqueeze(-1), 0.0) for m, h in x.items()]
        return self.dropout(F.relu(self.combine(torch.cat(parts, dim=-1)))), x

    def training_loss(
        self,
        output: DialogueOutput,
        labels: Tensor,
        class_weights: Tensor | None = None,
        present: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """L_CE + λ L_shift: the emotions, and for all pairs of labelled utterances of a dialogue whether they are the same."""
        y = labels.masked_fill(~output.mask, -1)
        task = cross_entropy(output.logits, y, class_weights)
        found = cast(CFNESAOutput, output)
        if found.shift_first is None or found.shift_second is None:
            return {"loss": task, "cross_entropy": task}
        shift = cross_entropy(self.shift(found.shift_first, found.shift_second), shift_labels(y))
        return {"loss": task + self.config.shift_weight * shift, "cross_entropy": task, "shift": shift}


def shift_labels(labels: Tensor) -> Tensor:
    """(B, N, N): 1 where two utterances have different labels (B, N), 0 where the same, -1 where one has none."""
    known = labels >= 0
    different = (labels.unsqueeze(2) != labels.unsqueeze(1)).long()
    return different.masked_fill(~(known.unsqueeze(2) & known.unsqueeze(1)), -1)
