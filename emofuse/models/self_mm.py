"""Self-MM (Yu et al. 2021): each modality learns a value of its own, which is made up while training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.losses.task_losses import wide
from emofuse.models.registry import register_system
from emofuse.models.sequence_output import SequenceOutput
from emofuse.models.sequence_system import Sequences, SequenceSystem, pooled_words
from emofuse.models.system_config import SequenceSystemConfig
from emofuse.nn.sub_networks import TextSubNetwork
from emofuse.nn.unimodal_labels import UnimodalLabels


class SelfMMConfig(SequenceSystemConfig):
    """Settings of `SelfMM`; the defaults are the authors' published ones on CMU-MOSI.

    Attributes:
        task: a regression: how labels are made is defined for values around 0.
        text_pooling: "first", the first word's vector, which of BERT is [CLS]'s, or the "mean" of all.
        audio_hidden: units of the LSTM over the sound.
        video_hidden: of that over the pictures.
        audio_out: size of the sound's features F_a.
        video_out: of the pictures'.
        fusion_dim: of the fusion's representation F*.
        text_dim_out: of the text's.
        audio_dim_out: of the sound's.
        video_dim_out: of the pictures'.
        value_limit: H, largest size of a label that is made.
        dropout: before each of the four representations.
    """

    task: Literal["classification", "regression"] = "regression"
    text_pooling: Literal["first", "mean"] = "first"
    audio_hidden: int = Field(default=16, ge=1)
    video_hidden: int = Field(default=32, ge=1)
    audio_out: int = Field(default=16, ge=1)
    video_out: int = Field(default=32, ge=1)
    fusion_dim: int = Field(default=128, ge=1)
    text_dim_out: int = Field(default=64, ge=1)
    audio_dim_out: int = Field(default=16, ge=1)
    video_dim_out: int = Field(default=32, ge=1)
    value_limit: float = Field(default=3.0, gt=0.0)
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)

    @model_validator(mode="after")
    def _check_values(self) -> SelfMMConfig:
        if self.task != "regression":
            raise ValueError("Self-MM learns values and no classes: set the task to regression")
        return self

    @classmethod
    def tiny(cls, num_classes: int | None = None, **overrides: Any) -> SelfMMConfig:
        """A size for tests."""
        sizes = {"audio_hidden": 8, "video_hidden": 8, "audio_out": 8, "video_out": 8, "fusion_dim": 16}
        own = {"text_dim_out": 8, "audio_dim_out": 8, "video_dim_out": 8}
        return cls(
            num_classes=num_classes, **{**sizes, **own, "text_pooling": "mean", "dropout": 0.0, **overrides}
        )


@dataclass(frozen=True, kw_only=True)
class SelfMMOutput(SequenceOutput):
    """As `SequenceOutput`, with what each modality alone says; `features` are its representations F_s*.

    Attributes:
        values: modality → (B,).
        row_numbers: (B,) int64, or None.
    """

    values: dict[str, Tensor] = field(default_factory=dict, repr=False)
    row_numbers: Tensor | None = field(default=None, repr=False)


@register_system(
    name="self-mm",
    title="Self-MM",
    paper="Yu et al. 2021, Learning Modality-Specific Representations with Self-Supervised Multi-Task Learning for "
    "Multimodal Sentiment Analysis",
    summary="The fusion learns the value that is given, each modality one that is made from where its features lie.",
    scope="utterance",
    inputs={"text": "steps", "audio": "steps", "video": "steps"},
    config=SelfMMConfig,
    tasks=("regression",),
    row_numbers=True,
    presets=("paper", "tiny"),
    citation="""
@inproceedings{yu2021learning,
  title = {Learning Modality-Specific Representations with Self-Supervised Multi-Task Learning for Multimodal Sentiment
           Analysis},
  author = {Yu, Wenmeng and Xu, Hua and Yuan, Ziqi and Wu, Jiele},
  booktitle = {AAAI},
  year = {2021}
}""",
)
class SelfMM(SequenceSystem):
    """Self-supervised multi-task learning.

    Args:
        config: see `SelfMMConfig`.
    """

    config: SelfMMConfig

    def __init__(self, config: SelfMMConfig) -> None:
        super().__init__(config)
        c = config
        hidden = {"audio": c.audio_hidden, "video": c.video_hidden}
        sizes = {"text": c.text_dim, "audio": c.audio_out, "video": c.video_out}
        own = {"text": c.text_dim_out, "audio": c.audio_dim_out, "video": c.video_dim_out}
        self.encoders = nn.ModuleDict(
            {
                m: TextSubNetwork(d, hidden[m], sizes[m], c.dropout)
                for m, d in c.input_dims.items()
                if m != "text"
            }
        )
        self.fusion = nn.Linear(sum(sizes[m] for m in c.modalities), c.fusion_dim)
        self.head = nn.Linear(c.fusion_dim, 1)
        self.unimodal = nn.ModuleDict({m: nn.Linear(sizes[m], own[m]) for m in c.modalities})
        self.unimodal_heads = nn.ModuleDict({m: nn.Linear(own[m], 1) for m in c.modalities})
        self.dropout = nn.Dropout(c.dropout)
        self.labels = UnimodalLabels(c.fusion_dim, {m: own[m] for m in c.modalities}, c.value_limit)

    def recognise(self, sequences: Sequences) -> SelfMMOutput:
        """Recognise B utterances.

        Training makes labels for single modalities where it has `row_numbers`, (B,) int64, by which it knows an utterance
        again.
        """
        x, steps, available, row_numbers = sequences
        f = {
            m: self.encoders[m](s, steps[m])
            if m in self.encoders
            else pooled_words(s, steps[m], self.config.text_pooling)
            for m, s in x.items()
        }
        fused = F.relu(self.fusion(self.dropout(torch.cat(list(f.values()), dim=-1))))
        own = {m: F.relu(self.unimodal[m](self.dropout(s))) for m, s in f.items()}
        values = {m: self.unimodal_heads[m](s).squeeze(-1) for m, s in own.items()}
        plain = self._output(self.head(fused), own, fused, available)
        return SelfMMOutput(**vars(plain), values=values, row_numbers=row_numbers)

    def training_loss(
        self,
        output: SequenceOutput,
        labels: Tensor,
        class_weights: Tensor | None = None,
        present: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """mean of |ŷ − y| + Σ_s W_s |ŷ_s − y_s|, W_s = tanh |y_s − y|; then labels move on."""
        o = cast(SelfMMOutput, output)
        losses = super().training_loss(output, labels, class_weights, present)
        known = ~torch.isnan(labels)
        count = known.sum().clamp_min(1)
        y = labels[known].to(wide(o.fused).dtype)
        rows = None if o.row_numbers is None else o.row_numbers[known]
        targets = dict.fromkeys(o.values, y) if rows is None else self.labels(rows, y)
        unimodal = o.fused.sum() * 0.0
        for m, value in o.values.items():
            errors = (targets[m] - y).abs().tanh() * (wide(value[known]) - targets[m]).abs()
            unimodal = unimodal + errors[o.present[m][known]].sum() / count
        if self.training and rows is not None:
            found = {m: wide(s[known]) for m, s in {"fusion": o.fused, **o.features}.items()}
            self.labels.update(rows, y, found, {m: o.present[m][known] for m in o.values})
        return losses | {"loss": losses["loss"] + unimodal, "unimodal": unimodal}
