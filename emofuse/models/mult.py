"""MulT (Tsai et al. 2019): crossmodal transformers between unaligned sequences."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.data.modality import Modality
from emofuse.models.registry import register_system
from emofuse.models.sequence_output import SequenceOutput
from emofuse.models.sequence_system import Sequences, SequenceSystem, last_step
from emofuse.models.system_config import SequenceSystemConfig
from emofuse.nn.exporting import exporting
from emofuse.nn.sinusoids import halved_sinusoids


class MulTConfig(SequenceSystemConfig):
    """Settings of `MulT`; the defaults are the published code's on CMU-MOSI.

    Attributes:
        dim: size of every step after the convolutions.
        heads: of every attention.
        layers: of every crossmodal transformer.
        memory_layers: of the transformers over what the others gave, three at least in the published code.
        text_kernel: steps that a convolution of the text spans.
        audio_kernel: of the sound.
        video_kernel: of the pictures.
        positions: sinusoids say where a step stands, as in the paper (Eq. 2). What MMSA publishes runs without them.
        future_mask: a step sees nothing later of the other modality, as far as their lengths allow.
        attention_dropout: on attention weights.
        relu_dropout: within the feed-forward networks.
        residual_dropout: on what is added to the residual stream.
        embed_dropout: on embedded steps.
        text_dropout: on the text's features.
        dropout: before the output.
    """

    dim: int = Field(default=40, ge=1)
    heads: int = Field(default=8, ge=1)
    layers: int = Field(default=4, ge=1)
    memory_layers: int = Field(default=4, ge=1)
    text_kernel: int = Field(default=5, ge=1)
    audio_kernel: int = Field(default=5, ge=1)
    video_kernel: int = Field(default=5, ge=1)
    positions: bool = True
    future_mask: bool = True
    attention_dropout: float = Field(default=0.2, ge=0.0, lt=1.0)
    relu_dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    residual_dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    embed_dropout: float = Field(default=0.2, ge=0.0, lt=1.0)
    text_dropout: float = Field(default=0.2, ge=0.0, lt=1.0)
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)

    @model_validator(mode="after")
    def _check_heads(self) -> MulTConfig:
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is not a multiple of heads {self.heads}")
        return self

    @property
    def kernels(self) -> dict[Modality, int]:
        """Of each modality's convolution."""
        sizes: dict[Modality, int] = {
            "text": self.text_kernel,
            "audio": self.audio_kernel,
            "video": self.video_kernel,
        }
        return {m: sizes[m] for m in self.modalities}

    @classmethod
    def tiny(cls, num_classes: int | None = None, **overrides: Any) -> MulTConfig:
        """A size for tests."""
        sizes = {"dim": 8, "heads": 2, "layers": 1, "memory_layers": 1}
        kernels = {"text_kernel": 1, "audio_kernel": 3, "video_kernel": 1}
        still = {"attention_dropout": 0.0, "embed_dropout": 0.0, "text_dropout": 0.0}
        return cls(num_classes=num_classes, **{**sizes, **kernels, **still, **overrides})


class CrossmodalLayer(nn.Module):
    """Pre-norm attention of one modality on another, and a feed-forward network. Source: MulT §3.2, Eq. 3-4."""

    def __init__(self, dim: int, config: MulTConfig, attention_dropout: float) -> None:
        super().__init__()
        c = config
        self.heads, self.attention_dropout = c.heads, attention_dropout
        self.in_proj, self.out_proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2))
        self.widen, self.narrow = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        self.relu_dropout, self.residual_dropout = nn.Dropout(c.relu_dropout), nn.Dropout(c.residual_dropout)

    def forward(self, x: Tensor, source: Tensor | None, seen: Tensor) -> Tensor:
        """(B, T, dim) on sources (B, S, dim), or on itself for None; who sees what, (B, T, S) bool."""
        normal = self.norms[0](x)
        other = normal if source is None else self.norms[0](source)
        x = x + self.residual_dropout(self._attend(normal, other, seen))
        hidden = self.relu_dropout(F.relu(self.widen(self.norms[1](x))))
        return cast(Tensor, x + self.residual_dropout(self.narrow(hidden)))

    def _attend(self, query: Tensor, source: Tensor, seen: Tensor) -> Tensor:
        dim = query.shape[-1]
        weight, bias = self.in_proj.weight, self.in_proj.bias
        q = F.linear(query, weight[:dim], bias[:dim])
        k, v = F.linear(source, weight[dim:], bias[dim:]).chunk(2, dim=-1)
        q, k, v = (each.unflatten(-1, (self.heads, -1)).transpose(1, 2) for each in (q, k, v))
        blind = ~seen.any(dim=-1, keepdim=True)
        attended = F.scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=(seen | blind).unsqueeze(1),
            dropout_p=self.attention_dropout if self.training else 0.0,
        )
        out = self.out_proj(attended.transpose(1, 2).flatten(-2))
        return cast(Tensor, out.masked_fill(blind, 0.0))


