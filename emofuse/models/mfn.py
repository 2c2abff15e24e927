"""MFN (Zadeh et al. 2018): an LSTM per modality, and a memory of what changes between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from emofuse.models.registry import register_system
from emofuse.models.sequence_output import SequenceOutput
from emofuse.models.sequence_system import Sequences, SequenceSystem
from emofuse.models.system_config import SequenceSystemConfig
from emofuse.nn.aligned_steps import align_to_words
from emofuse.nn.exporting import run_over_time


class MFNConfig(SequenceSystemConfig):
    """Settings of `MFN`.

    Attributes:
        text_hidden: units of the LSTM over the words.
        audio_hidden: of that over the sound.
        video_hidden: of that over the pictures.
        memory_dim: of the multi-view gated memory u.
        attention_dim: hidden units of the delta-memory attention D_a.
        proposal_dim: hidden units of the memory's proposal D_u.
        retain_dim: hidden units of the retain gate D_γ1.
        update_dim: hidden units of the update gate D_γ2.
        output_dim: hidden units before the output.
        steps: to which sound and pictures are aligned where there are no words.
    """

    text_hidden: int = Field(default=128, ge=1)
    audio_hidden: int = Field(default=32, ge=1)
    video_hidden: int = Field(default=32, ge=1)
    memory_dim: int = Field(default=128, ge=1)
    attention_dim: int = Field(default=64, ge=1)
    proposal_dim: int = Field(default=64, ge=1)
    retain_dim: int = Field(default=64, ge=1)
    update_dim: int = Field(default=64, ge=1)
    output_dim: int = Field(default=64, ge=1)
    steps: int = Field(default=20, ge=1)
    dropout: float = Field(default=0.2, ge=0.0, lt=1.0)

    @classmethod
    def tiny(cls, num_classes: int | None = None, **overrides: Any) -> MFNConfig:
        """A size for tests."""
        names = ("text", "audio", "video")
        sizes = {f"{m}_hidden": 8 for m in names} | {"memory_dim": 8, "dropout": 0.0}
        sizes |= {f"{part}_dim": 8 for part in ("attention", "proposal", "retain", "update", "output")}
        return cls(num_classes=num_classes, **{**sizes, **overrides})


class _TwoLayers(nn.Module):
    """A hidden layer with ReLU and dropout, and a linear one."""

    def __init__(self, dim: int, hidden: int, out: int, dropout: float) -> None:
        super().__init__()
        self.linear_1, self.linear_2 = nn.Linear(dim, hidden), nn.Linear(hidden, out)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear_2(self.dropout(torch.relu(self.linear_1(x))))
        return y


@register_system(
    name="mfn",
    title="MFN",
    paper="Zadeh et al. 2018, Memory Fusion Network for Multi-view Sequential Learning",
    summary="An LSTM per modality, attention over how their memories change, and a gated memory of it.",
    scope="utterance",
    inputs={"text": "steps", "audio": "steps", "video": "steps"},
    config=MFNConfig,
    tasks=("classification", "regression"),
    presets=("paper", "tiny"),
    citation="""
@inproceedings{zadeh2018memory,
  title = {Memory Fusion Network for Multi-view Sequential Learning},
  author = {Zadeh, Amir and Liang, Paul Pu and Mazumder, Navonil and Poria, Soujanya and Cambria, Erik and
            Morency, Louis-Philippe},
  booktitle = {AAAI},
  year = {2018}
}""",
)
class MFN(SequenceSystem):
    """The memory fusion network.

    It needs all modalities at the same steps. Those of the text are taken, words being what the paper aligns to; sound and
    pictures are averaged within them.

    Args:
        config: see `MFNConfig`.
    """

    config: MFNConfig

    def __init__(self, config: MFNConfig) -> None:
        super().__init__(config)
        c = config
        sizes = {"text": c.text_hidden, "audio": c.audio_hidden, "video": c.video_hidden}
        self.sizes: dict[str, int] = {m: sizes[m] for m in c.modalities}
        self.cells = nn.ModuleDict({m: nn.LSTMCell(d, sizes[m]) for m, d in c.input_dims.items()})
        total = sum(self.sizes.values())
        window = 2 * total  # memories of two steps
        self.attention = _TwoLayers(window, c.attention_dim, window, c.dropout)
        self.proposal = _TwoLayers(window, c.proposal_dim, c.memory_dim, c.dropout)
        self.retain = _TwoLayers(window + c.memory_dim, c.retain_dim, c.memory_dim, c.dropout)
        self.update = _TwoLayers(window + c.memory_dim, c.update_dim, c.memory_dim, c.dropout)
        self.head = _TwoLayers(total + c.memory_dim, c.output_dim, c.outputs, c.dropout)

    def recognise(self, sequences: Sequences) -> SequenceOutput:
        """Recognise B utterances."""
        x, real, available, _ = sequences
        x, steps = align_to_words(x, real, self.config.steps)
        h, memory = self._run(x, available, steps)
        fused = torch.cat([*h.values(), memory], dim=-1)
        return self._output(self.head(fused), h, fused, available)

    def _run(
        self, x: Mapping[str, Tensor], available: Mapping[str, Tensor], steps: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The last state of each LSTM and of the memory."""
        some, names = next(iter(x.values())), list(self.sizes)
        empty = [some.new_zeros(some.shape[0], size) for size in self.sizes.values()]
        memory = some.new_zeros(some.shape[0], self.config.memory_dim)

        def step(state: tuple[Tensor, ...], at: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], Tensor]:
            h, c, memory = list(state[: len(names)]), list(state[len(names) : -1]), state[-1]
            goes_on, before = at[0], torch.cat(c, dim=-1)
            for place, (m, now) in enumerate(zip(names, at[1:], strict=True)):
                there = goes_on & available[m].unsqueeze(-1)
                new_h, new_c = self.cells[m](now, (h[place], c[place]))
                h[place], c[place] = torch.where(there, new_h, h[place]), torch.where(there, new_c, c[place])
            memory = torch.where(goes_on, self._remember(before, torch.cat(c, -1), memory), memory)
            return (*h, *c, memory), goes_on

        inputs = (steps.transpose(0, 1).unsqueeze(-1), *(x[m].transpose(0, 1) for m in names))
        last, _ = run_over_time(step, (*empty, *(state.clone() for state in empty), memory), inputs)
        return dict(zip(names, last[: len(names)], strict=True)), last[-1]

    def _remember(self, before: Tensor, after: Tensor, memory: Tensor) -> Tensor:
        """u of the next step: û = tanh D_u(attended), u = γ1 u + γ2 û."""
        both = torch.cat([before, after], dim=-1)
        attended = self.attention(both).softmax(dim=-1) * both
        gated = torch.cat([attended, memory], dim=-1)
        proposal = torch.tanh(self.proposal(attended))
        return torch.sigmoid(self.retain(gated)) * memory + torch.sigmoid(self.update(gated)) * proposal
