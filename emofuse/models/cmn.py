"""CMN (Hazarika et al. 2018): a memory of what each side of a conversation has said, read in several hops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from emofuse.models.dialogue_system import DialogueSystem, speakers_or_one
from emofuse.models.output import DialogueOutput
from emofuse.models.registry import register_system
from emofuse.models.system_config import DialogueSystemConfig
from emofuse.nn.histories import HistoryGRU, histories, read_memory


class CMNConfig(DialogueSystemConfig):
    """Settings of `CMN`.

    Attributes:
        dim: d, of memories and queries.
        window: K, utterances before the present one that are remembered.
        hops: R, how often the memories are read.
        dropout: on the cells of the memories.
    """

    dim: int = Field(default=50, ge=1)
    window: int = Field(default=40, ge=1)
    hops: int = Field(default=3, ge=1)
    dropout: float = Field(default=0.3, ge=0.0, lt=1.0)

    @classmethod
    def tiny(cls, num_classes: int, **overrides: Any) -> CMNConfig:
        """A size for tests."""
        return cls(num_classes=num_classes, **{"dim": 16, "hops": 2, "dropout": 0.0, **overrides})


@register_system(
    name="cmn",
    title="CMN",
    paper="Hazarika et al. 2018, Conversational Memory Network for Emotion Recognition in Dyadic Dialogue Videos",
    summary="A memory of the speaker's own utterances and one of the others', read by the present one in several hops.",
    scope="dialogue",
    inputs={"text": "vector", "audio": "vector", "video": "vector"},
    config=CMNConfig,
    speakers=True,
    presets=("paper", "tiny"),
    citation="""
@inproceedings{hazarika2018conversational,
  title = {Conversational Memory Network for Emotion Recognition in Dyadic Dialogue Videos},
  author = {Hazarika, Devamanyu and Poria, Soujanya and Zadeh, Amir and Cambria, Erik and Morency, Louis-Philippe and
            Zimmermann, Roger},
  booktitle = {NAACL},
  year = {2018}
}""",
)
class CMN(DialogueSystem):
    """The conversational memory network.

    Args:
        config: see `CMNConfig`.
    """

    config: CMNConfig

    def __init__(self, config: CMNConfig) -> None:
        super().__init__(config)
        c, dim = config, sum(config.input_dims.values())
        self.query = nn.Linear(dim, c.dim)
        # The output memory of a hop is the input memory of the next.
        self.own, self.other = (
            nn.ModuleList(HistoryGRU(dim, c.dim) for _ in range(c.hops + 1)) for _ in range(2)
        )
        self.classifier = nn.Linear(c.dim, c.num_classes)
        self.dropout = nn.Dropout(c.dropout)

    def forward(
        self,
        text: Tensor | None = None,
        audio: Tensor | None = None,
        video: Tensor | None = None,
        mask: Tensor | None = None,
        present: Mapping[str, Tensor] | None = None,
        speakers: Tensor | None = None,
    ) -> DialogueOutput:
        """Recognise the utterances of B dialogues, (B, N, d_m) each; speakers (B, N) int64 from 0."""
        inputs, mask, available = self._inputs({"text": text, "audio": audio, "video": video}, mask, present)
        x = torch.cat(list(inputs.values()), dim=-1)
        past = histories(speakers_or_one(speakers, mask), mask, self.config.window)
        sides = ((self.own, past.own), (self.other, past.other))
        memories = [[self.dropout(gru(x, past, mine)) for gru in grus] for grus, mine in sides]
        q = torch.tanh(self.query(x))
        for hop in range(self.config.hops):
            found = [
                read_memory(q, memory[hop], memory[hop + 1], mine)
                for memory, (_, mine) in zip(memories, sides, strict=True)
            ]
            q = torch.tanh(q + found[0] + found[1])
        return self._output(self.classifier(q), inputs, q, mask, available)