class CrossmodalTransformer(nn.Module):
    """Layers of `CrossmodalLayer`; positions are added to both modalities, keys and values never change."""

    def __init__(self, dim: int, layers: int, config: MulTConfig, attention_dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(CrossmodalLayer(dim, config, attention_dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(config.embed_dropout)
        self.positions, self.future_mask = config.positions, config.future_mask

    def forward(self, x: Tensor, mask: Tensor, source: Tensor | None, source_mask: Tensor) -> Tensor:
        """(B, T, dim) with real steps (B, T), on (B, S, dim) with real steps (B, S); None is itself."""
        seen = self._sight(mask, source_mask)
        h = self._embed(x, mask)
        other = None if source is None else self._embed(source, source_mask)
        for layer in self.layers:
            h = layer(h, other, seen)
        normal: Tensor = self.norm(h)
        return normal

    def _embed(self, x: Tensor, mask: Tensor) -> Tensor:
        scaled = math.sqrt(x.shape[-1]) * x
        if self.positions:
            places = torch.arange(1, x.shape[1] + 1, device=x.device) * mask
            scaled = scaled + halved_sinusoids(places, x.shape[-1], x)
        embedded: Tensor = self.dropout(scaled)
        return embedded

    def _sight(self, mask: Tensor, source_mask: Tensor) -> Tensor:
        """(B, T, S) bool. A longer sequence sees as much more of the other as their lengths differ."""
        seen = source_mask.unsqueeze(1).expand(-1, mask.shape[1], -1)
        if not self.future_mask:
            return seen
        ahead = (mask.sum(dim=1) - source_mask.sum(dim=1)).abs()[:, None, None]
        i = torch.arange(mask.shape[1], device=mask.device)[None, :, None]
        j = torch.arange(source_mask.shape[1], device=mask.device)[None, None]
        return seen & (j <= i + ahead)


@register_system(
    name="mult",
    title="MulT",
    paper="Tsai et al. 2019, Multimodal Transformer for Unaligned Multimodal Language Sequences",
    summary="Each modality attends to each of the others, unaligned, and a transformer runs over what that gave.",
    scope="utterance",
    inputs={"text": "steps", "audio": "steps", "video": "steps"},
    config=MulTConfig,
    tasks=("classification", "regression"),
    presets=("paper", "tiny"),
    citation="""
@inproceedings{tsai2019multimodal,
  title = {Multimodal Transformer for Unaligned Multimodal Language Sequences},
  author = {Tsai, Yao-Hung Hubert and Bai, Shaojie and Liang, Paul Pu and Kolter, J. Zico and Morency, Louis-Philippe and
            Salakhutdinov, Ruslan},
  booktitle = {ACL},
  year = {2019}
}""",
)
class MulT(SequenceSystem):
    """The multimodal transformer.

    Args:
        config: see `MulTConfig`.
    """

    config: MulTConfig

    def __init__(self, config: MulTConfig) -> None:
        super().__init__(config)
        c, names = config, config.modalities
        self.convolutions = nn.ModuleDict(
            {m: nn.Conv1d(d, c.dim, c.kernels[m], bias=False) for m, d in c.input_dims.items()}
        )
        self.crossmodal = nn.ModuleDict(
            {
                f"{m}_with_{n}": CrossmodalTransformer(c.dim, c.layers, c, c.attention_dropout)
                for m in names
                for n in names
                if m != n
            }
        )
        width = c.dim * max(1, len(names) - 1)
        self.memory = nn.ModuleDict(
            {m: CrossmodalTransformer(width, c.memory_layers, c, c.attention_dropout) for m in names}
        )
        total = width * len(names)
        self.linear_1, self.linear_2 = nn.Linear(total, total), nn.Linear(total, total)
        self.head = nn.Linear(total, c.outputs)

    def recognise(self, sequences: Sequences) -> SequenceOutput:
        """Recognise B utterances."""
        c = self.config
        x, steps, available, _ = sequences
        if "text" in x:
            x["text"] = F.dropout(x["text"], c.text_dropout, self.training)
        convolved = {m: self._convolve(m, s, steps[m]) for m, s in x.items()}
        features = {}
        for m, (h, mask) in convolved.items():
            others = [(n, *convolved[n]) for n in convolved if n != m]
            given = [self.crossmodal[f"{m}_with_{n}"](h, mask, s, s_mask) for n, s, s_mask in others] or [h]
            remembered = self.memory[m](torch.cat(given, dim=-1), mask, None, mask)
            features[m] = last_step(remembered, mask)
        fused = torch.cat(list(features.values()), dim=-1)
        hidden = self.linear_2(F.dropout(F.relu(self.linear_1(fused)), c.dropout, self.training))
        return self._output(self.head(hidden + fused), features, fused, available)

    def _convolve(self, m: str, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T', dim) and its real steps: those whose span is real, one at least of a short sequence."""
        kernel = self.config.kernels[m]  # type: ignore[index]
        # A program knows no length: there as much is added as any may lack, and what comes of it is masked.
        short = kernel - 1 if exporting() else max(0, kernel - x.shape[1])
        h = self.convolutions[m](F.pad(x, (0, 0, 0, short)).mT).mT
        counts = mask.sum(dim=1)
        real = torch.where(counts > 0, (counts - kernel + 1).clamp_min(1), 0)
        mask = torch.arange(h.shape[1], device=x.device) < real.unsqueeze(1)
        return h * mask.unsqueeze(-1), mask
