"""SSE-FT (Siriwardhana et al. 2020): what sums a modality up attends to the steps of each of the others."""

from __future__ import annotations

from typing import Any, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from emofuse.models.registry import register_system
from emofuse.models.sequence_output import SequenceOutput
from emofuse.models.sequence_system import Sequences, SequenceSystem
from emofuse.models.system_config import SequenceSystemConfig
from emofuse.nn.exporting import exporting
from emofuse.nn.sinusoids import interleaved_sinusoids


class SSEFTConfig(SequenceSystemConfig):
    """Settings of `SSEFT`.

    Attributes:
        dim: of every modality's steps.
        heads: of every attention.
        layers: of the transformers that read one modality each.
        ff_dim: of the feed-forward networks.
        head_dim: units of the layer before the output.
        dropout: everywhere.
    """

    dim: int = Field(default=128, ge=1)
    heads: int = Field(default=4, ge=1)
    layers: int = Field(default=1, ge=1)
    ff_dim: int = Field(default=256, ge=1)
    head_dim: int = Field(default=128, ge=1)

    @model_validator(mode="after")
    def _check_heads(self) -> SSEFTConfig:
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is not a multiple of heads {self.heads}")
        return self

    @classmethod
    def tiny(cls, num_classes: int | None = None, **overrides: Any) -> SSEFTConfig:
        """A size for tests."""
        sizes = {"dim": 16, "heads": 2, "ff_dim": 32, "head_dim": 16, "dropout": 0.0}
        return cls(num_classes=num_classes, **{**sizes, **overrides})


class InterModalityAttention(nn.Module):
    """One vector asks the steps of another modality: attention and a feed-forward network, each added and normalised."""

    def __init__(self, config: SSEFTConfig) -> None:
        super().__init__()
        c = config
        self.attention = nn.MultiheadAttention(c.dim, c.heads, c.dropout, batch_first=True)
        self.norms = nn.ModuleList(nn.LayerNorm(c.dim) for _ in range(2))
        self.widen, self.narrow = nn.Linear(c.dim, c.ff_dim), nn.Linear(c.ff_dim, c.dim)
        self.dropout = nn.Dropout(c.dropout)

    def forward(self, cls: Tensor, steps: Tensor, mask: Tensor) -> Tensor:
        """(B, dim) of vectors (B, dim) that ask steps (B, T, dim), real ones (B, T); what nobody answers stays."""
        answered = mask.any(dim=1, keepdim=True)
        hidden = ~mask & answered
        heard, _ = self.attention(cls.unsqueeze(1), steps, steps, key_padding_mask=hidden, need_weights=False)
        h = self.norms[0](cls + self.dropout(heard.squeeze(1)))
        h = self.norms[1](h + self.dropout(self.narrow(torch.relu(self.widen(h)))))
        return torch.where(answered, h, cls)


@register_system(
    name="sse-ft",
    title="SSE-FT",
    paper="Siriwardhana et al. 2020, Multimodal Emotion Recognition with Transformer-Based Self Supervised Feature Fusion",
    summary="The vector that sums up a modality attends to the steps of each other; products of both answers are classified.",
    scope="utterance",
    inputs={"text": "steps", "audio": "steps", "video": "steps"},
    config=SSEFTConfig,
    tasks=("classification", "regression"),
    presets=("paper", "tiny"),
    citation="""
@article{siriwardhana2020multimodal,
  title = {Multimodal Emotion Recognition with Transformer-Based Self Supervised Feature Fusion},
  author = {Siriwardhana, Shamane and Kaluarachchi, Tharindu and Billinghurst, Mark and Nanayakkara, Suranga},
  journal = {IEEE Access},
  year = {2020}
}""",
)
class SSEFT(SequenceSystem):
    """The self-supervised embedding fusion transformer, on the embeddings that encoders give.

    Args:
        config: see `SSEFTConfig`.
    """

    config: SSEFTConfig

    def __init__(self, config: SSEFTConfig) -> None:
        super().__init__(config)
        c, names = config, config.modalities
        self.inputs = nn.ModuleDict({m: nn.Linear(d, c.dim) for m, d in c.input_dims.items()})
        self.cls = nn.ParameterDict({m: nn.Parameter(torch.randn(c.dim) * 0.02) for m in names})
        self.readers = nn.ModuleDict(
            {
                m: nn.ModuleList(
                    nn.TransformerEncoderLayer(c.dim, c.heads, c.ff_dim, c.dropout, batch_first=True)
                    for _ in range(c.layers)
                )
                for m in names
            }
        )
        self.asked = nn.ModuleDict(
            {f"{m}_asks_{n}": InterModalityAttention(c) for m in names for n in names if m != n}
        )
        self.dense, self.head = nn.Linear(len(names) * c.dim, c.head_dim), nn.Linear(c.head_dim, c.outputs)
        self.dropout = nn.Dropout(c.dropout)

    def recognise(self, sequences: Sequences) -> SequenceOutput:
        """Recognise B utterances."""
        x, real, available, _ = sequences
        read = {m: self._read(m, s, real[m]) for m, s in x.items()}
        attended = {}
        for m, (cls, _) in read.items():
            answers = [self.asked[f"{m}_asks_{n}"](cls, read[n][1], real[n]) for n in read if n != m]
            attended[m] = torch.stack(answers or [cls]).prod(dim=0)  # the Hadamard product
            attended[m] = attended[m].masked_fill(~available[m].unsqueeze(-1), 0.0)
        fused = torch.relu(self.dense(self.dropout(torch.cat(list(attended.values()), dim=-1))))
        return self._output(self.head(self.dropout(fused)), attended, fused, available)

    def _read(self, m: str, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, dim), what sums a modality up, and (B, T, dim), its steps, after they have seen each other."""
        h = self.inputs[m](x)
        h = h + interleaved_sinusoids(h.shape[1], h.shape[2], h)
        h = torch.cat([self.cls[m].expand(h.shape[0], 1, -1), h], dim=1)
        hidden = torch.cat([mask.new_zeros(mask.shape[0], 1), ~mask], dim=1)
        for layer in cast(nn.ModuleList, self.readers[m]):
            h = layer(h, **self._unseen(hidden))
        return h[:, 0], h[:, 1:]

    def _unseen(self, hidden: Tensor) -> dict[str, Tensor]:
        """The steps that nobody sees, (B, T) bool, as a layer of torch takes them."""
        if not exporting():
            return {"src_key_padding_mask": hidden}
        # What torch makes of the other form has strides that torch.export cannot compare where T is a sum.
        steps = hidden.shape[1]
        pairs = hidden[:, None, None].expand(-1, self.config.heads, steps, -1)
        return {"src_mask": pairs.flatten(0, 1)}
