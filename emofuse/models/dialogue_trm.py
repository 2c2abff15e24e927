"""DialogueTRM (Mao et al. 2021): context for the modalities that want it, and fusion neuron by neuron and vector by vector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from emofuse.data.modality import Modality
from emofuse.models.dialogue_system import Dialogues, DialogueSystem
from emofuse.models.output import DialogueOutput
from emofuse.models.registry import register_system
from emofuse.models.system_config import DialogueSystemConfig
from emofuse.nn.sinusoids import interleaved_sinusoids


class DialogueTRMConfig(DialogueSystemConfig):
    """Settings of `DialogueTRM`.

    Attributes:
        dim: size of everything inside.
        heads: attention heads.
        layers: of each modality's transformer.
        fusion_layers: of the transformer over modalities.
        ff_dim: of the feed-forward networks.
        sequential: modalities whose utterances see the whole dialogue; of the others each sees itself alone.
    """

    dim: int = Field(default=256, ge=1)
    heads: int = Field(default=8, ge=1)
    layers: int = Field(default=2, ge=1)
    fusion_layers: int = Field(default=1, ge=1)
    ff_dim: int = Field(default=512, ge=1)
    sequential: tuple[Modality, ...] = ("text",)
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)

    @model_validator(mode="after")
    def _check_heads(self) -> DialogueTRMConfig:
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is not a multiple of heads {self.heads}")
        return self

    @classmethod
    def tiny(cls, num_classes: int | None = None, **overrides: Any) -> DialogueTRMConfig:
        """A size for tests."""
        sizes = {"dim": 16, "heads": 2, "layers": 1, "ff_dim": 32, "dropout": 0.1}
        return cls(num_classes=num_classes, **{**sizes, **overrides})


class HierarchicalTransformer(nn.Module):
    """The upper level of the hierarchy, over the utterances of a dialogue; the lower one made their vectors.

    It switches between two structures: sequential, where an utterance sees all of its dialogue, and feed-forward, where it
    sees itself.

    Args:
        config: see `DialogueTRMConfig`.
        sequential: which of the two.
    """

    def __init__(self, config: DialogueTRMConfig, sequential: bool) -> None:
        super().__init__()
        c = config
        self.heads, self.sequential = c.heads, sequential
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(c.dim, c.heads, c.ff_dim, c.dropout, batch_first=True)
            for _ in range(c.layers)
        )

    def forward(self, x: Tensor, available: Tensor) -> Tensor:
        """(B, N, dim), of which (B, N) bool are there."""
        itself = torch.eye(x.shape[1], dtype=torch.bool, device=x.device)
        seen = itself | available.unsqueeze(1) if self.sequential else itself.expand(x.shape[0], -1, -1)
        if self.sequential:
            x = x + interleaved_sinusoids(x.shape[1], x.shape[2], x)
        hidden = (~seen).repeat_interleave(self.heads, dim=0)
        for layer in self.layers:
            x = layer(x, src_mask=hidden)
        return x


class MultiGrainedInteractiveFusion(nn.Module):
    """Gates between single neurons of two modalities, then attention between the modalities' vectors.

    Neuron-grained: h_m ← h_m + Σ_n σ(W_mn [h_m; h_n]) ∘ h_n. Vector-grained: a transformer whose steps are modalities.

    Args:
        config: see `DialogueTRMConfig`.
    """

    def __init__(self, config: DialogueTRMConfig) -> None:
        super().__init__()
        c, names = config, config.modalities
        self.gates = nn.ModuleDict(
            {f"{n}_to_{m}": nn.Linear(2 * c.dim, c.dim) for m in names for n in names if m != n}
        )
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(c.dim, c.heads, c.ff_dim, c.dropout, batch_first=True)
            for _ in range(c.fusion_layers)
        )

    def forward(self, h: Mapping[str, Tensor], available: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Modality -> (B, N, dim), 0 where an utterance lacks it, and likewise fused."""
        there = torch.stack(list(available.values()), dim=-1).flatten(0, 1)
        stacked = torch.stack([self._neurons(m, h) for m in h], dim=-2).flatten(0, 1)
        # An utterance that has nothing attends to all, and is then forgotten.
        hidden = ~there & there.any(dim=1, keepdim=True)
        for layer in self.layers:
            stacked = layer(stacked, src_key_padding_mask=hidden)
        stacked = stacked.masked_fill(~there.unsqueeze(-1), 0.0).unflatten(
            0, next(iter(h.values())).shape[:2]
        )
        return dict(zip(h, stacked.unbind(dim=-2), strict=True))

    def _neurons(self, m: str, h: Mapping[str, Tensor]) -> Tensor:
        found = h[m]
        for n in h:
            if n != m:
                gate = torch.sigmoid(self.gates[f"{n}_to_{m}"](torch.cat([h[m], h[n]], dim=-1)))
                found = found + gate * h[n]
        return found


@register_system(
    name="dialogue-trm",
    title="DialogueTRM",
    paper="Mao et al. 2021, DialogueTRM: Exploring Multi-Modal Emotional Dynamics in a Conversation",
    summary="A transformer over the dialogue for text, none for sound and pictures; gated and attentive fusion.",
    scope="dialogue",
    inputs={"text": "vector", "audio": "vector", "video": "vector"},
    config=DialogueTRMConfig,
    tasks=("classification", "regression"),
    presets=("paper", "tiny"),
    citation="""
@inproceedings{mao2021dialoguetrm,
  title = {DialogueTRM: Exploring Multi-Modal Emotional Dynamics in a Conversation},
  author = {Mao, Yuzhao and Liu, Guang and Wang, Xiaojie and Gao, Weiguo and Li, Xuan},
  booktitle = {Findings of EMNLP},
  year = {2021}
}""",
)
class DialogueTRM(DialogueSystem):
    """The dialogue transformer.

    Args:
        config: see `DialogueTRMConfig`.
    """

    config: DialogueTRMConfig

    def __init__(self, config: DialogueTRMConfig) -> None:
        super().__init__(config)
        c, names = config, config.modalities
        self.inputs = nn.ModuleDict({m: nn.Linear(d, c.dim) for m, d in c.input_dims.items()})
        self.transformers = nn.ModuleDict({m: HierarchicalTransformer(c, m in c.sequential) for m in names})
        self.fusion = MultiGrainedInteractiveFusion(c)
        self.classifier = nn.Linear(len(names) * c.dim, c.outputs)
        self.dropout = nn.Dropout(c.dropout)

    def recognise(self, dialogues: Dialogues) -> DialogueOutput:
        """Recognise the utterances of B dialogues."""
        inputs, mask, available, _ = dialogues
        h = {}
        for m, x in inputs.items():
            context = self.transformers[m](self.inputs[m](x), available[m])
            h[m] = cast(Tensor, context).masked_fill(~available[m].unsqueeze(-1), 0.0)
        fused = self.fusion(h, available)
        z = torch.cat(list(fused.values()), dim=-1)
        return self._output(self.classifier(self.dropout(z)), fused, z, mask, available)
