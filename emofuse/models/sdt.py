"""SDT (Ma et al. 2023): intra- and inter-modal transformers, gated fusion, and self-distillation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.losses.task_losses import cross_entropy, wide
from emofuse.models.dialogue_system import Dialogues, DialogueSystem
from emofuse.models.output import DialogueOutput
from emofuse.models.registry import register_system
from emofuse.models.system_config import DialogueSystemConfig
from emofuse.nn.sinusoids import interleaved_sinusoids


class SDTConfig(DialogueSystemConfig):
    """Settings of `SDT`; the defaults are those of the authors' published code.

    Attributes:
        dim: size of everything inside.
        heads: attention heads.
        layers: of each transformer.
        max_speakers: speakers that have an embedding of their own; those beyond share the last.
        temperature: of the soft labels.
        task_weight: γ1, of the cross-entropy of the whole system.
        student_weight: γ2, of the cross-entropies of each modality.
        distillation_weight: γ3, of the divergences of each modality from the whole.
    """

    dim: int = Field(default=1024, ge=1)
    heads: int = Field(default=8, ge=1)
    layers: int = Field(default=1, ge=1)
    max_speakers: int = Field(default=9, ge=1)
    temperature: float = Field(default=1.0, gt=0.0)
    task_weight: float = Field(default=1.0, ge=0.0)
    student_weight: float = Field(default=1.0, ge=0.0)
    distillation_weight: float = Field(default=1.0, ge=0.0)
    dropout: float = Field(default=0.5, ge=0.0, lt=1.0)

    @model_validator(mode="after")
    def _check_heads(self) -> SDTConfig:
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is not a multiple of heads {self.heads}")
        return self

    @classmethod
    def tiny(cls, num_classes: int, **overrides: Any) -> SDTConfig:
        """A size for tests."""
        return cls(num_classes=num_classes, **{"dim": 16, "heads": 2, "dropout": 0.1, **overrides})


@dataclass(frozen=True, kw_only=True)
class SDTOutput(DialogueOutput):
    """As `DialogueOutput`, with what each modality alone says.

    Attributes:
        students: modality -> logits (B, N, classes).
    """

    students: dict[str, Tensor] = field(default_factory=dict, repr=False)


class SDTLayer(nn.Module):
    """A transformer layer whose queries are one modality and whose keys and values are another (or the same).

    Source: SDT §3.3, as the published code has it: the queries are normalised from the second layer on; so are keys and
    values where they are the queries themselves. The feed-forward network is pre-norm with GELU.
    """

    def __init__(self, config: SDTConfig) -> None:
        super().__init__()
        dim = config.dim
        self.heads = config.heads
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(4))
        self.norm, self.feed_forward_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.widen, self.narrow = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, query: Tensor, source: Tensor | None, seen: Tensor, *, first: bool) -> Tensor:
        """(B, N, dim) queries on (B, N, dim) sources (None: themselves), of which (B, N) bool are seen."""
        if not first:
            query = self.norm(query)
        out = self.dropout(self._attend(query, query if source is None else source, seen)) + query
        hidden = self.dropout(F.gelu(self.widen(self.feed_forward_norm(out)), approximate="tanh"))
        return out + cast(Tensor, self.dropout(self.narrow(hidden)))

    def _attend(self, query: Tensor, source: Tensor, seen: Tensor) -> Tensor:
        q, k, v = (
            each.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for each in (self.query(query), self.key(source), self.value(source))
        )
        scores = (q / math.sqrt(q.shape[-1])) @ k.mT
        weights = self.dropout(scores.masked_fill(~seen[:, None, None], -1e10).softmax(dim=-1))
        attended = self.out((weights @ v).transpose(1, 2).flatten(-2))
        return cast(Tensor, attended.masked_fill(~seen.any(dim=1)[:, None, None], 0.0))


class _Transformer(nn.ModuleList):
    def __init__(self, config: SDTConfig) -> None:
        super().__init__(SDTLayer(config) for _ in range(config.layers))

    def forward(self, query: Tensor, source: Tensor | None, seen: Tensor) -> Tensor:
        for number, layer in enumerate(self):
            query = layer(query, source, seen, first=number == 0)
        return query


@register_system(
    name="sdt",
    title="SDT",
    paper="Ma et al. 2023, A Transformer-Based Model With Self-Distillation for Multimodal Emotion Recognition in "
    "Conversations",
    summary="Transformers within and between modalities, gates at two levels; each modality learns from the whole.",
    scope="dialogue",
    inputs={"text": "vector", "audio": "vector", "video": "vector"},
    config=SDTConfig,
    speakers=True,
    presets=("paper", "tiny"),
    citation="""
