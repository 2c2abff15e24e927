"""MMLatch (Paraskevopoulos et al. 2022): what the modalities say together masks what each is read from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import combinations
from typing import Any, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.models.registry import register_system
from emofuse.models.sequence_output import SequenceOutput
from emofuse.models.sequence_system import Sequences, SequenceSystem, masked_mean
from emofuse.models.system_config import SequenceSystemConfig
from emofuse.nn.aligned_steps import align_to_words
from emofuse.nn.initialisation import xavier_
from emofuse.nn.recurrent import Recurrent


class MMLatchConfig(SequenceSystemConfig):
    """Settings of `MMLatch`; the defaults are the authors' published ones on CMU-MOSEI.

    Attributes:
        dim: of every modality's states.
        feedback: top-down masks; without, the bottom-up network alone.
        steps: to which sound and pictures are aligned where there are no words.
        attention_dropout: on attention weights between modalities, and after the last LSTM.
        mask_dropout: on the masks.
        dropout: on the states of the modalities, and on their attention weights.
    """

    dim: int = Field(default=100, ge=1)
    feedback: bool = True
    steps: int = Field(default=20, ge=1)
    attention_dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    mask_dropout: float = Field(default=0.2, ge=0.0, lt=1.0)
    dropout: float = Field(default=0.2, ge=0.0, lt=1.0)

    @classmethod
    def tiny(cls, num_classes: int | None = None, **overrides: Any) -> MMLatchConfig:
        """A size for tests."""
        still = {"attention_dropout": 0.0, "mask_dropout": 0.0, "dropout": 0.0}
        return cls(num_classes=num_classes, **{"dim": 8, **still, **overrides})


class ScaledAttention(nn.Module):
    """softmax(Q Kᵀ / √d) V with linear maps without bias; rows of zeros give and get zeros."""

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(dim, dim, bias=False) for _ in range(3))
        self.dropout = nn.Dropout(dropout)
        xavier_(self)

    def forward(self, queries: Tensor, source: Tensor, mask: Tensor) -> Tensor:
        """(B, T, dim) of queries on (B, S, dim), real steps (B, S); 0 where a source has none."""
        scores = self.query(queries) @ self.key(source).mT / math.sqrt(source.shape[-1])
        weights = scores.masked_fill(~mask.unsqueeze(1), torch.finfo(scores.dtype).min).softmax(dim=-1)
        return cast(Tensor, self.dropout(weights) @ self.value(source * mask.unsqueeze(-1)))


class AttentiveLSTM(nn.Module):
    """A bidirectional LSTM, and attention of its states to each other."""

    def __init__(self, recurrent: Recurrent, out: int, dropout: float) -> None:
        super().__init__()
        self.recurrent, self.attention = recurrent, ScaledAttention(out, dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, dim), real steps (B, T), to (B, T, out), 0 at padding."""
        states = self.dropout(self.recurrent(x, mask))
        return cast(Tensor, self.attention(states, states, mask)) * mask.unsqueeze(-1)


