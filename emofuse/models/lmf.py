"""LMF (Liu et al. 2018): tensor fusion by low-rank factors, without the tensor."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import nn

from emofuse.models.registry import register_system
from emofuse.models.sequence_output import SequenceOutput
from emofuse.models.sequence_system import Sequences, SequenceSystem
from emofuse.models.system_config import SequenceSystemConfig
from emofuse.models.tfn import embed, with_one
from emofuse.nn.sub_networks import TextSubNetwork, VectorSubNetwork


class LMFConfig(SequenceSystemConfig):
    """Settings of `LMF`.

    Attributes:
        text_hidden: units of the LSTM over the words.
        text_out: size of the text's embedding.
        audio_hidden: size of the sound's embedding.
        video_hidden: size of the pictures' embedding.
        rank: r, of the factors.
    """

    text_hidden: int = Field(default=64, ge=1)
    text_out: int = Field(default=32, ge=1)
    audio_hidden: int = Field(default=16, ge=1)
    video_hidden: int = Field(default=16, ge=1)
    rank: int = Field(default=4, ge=1)
    dropout: float = Field(default=0.2, ge=0.0, lt=1.0)

    @classmethod
    def tiny(cls, num_classes: int | None = None, **overrides: Any) -> LMFConfig:
        """A size for tests."""
        sizes = {"text_hidden": 16, "text_out": 8, "audio_hidden": 8, "video_hidden": 8}
        return cls(num_classes=num_classes, **{**sizes, "dropout": 0.0, **overrides})


@register_system(
    name="lmf",
    title="LMF",
    paper="Liu et al. 2018, Efficient Low-rank Multimodal Fusion with Modality-Specific Factors",
    summary="What tensor fusion gives, by one low-rank factor for each modality.",
    scope="utterance",
    inputs={"text": "steps", "audio": "steps", "video": "steps"},
    config=LMFConfig,
    tasks=("classification", "regression"),
    presets=("paper", "tiny"),
    citation="""
@inproceedings{liu2018efficient,
  title = {Efficient Low-rank Multimodal Fusion With Modality-Specific Factors},
  author = {Liu, Zhun and Shen, Ying and Lakshminarasimhan, Varun Bharadhwaj and Liang, Paul Pu and Zadeh, Amir and
            Morency, Louis-Philippe},
  booktitle = {ACL},
  year = {2018}
}""",
)
class LMF(SequenceSystem):
    """Low-rank multimodal fusion, Eq. 7: h = (Σᵢ W_a⁽ⁱ⁾ z_a) ∘ (Σᵢ W_v⁽ⁱ⁾ z_v) ∘ ..., the ranks weighed.

    Args:
        config: see `LMFConfig`.
    """

    config: LMFConfig

    def __init__(self, config: LMFConfig) -> None:
        super().__init__(config)
        c = config
        sizes = {"text": c.text_out, "audio": c.audio_hidden, "video": c.video_hidden}
        self.subnetworks = nn.ModuleDict()
        self.factors = nn.ParameterDict()
        for m, dim in c.input_dims.items():
            self.subnetworks[m] = (
                TextSubNetwork(dim, c.text_hidden, c.text_out, c.dropout)
                if m == "text"
                else VectorSubNetwork(dim, sizes[m], c.dropout)
            )
            factor = torch.empty(c.rank, sizes[m] + 1, c.outputs)
            self.factors[m] = nn.Parameter(nn.init.xavier_normal_(factor))
        self.rank_weights = nn.Parameter(nn.init.xavier_normal_(torch.empty(1, c.rank)))
        self.bias = nn.Parameter(torch.zeros(1, c.outputs))

    def recognise(self, sequences: Sequences) -> SequenceOutput:
        """Recognise B utterances."""
        x, steps, available, _ = sequences
        embedded = embed(self.subnetworks, x, steps, available)
        products = torch.stack([with_one(z) @ self.factors[m] for m, z in embedded.items()]).prod(dim=0)
        y = torch.einsum("kr,rbc->bc", self.rank_weights, products) + self.bias
        return self._output(y, embedded, torch.cat(list(embedded.values()), dim=-1), available)
