"""MISA (Hazarika et al. 2020): each modality in a space shared by all and in one of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Literal, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.losses.central_moments import central_moment_discrepancy
from emofuse.losses.difference import difference
from emofuse.losses.task_losses import wide
from emofuse.models.registry import register_system
from emofuse.models.sequence_output import SequenceOutput
from emofuse.models.sequence_system import Sequences, SequenceSystem, masked_mean
from emofuse.models.system_config import SequenceSystemConfig
from emofuse.nn.stacked_lstm import StackedLSTM


class MISAConfig(SequenceSystemConfig):
    """Settings of `MISA`; the defaults are the authors' published ones for CMU-MOSI.

    Attributes:
        dim: d_h, of all representations.
        text_lstm: words go through LSTMs too, as with GloVe; without, they are averaged, as with BERT.
        text_hidden: units of the text's LSTMs; None for as many as a step has features, and so for the next two.
        audio_hidden: of the sound's.
        video_hidden: of the pictures'.
        heads: of the transformer that fuses.
        ff_dim: of its feed-forward network.
        transformer_dropout: in it.
        moments: K of the central moment discrepancy.
        similarity_weight: α, of the similarity loss.
        difference_weight: β, of the difference loss.
        reconstruction_weight: γ, of the reconstruction loss.
        dropout: before the output.
    """

    dim: int = Field(default=128, ge=1)
    text_lstm: bool = False
    text_hidden: int | None = Field(default=None, ge=1)
    audio_hidden: int | None = Field(default=None, ge=1)
    video_hidden: int | None = Field(default=None, ge=1)
    heads: int = Field(default=2, ge=1)
    ff_dim: int = Field(default=2048, ge=1)
    transformer_dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    moments: int = Field(default=5, ge=1)
    similarity_weight: float = Field(default=1.0, ge=0.0)
    difference_weight: float = Field(default=0.3, ge=0.0)
    reconstruction_weight: float = Field(default=1.0, ge=0.0)
    regression_loss: Literal["l1", "mse"] = "mse"
    dropout: float = Field(default=0.5, ge=0.0, lt=1.0)

    @model_validator(mode="after")
    def _check_heads(self) -> MISAConfig:
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is not a multiple of heads {self.heads}")
        return self

    @classmethod
    def tiny(cls, num_classes: int | None = None, **overrides: Any) -> MISAConfig:
        """A size for tests."""
        sizes = {"dim": 16, "ff_dim": 32, "text_hidden": 8, "audio_hidden": 8, "video_hidden": 8}
        return cls(
            num_classes=num_classes, **{**sizes, "dropout": 0.0, "transformer_dropout": 0.0, **overrides}
        )


@dataclass(frozen=True, kw_only=True)
class MISAOutput(SequenceOutput):
    """As `SequenceOutput`, with what the losses compare; each modality → (B, d_h), 0 where a row lacks it.

    Attributes:
        encoded: u_m, of the utterance encoders.
        shared: h_m^c, modality-invariant.
        private: h_m^p, modality-specific.
        rebuilt: û_m, of the decoders.
    """

    encoded: dict[str, Tensor] = field(default_factory=dict, repr=False)
    shared: dict[str, Tensor] = field(default_factory=dict, repr=False)
    private: dict[str, Tensor] = field(default_factory=dict, repr=False)
    rebuilt: dict[str, Tensor] = field(default_factory=dict, repr=False)


@register_system(
    name="misa",
    title="MISA",
    paper="Hazarika et al. 2020, MISA: Modality-Invariant and -Specific Representations for Multimodal Sentiment Analysis",
    summary="Each modality in a shared and in a private space; similarity, difference and reconstruction losses.",
    scope="utterance",
    inputs={"text": "steps", "audio": "steps", "video": "steps"},
    config=MISAConfig,
    tasks=("classification", "regression"),
    presets=("paper", "tiny"),
    citation="""
