"""HFusion (Majumder et al. 2018): two modalities at a time, then three, with context at every level."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from emofuse.models.dialogue_system import Dialogues, DialogueSystem
from emofuse.models.output import DialogueOutput
from emofuse.models.registry import register_system
from emofuse.models.system_config import DialogueSystemConfig
from emofuse.nn.recurrent import Recurrent


class HFusionConfig(DialogueSystemConfig):
    """Settings of `HFusion`.

    Attributes:
        dim: D, of every modality once it is brought to one size.
        context: units of each GRU over a dialogue.
        contextual: GRUs at every level (CHFusion); without, each utterance stands alone (HFusion).
        bidirectional: the GRUs run both ways, and are summed; the paper's run forwards.
        dropout: before every layer that follows a GRU.
    """

    dim: int = Field(default=250, ge=1)
    context: int = Field(default=250, ge=1)
    contextual: bool = True
    bidirectional: bool = False
    dropout: float = Field(default=0.5, ge=0.0, lt=1.0)

    @classmethod
    def tiny(cls, num_classes: int | None = None, **overrides: Any) -> HFusionConfig:
        """A size for tests."""
        return cls(num_classes=num_classes, **{"dim": 16, "context": 16, "dropout": 0.1, **overrides})


class FeatureWiseFusion(nn.Module):
    """tanh(Σ_m w_mi x_mi + b_i): each feature of several vectors of one size fused for itself."""

    def __init__(self, count: int, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(count, dim).uniform_(-1, 1) / count**0.5)
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, vectors: Sequence[Tensor]) -> Tensor:
        """(..., dim) of as many vectors (..., dim)."""
        return torch.tanh((torch.stack(list(vectors), dim=-2) * self.weight).sum(dim=-2) + self.bias)


@register_system(
    name="hfusion",
    title="HFusion",
    paper="Majumder et al. 2018, Multimodal Sentiment Analysis using Hierarchical Fusion with Context Modeling",
    summary="Pairs of modalities fused feature by feature, then the pairs, with a GRU over the dialogue at every level.",
    scope="dialogue",
    inputs={"text": "vector", "audio": "vector", "video": "vector"},
    config=HFusionConfig,
    tasks=("classification", "regression"),
    presets=("paper", "tiny"),
    citation="""
@article{majumder2018multimodal,
  title = {Multimodal Sentiment Analysis using Hierarchical Fusion with Context Modeling},
  author = {Majumder, Navonil and Hazarika, Devamanyu and Gelbukh, Alexander and Cambria, Erik and Poria, Soujanya},
  journal = {Knowledge-Based Systems},
  year = {2018}
}""",
)
class HFusion(DialogueSystem):
    """Hierarchical fusion, with context (CHFusion) by default.

    Args:
        config: see `HFusionConfig`.
    """

    config: HFusionConfig

    def __init__(self, config: HFusionConfig) -> None:
        super().__init__(config)
        c, names = config, config.modalities
        pairs = [f"{m}_{n}" for m, n in combinations(names, 2)]
        groups: list[str] = [*names, *pairs, *(["all"] if len(names) == 3 else [])]
        sizes = {m: c.input_dims[m] for m in names} | dict.fromkeys(groups[len(names) :], c.dim)
        self.contexts = nn.ModuleDict(
            {g: Recurrent("gru", sizes[g], c.context, c.bidirectional) for g in groups if c.contextual}
        )
        # What follows a context is brought to D; what follows the last is classified.
        self.dense = nn.ModuleDict(
            {g: nn.Linear(c.context if c.contextual else sizes[g], c.dim) for g in groups[:-1]}
        )
        self.fusions = nn.ModuleDict({pair: FeatureWiseFusion(2, c.dim) for pair in pairs})
        self.trimodal = FeatureWiseFusion(3, c.dim) if len(names) == 3 else None
        self.last = groups[-1]
        self.classifier = nn.Linear(c.context if c.contextual else sizes[self.last], c.outputs)
        self.dropout = nn.Dropout(c.dropout)

    def recognise(self, dialogues: Dialogues) -> DialogueOutput:
        """Recognise the utterances of B dialogues."""
        inputs, mask, available, _ = dialogues
        f = {m: self._context(m, x, mask) for m, x in inputs.items()}
        if len(f) > 1:
            g = {m: self._dense(m, x).masked_fill(~available[m].unsqueeze(-1), 0.0) for m, x in f.items()}
            f = {
                f"{m}_{n}": self._context(f"{m}_{n}", self.fusions[f"{m}_{n}"]([g[m], g[n]]), mask)
                for m, n in combinations(g, 2)
            }
        if self.trimodal is not None:
            trimodal = self.trimodal([self._dense(pair, x) for pair, x in f.items()])
            f = {"all": self._context("all", trimodal, mask)}
        fused = f[self.last]
        return self._output(self.classifier(self.dropout(fused)), inputs, fused, mask, available)

    def _context(self, group: str, x: Tensor, mask: Tensor) -> Tensor:
        """(B, N, context) of what a group of modalities says in each utterance."""
        return cast(Tensor, self.contexts[group](x, mask)) if group in self.contexts else x

    def _dense(self, group: str, x: Tensor) -> Tensor:
        """(B, N, D)"""
        return torch.tanh(self.dense[group](self.dropout(x)))