@register_system(
    name="mmlatch",
    title="MMLatch",
    paper="Paraskevopoulos et al. 2022, MMLatch: Bottom-up Top-down Fusion for Multimodal Sentiment Analysis",
    summary="A first pass through the network makes masks for its inputs, a second one reads what they let through.",
    scope="utterance",
    inputs={"text": "steps", "audio": "steps", "video": "steps"},
    config=MMLatchConfig,
    tasks=("classification", "regression"),
    presets=("paper", "tiny"),
    citation="""
@inproceedings{paraskevopoulos2022mmlatch,
  title = {MMLatch: Bottom-up Top-down Fusion for Multimodal Sentiment Analysis},
  author = {Paraskevopoulos, Georgios and Georgiou, Efthymios and Potamianos, Alexandros},
  booktitle = {ICASSP},
  year = {2022}
}""",
)
class MMLatch(SequenceSystem):
    """Bottom-up fusion with top-down feedback.

    It needs all modalities at the same steps, as `MFN` does: those of the words.

    Args:
        config: see `MMLatchConfig`.
    """

    config: MMLatchConfig

    def __init__(self, config: MMLatchConfig) -> None:
        super().__init__(config)
        c, names = config, config.modalities
        self.encoders = nn.ModuleDict(
            {
                m: AttentiveLSTM(Recurrent("lstm", d, c.dim, bidirectional=True), c.dim, c.dropout)
                for m, d in c.input_dims.items()
            }
        )
        self.pairs = list(combinations(names, 2))
        self.masks = nn.ModuleDict(
            {
                f"{m}_by_{n}": Recurrent("lstm", c.dim, d)
                for m, d in c.input_dims.items()
                for n in names
                if c.feedback and m != n
            }
        )
        self.crossed = nn.ModuleDict(
            {
                f"{a}_on_{b}": ScaledAttention(c.dim, c.attention_dropout)
                for m, n in self.pairs
                for a, b in ((m, n), (n, m))
            }
        )
        self.trimodal = ScaledAttention(c.dim, c.attention_dropout) if len(names) == 3 else None
        width = (len(names) + len(self.pairs) + (self.trimodal is not None)) * c.dim
        both_ways = Recurrent("lstm", width, c.dim, bidirectional=True, merge="cat")
        self.fusion = AttentiveLSTM(both_ways, 2 * c.dim, c.attention_dropout)
        self.head = nn.Linear(2 * c.dim, c.outputs)

    def recognise(self, sequences: Sequences) -> SequenceOutput:
        """Recognise B utterances."""
        x, real, available, _ = sequences
        x, steps = align_to_words(x, real, self.config.steps)

        h = self._encode(x, steps, available)
        if self.masks:
            h = self._encode(self._feedback(x, h, steps, available), steps, available)
        fused = self.fusion(self._cross(h, steps), steps).sum(dim=1)
        features = {m: masked_mean(s, steps) for m, s in h.items()}
        return self._output(self.head(fused), features, fused, available)

    def _encode(
        self, x: Mapping[str, Tensor], steps: Tensor, available: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Bottom-up: (B, T, dim) of each modality, 0 where a row lacks it."""
        return {m: self.encoders[m](s, steps) * available[m][:, None, None] for m, s in x.items()}

    def _feedback(
        self,
        x: Mapping[str, Tensor],
        h: Mapping[str, Tensor],
        steps: Tensor,
        available: Mapping[str, Tensor],
    ) -> dict[str, Tensor]:
        """Top-down: inputs times the mean of the masks that the other modalities make of them."""
        masked = {}
        for m, s in x.items():
            total, count = torch.zeros_like(s), s.new_zeros(s.shape[0], 1, 1)
            for n in h:
                if n != m:
                    there = available[n][:, None, None].to(s.dtype)
                    total = total + there * torch.sigmoid(self.masks[f"{m}_by_{n}"](h[n], steps))
                    count = count + there
            mask = torch.where(count > 0, total / count.clamp_min(1.0), 1.0)
            masked[m] = s * F.dropout(mask, self.config.mask_dropout, self.training)
        return masked

    def _cross(self, h: Mapping[str, Tensor], steps: Tensor) -> Tensor:
        """(B, T, 7 dim) of three modalities: each, each pair on the other and back, and text seen by the third pair."""
        found = list(h.values())
        for m, n in self.pairs:
            there = self.crossed[f"{n}_on_{m}"](h[n], h[m], steps) + h[n]
            back = self.crossed[f"{m}_on_{n}"](h[m], h[n], steps) + h[m]
            found.append(there + back)
        if self.trimodal is not None:
            found.append(
                self.trimodal(found[-1], h["text"], steps)
            )  # the last pair is that of sound and pictures
        return torch.cat(found, dim=-1)