@article{ma2023sdt,
  title = {A Transformer-Based Model With Self-Distillation for Multimodal Emotion Recognition in Conversations},
  author = {Ma, Hui and Wang, Jian and Lin, Hongfei and Zhang, Bo and Zhang, Yijia and Xu, Bo},
  journal = {IEEE Transactions on Multimedia},
  year = {2023}
}""",
)
class SDT(DialogueSystem):
    """The self-distilled transformer.

    Args:
        config: see `SDTConfig`.
    """

    config: SDTConfig

    def __init__(self, config: SDTConfig) -> None:
        super().__init__(config)
        c, names = config, config.modalities
        self.inputs = nn.ModuleDict({m: nn.Linear(d, c.dim, bias=False) for m, d in c.input_dims.items()})
        self.speakers = nn.Embedding(c.max_speakers + 1, c.dim, padding_idx=c.max_speakers)
        pairs = [f"{source}_{query}" for query in names for source in names]
        self.transformers = nn.ModuleDict({pair: _Transformer(c) for pair in pairs})
        self.gates = nn.ModuleDict({pair: nn.Linear(c.dim, c.dim, bias=False) for pair in pairs})
        self.reduce = nn.ModuleDict({m: nn.Linear(len(names) * c.dim, c.dim) for m in names})
        self.last_gate = nn.Linear(c.dim, c.dim, bias=False)
        self.student_classifiers = nn.ModuleDict({m: nn.Linear(c.dim, c.outputs) for m in names})
        self.classifier = nn.Linear(c.dim, c.outputs)
        self.dropout = nn.Dropout(c.dropout)

    def recognise(self, dialogues: Dialogues) -> SDTOutput:
        """Recognise the utterances of B dialogues."""
        scaled, mask, available, speakers = dialogues
        known = speakers.clamp_max(self.config.max_speakers - 1)
        who = self.speakers(known.masked_fill(~mask, self.config.max_speakers))
        x = {m: self.inputs[m](s) for m, s in scaled.items()}
        placed = {m: self._place(e, who) for m, e in x.items()}

        fused = {m: self._fuse(m, placed, available) for m in placed}  # unimodal gates
        multimodal = self._gate_modalities(list(fused.values()))  # the second level of gates
        students = {
            m: self.student_classifiers[m](self.dropout(F.relu(h))).masked_fill(~mask.unsqueeze(-1), 0.0)
            for m, h in fused.items()
        }
        plain = self._output(self.classifier(multimodal), fused, multimodal, mask, available)
        return SDTOutput(**vars(plain), students=students)

    def _place(self, x: Tensor, who: Tensor) -> Tensor:
        return self.dropout(x + interleaved_sinusoids(x.shape[1], x.shape[2], x) + who)

    def _fuse(self, m: str, x: Mapping[str, Tensor], available: Mapping[str, Tensor]) -> Tensor:
        """What modality m learns from itself and from each of the others, gated, in its own size."""
        found = []
        for source in (m, *(n for n in x if n != m)):
            pair = f"{source}_{m}"
            other = None if source == m else x[source]
            h = self.transformers[pair](x[m], other, available[source])
            found.append(torch.sigmoid(self.gates[pair](h)) * h)
        return cast(Tensor, self.reduce[m](torch.cat(found, dim=-1)))

    def _gate_modalities(self, features: list[Tensor]) -> Tensor:
        stacked = torch.stack(features, dim=-2)
        weights = torch.stack([self.last_gate(f) for f in features], dim=-2).softmax(dim=-2)
        return (weights * stacked).sum(dim=-2)

    def training_loss(
        self,
        output: DialogueOutput,
        labels: Tensor,
        class_weights: Tensor | None = None,
        present: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """γ1 L_task + γ2 L_CE + γ3 L_KL: the whole, each modality by hard labels, and by the whole's soft ones."""
        c, students = self.config, cast(SDTOutput, output).students
        y = labels.masked_fill(~output.mask, -1)
        labelled = y >= 0
        task = cross_entropy(output.logits, y, class_weights)
        hard = torch.stack([cross_entropy(s, y, class_weights) for s in students.values()]).sum()
        teacher = (wide(output.logits[labelled]) / c.temperature).log_softmax(dim=-1)
        soft = [
            (teacher.exp() * (teacher - (wide(s[labelled]) / c.temperature).log_softmax(dim=-1))).sum()
            for s in students.values()
        ]
        divergence = torch.stack(soft).sum() / labelled.sum().clamp_min(1)
        loss = c.task_weight * task + c.student_weight * hard + c.distillation_weight * divergence
        return {"loss": loss, "cross_entropy": task, "students": hard, "distillation": divergence}
