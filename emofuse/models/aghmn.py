"""AGHMN (Jiao et al. 2020): a memory of what was said before, read by a GRU whose gate is attention."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from emofuse.models.dialogue_system import Dialogues, DialogueSystem
from emofuse.models.output import DialogueOutput
from emofuse.models.registry import register_system
from emofuse.models.system_config import DialogueSystemConfig
from emofuse.nn.attention_gru import AttentionGRU
from emofuse.nn.exporting import exporting, run_padded_lstm
from emofuse.nn.histories import histories

Direction = Literal["forward", "both"]


class AGHMNConfig(DialogueSystemConfig):
    """Settings of `AGHMN`; the defaults are those of the authors' published code.

    Attributes:
        dim: d, of utterances, memories and states.
        window: K, utterances before the present one that are remembered.
        hops: how often the memory is read.
        fusion: the GRU over the memory runs forward, or both ways (BiF).
        attention: the attention GRU runs forward, or both ways (BiAGRU).
    """

    dim: int = Field(default=100, ge=1)
    window: int = Field(default=40, ge=1)
    hops: int = Field(default=1, ge=1)
    fusion: Direction = "both"
    attention: Direction = "forward"
    dropout: float = Field(default=0.3, ge=0.0, lt=1.0)

    @classmethod
    def tiny(cls, num_classes: int | None = None, **overrides: Any) -> AGHMNConfig:
        """A size for tests."""
        return cls(num_classes=num_classes, **{"dim": 16, "dropout": 0.0, **overrides})


@register_system(
    name="aghmn",
    title="AGHMN",
    paper="Jiao et al. 2020, Real-Time Emotion Recognition via Attention Gated Hierarchical Memory Network",
    summary="The utterances before the present one as a memory; a GRU whose update gate is attention sums it up.",
    scope="dialogue",
    inputs={"text": "vector", "audio": "vector", "video": "vector"},
    config=AGHMNConfig,
    tasks=("classification", "regression"),
    presets=("paper", "tiny"),
    citation="""
@inproceedings{jiao2020aghmn,
  title = {Real-Time Emotion Recognition via Attention Gated Hierarchical Memory Network},
  author = {Jiao, Wenxiang and Lyu, Michael R. and King, Irwin},
  booktitle = {AAAI},
  year = {2020}
}""",
)
class AGHMN(DialogueSystem):
    """The attention gated hierarchical memory network.

    Args:
        config: see `AGHMNConfig`.
    """

    config: AGHMNConfig

    def __init__(self, config: AGHMNConfig) -> None:
        super().__init__(config)
        c = config
        self.reader = nn.Linear(sum(c.input_dims.values()), c.dim)
        self.fusion = nn.GRU(c.dim, c.dim, batch_first=True, bidirectional=c.fusion == "both")
        self.ahead = nn.ModuleList(AttentionGRU(c.dim) for _ in range(c.hops))
        both_ways = c.attention == "both"
        self.behind = nn.ModuleList(AttentionGRU(c.dim) for _ in range(c.hops if both_ways else 0))
        self.classifier = nn.Linear(c.dim, c.outputs)
        self.dropout = nn.Dropout(c.dropout)

    def recognise(self, dialogues: Dialogues) -> DialogueOutput:
        """Recognise the utterances of B dialogues."""
        inputs, mask, available, speakers = dialogues
        u = self.dropout(torch.tanh(self.reader(torch.cat(list(inputs.values()), dim=-1))))
        past = histories(speakers, mask, self.config.window)
        remembering = past.there.any(dim=-1)  # the first utterance has no memory

        rows = torch.arange(u.shape[0], device=u.device)[:, None, None]
        if exporting():
            found = self._remember(
                u.flatten(0, 1), u[rows, past.places].flatten(0, 1), past.there.flatten(0, 1)
            )
            fused = torch.where(remembering.unsqueeze(-1), found.view_as(u), u)
        elif bool(remembering.any()):
            found = self._remember(u[remembering], u[rows, past.places][remembering], past.there[remembering])
            fused = u.clone()
            fused[remembering] = found.to(fused.dtype)
        else:
            fused = u
        return self._output(self.classifier(fused), inputs, fused, mask, available)

    def _remember(self, q: Tensor, said: Tensor, there: Tensor) -> Tensor:
        """The queries (R, d) with what they find in what was said (R, K, d), as far as it is there."""
        return self._summarise(q, self._fuse(said, there), there)

    def _fuse(self, said: Tensor, there: Tensor) -> Tensor:
        """The memory (R, K, d) of what was said: m = u + h of the GRU, of both directions where it has two."""
        if exporting():
            states = run_padded_lstm(self.fusion, said, there)
            return said + sum(states.split(self.config.dim, dim=-1))
        packed = nn.utils.rnn.pack_padded_sequence(
            said, there.sum(dim=1).cpu(), batch_first=True, enforce_sorted=False
        )
        states, _ = nn.utils.rnn.pad_packed_sequence(
            self.fusion(packed)[0], batch_first=True, total_length=there.shape[1]
        )
        return self.dropout(said + sum(states.split(self.config.dim, dim=-1)))

    def _summarise(self, q: Tensor, memory: Tensor, there: Tensor) -> Tensor:
        """The queries (R, d) with what they find in their memories."""
        for hop, ahead in enumerate(self.ahead):
            scores = (memory @ q.unsqueeze(-1)).squeeze(-1)
            weights = scores.masked_fill(~there, torch.finfo(scores.dtype).min).softmax(dim=-1)
            found = ahead(memory, weights)
            if len(self.behind):
                found = found + self.behind[hop](memory, weights, backwards=True)
            q = self.dropout(q + found)
        return q
