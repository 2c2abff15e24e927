"""CMN (Hazarika et al. 2018): a memory of what each side of a conversation has said, read in several hops."""

from __future__ import annotations

import torch
from torch import nn

from emofuse.models.dialogue_system import Dialogues, DialogueSystem
from emofuse.models.output import DialogueOutput
from emofuse.models.registry import register_system
from emofuse.models.system_config import MemorySystemConfig
from emofuse.nn.histories import HistoryGRU, histories, read_memory


class CMNConfig(MemorySystemConfig):
    """Settings of `CMN`."""


@register_system(
    name="cmn",
    title="CMN",
    paper="Hazarika et al. 2018, Conversational Memory Network for Emotion Recognition in Dyadic Dialogue Videos",
    summary="A memory of the speaker's own utterances and one of the others', read by the present one in several hops.",
    scope="dialogue",
    inputs={"text": "vector", "audio": "vector", "video": "vector"},
    config=CMNConfig,
    speakers=True,
    tasks=("classification", "regression"),
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
            nn.ModuleList(HistoryGRU(dim, c.dim, c.dropout) for _ in range(c.hops + 1)) for _ in range(2)
        )
        self.classifier = nn.Linear(c.dim, c.outputs)

    def recognise(self, dialogues: Dialogues) -> DialogueOutput:
        """Recognise the utterances of B dialogues."""
        inputs, mask, available, speakers = dialogues
        x = torch.cat(list(inputs.values()), dim=-1)
        past = histories(speakers, mask, self.config.window)
        sides = ((self.own, past.own), (self.other, past.other))
        memories = [[gru(x, past, mine) for gru in grus] for grus, mine in sides]
        q = torch.tanh(self.query(x))
        for hop in range(self.config.hops):
            found = [
                read_memory(q, memory[hop], memory[hop + 1], mine)
                for memory, (_, mine) in zip(memories, sides, strict=True)
            ]
            q = torch.tanh(q + found[0] + found[1])
        return self._output(self.classifier(q), inputs, q, mask, available)
