"""ICON (Hazarika et al. 2018): what speakers do to themselves and to each other, as a memory of the dialogue."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import nn

from emofuse.models.dialogue_system import Dialogues, DialogueSystem
from emofuse.models.output import DialogueOutput
from emofuse.models.registry import register_system
from emofuse.models.system_config import MemorySystemConfig
from emofuse.nn.histories import HistoryGRU, histories, read_memory


class ICONConfig(MemorySystemConfig):
    """Settings of `ICON`; the defaults are those of the authors' published code."""

    dim: int = Field(default=100, ge=1)


@register_system(
    name="icon",
    title="ICON",
    paper="Hazarika et al. 2018, ICON: Interactive Conversational Memory Network for Multimodal Emotion Detection",
    summary="A GRU for the speaker's own past and one for the others', a global one over both, and a memory of it.",
    scope="dialogue",
    inputs={"text": "vector", "audio": "vector", "video": "vector"},
    config=ICONConfig,
    speakers=True,
    tasks=("classification", "regression"),
    presets=("paper", "tiny"),
    citation="""
@inproceedings{hazarika2018icon,
  title = {ICON: Interactive Conversational Memory Network for Multimodal Emotion Detection},
  author = {Hazarika, Devamanyu and Poria, Soujanya and Mihalcea, Rada and Cambria, Erik and Zimmermann, Roger},
  booktitle = {EMNLP},
  year = {2018}
}""",
)
class ICON(DialogueSystem):
    """The interactive conversational memory network.

    Args:
        config: see `ICONConfig`.
    """

    config: ICONConfig

    def __init__(self, config: ICONConfig) -> None:
        super().__init__(config)
        c, dim = config, sum(config.input_dims.values())
        self.query = nn.Linear(dim, c.dim)
        # Self-influence module.
        self.own, self.other = (HistoryGRU(dim, c.dim, c.dropout) for _ in range(2))
        self.influence = HistoryGRU(c.dim, c.dim)  # dynamic global influence module
        self.memory = HistoryGRU(c.dim, c.dim) if c.hops > 1 else None
        self.classifier = nn.Linear(c.dim, c.outputs)

    def recognise(self, dialogues: Dialogues) -> DialogueOutput:
        """Recognise the utterances of B dialogues."""
        inputs, mask, available, speakers = dialogues
        x = torch.cat(list(inputs.values()), dim=-1)
        past = histories(speakers, mask, self.config.window)

        own = self.own(x, past, past.own)
        other = self.other(x, past, past.other)
        memory = self.influence.over(torch.tanh(own + other), past.there)
        q = torch.tanh(self.query(x))
        for hop in range(self.config.hops):
            if hop and self.memory is not None:
                memory = self.memory.over(memory, past.there)
            q = torch.tanh(q + read_memory(q, memory, memory, past.there))
        return self._output(self.classifier(q), inputs, q, mask, available)