@inproceedings{hazarika2020misa,
  title = {MISA: Modality-Invariant and -Specific Representations for Multimodal Sentiment Analysis},
  author = {Hazarika, Devamanyu and Zimmermann, Roger and Poria, Soujanya},
  booktitle = {ACM Multimedia},
  year = {2020}
}""",
)
class MISA(SequenceSystem):
    """Modality-invariant and -specific representations.

    Args:
        config: see `MISAConfig`.
    """

    config: MISAConfig

    def __init__(self, config: MISAConfig) -> None:
        super().__init__(config)
        c, names = config, config.modalities
        hidden = {"text": c.text_hidden, "audio": c.audio_hidden, "video": c.video_hidden}
        self.encoders = nn.ModuleDict(
            {m: StackedLSTM(d, hidden[m] or d) for m, d in c.input_dims.items() if m != "text" or c.text_lstm}
        )
        widths = {m: 4 * (hidden[m] or d) if m in self.encoders else d for m, d in c.input_dims.items()}
        self.projections = nn.ModuleDict(
            {m: nn.Sequential(nn.Linear(widths[m], c.dim), nn.ReLU(), nn.LayerNorm(c.dim)) for m in names}
        )
        self.shared = nn.Linear(c.dim, c.dim)
        self.private = nn.ModuleDict({m: nn.Linear(c.dim, c.dim) for m in names})
        self.decoders = nn.ModuleDict({m: nn.Linear(c.dim, c.dim) for m in names})
        self.transformer = nn.TransformerEncoderLayer(
            c.dim, c.heads, c.ff_dim, c.transformer_dropout, batch_first=True
        )
        total = len(names) * c.dim
        self.linear_1, self.linear_2 = nn.Linear(2 * total, total), nn.Linear(total, c.outputs)
        self.dropout = nn.Dropout(c.dropout)

    def recognise(self, sequences: Sequences) -> MISAOutput:
        """Recognise B utterances."""
        x, steps, available, _ = sequences
        encoded = self._where(available, {m: self._encode(m, s, steps[m]) for m, s in x.items()})
        shared = self._where(available, {m: self.shared(u).sigmoid() for m, u in encoded.items()})
        private = self._where(available, {m: self.private[m](u).sigmoid() for m, u in encoded.items()})
        rebuilt = self._where(available, {m: self.decoders[m](private[m] + shared[m]) for m in encoded})
        fused = self._fuse([*private.values(), *shared.values()], [*available.values()] * 2)
        y = self.linear_2(F.relu(self.dropout(self.linear_1(fused))))
        features = {m: torch.cat([private[m], shared[m]], dim=-1) for m in encoded}
        plain = self._output(y, features, fused, available)
        return MISAOutput(**vars(plain), encoded=encoded, shared=shared, private=private, rebuilt=rebuilt)

    def _encode(self, m: str, x: Tensor, mask: Tensor) -> Tensor:
        """u_m, (B, d_h)"""
        pooled = self.encoders[m](x, mask) if m in self.encoders else masked_mean(x, mask)
        return cast(Tensor, self.projections[m](pooled))

    @staticmethod
    def _where(available: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {m: h.masked_fill(~available[m].unsqueeze(-1), 0.0) for m, h in found.items()}

    def _fuse(self, representations: list[Tensor], available: list[Tensor]) -> Tensor:
        """(B, 2 M d_h): one transformer layer over the representations that there are, then side by side."""
        absent = ~torch.stack(available, dim=1)
        # A row that has nothing attends to all, and is then forgotten.
        hidden = absent & ~absent.all(dim=1, keepdim=True)
        attended = self.transformer(torch.stack(representations, dim=1), src_key_padding_mask=hidden)
        return cast(Tensor, attended.masked_fill(absent.unsqueeze(-1), 0.0).flatten(1))

    def training_loss(
        self,
        output: SequenceOutput,
        labels: Tensor,
        class_weights: Tensor | None = None,
        present: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """L_task + α L_sim + β L_diff + γ L_recon; rows count for the modalities that they have."""
        c, o = self.config, cast(MISAOutput, output)
        losses = super().training_loss(output, labels, class_weights, present)
        parts = {
            "similarity": self._similarity(o),
            "difference": self._difference(o),
            "reconstruction": self._reconstruction(o),
        }
        loss = losses["loss"] + c.similarity_weight * parts["similarity"]
        loss = loss + c.difference_weight * parts["difference"]
        return losses | {"loss": loss + c.reconstruction_weight * parts["reconstruction"], **parts}

    def _similarity(self, o: MISAOutput) -> Tensor:
        """The mean of CMD_K over pairs of modalities, of the rows that have both."""
        found = [wide(o.logits).sum() * 0.0]
        for m, n in combinations(o.shared, 2):
            both = o.present[m] & o.present[n]
            found.append(
                central_moment_discrepancy(o.shared[m][both], o.shared[n][both], self.config.moments)
            )
        return torch.stack(found).sum() / max(1, len(found) - 1)

    def _difference(self, o: MISAOutput) -> Tensor:
        """Shared and private of each modality orthogonal, and private ones of two modalities."""
        found = [difference(o.shared[m][o.present[m]], o.private[m][o.present[m]]) for m in o.shared]
        for m, n in combinations(o.private, 2):
            both = o.present[m] & o.present[n]
            found.append(difference(o.private[m][both], o.private[n][both]))
        return torch.stack(found).sum()

    def _reconstruction(self, o: MISAOutput) -> Tensor:
        """The mean squared error of û_m, a mean over modalities."""
        found = []
        for m, u in o.encoded.items():
            rows = o.present[m]
            error = wide(u[rows]) - wide(o.rebuilt[m][rows])
            found.append(error.square().sum() / max(1, error.numel()))
        return torch.stack(found).mean()
