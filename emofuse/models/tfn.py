"""TFN (Zadeh et al. 2017): every product of text, audio and video features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.models.registry import register_system
from emofuse.models.sequence_output import SequenceOutput
from emofuse.models.sequence_system import Sequences, SequenceSystem, masked_mean
from emofuse.models.system_config import SequenceSystemConfig
from emofuse.nn.sub_networks import TextSubNetwork, VectorSubNetwork


class TFNConfig(SequenceSystemConfig):
    """Settings of `TFN`.

    Attributes:
        text_hidden: units of the LSTM over the words.
        text_out: size of the text's embedding.
        audio_hidden: size of the sound's embedding.
        video_hidden: size of the pictures' embedding.
        fusion_dim: units of the layers after the fusion.
        fusion_dropout: on the products.
        value_range: a regression's smallest and largest value, between which a sigmoid moves, as in the paper; None for
            no bounds.
    """

    text_hidden: int = Field(default=128, ge=1)
    text_out: int = Field(default=32, ge=1)
    audio_hidden: int = Field(default=32, ge=1)
    video_hidden: int = Field(default=32, ge=1)
    fusion_dim: int = Field(default=128, ge=1)
    dropout: float = Field(default=0.2, ge=0.0, lt=1.0)
    fusion_dropout: float = Field(default=0.2, ge=0.0, lt=1.0)
    value_range: tuple[float, float] | None = None

    @classmethod
    def tiny(cls, num_classes: int | None = None, **overrides: Any) -> TFNConfig:
        """A size for tests."""
        sizes = {"text_hidden": 16, "text_out": 8, "audio_hidden": 8, "video_hidden": 8, "fusion_dim": 16}
        return cls(num_classes=num_classes, **{**sizes, "dropout": 0.0, "fusion_dropout": 0.0, **overrides})


@register_system(
    name="tfn",
    title="TFN",
    paper="Zadeh et al. 2017, Tensor Fusion Network for Multimodal Sentiment Analysis",
    summary="The outer product of the modalities' embeddings, each with a 1 added, and a network on top.",
    scope="utterance",
    inputs={"text": "steps", "audio": "steps", "video": "steps"},
    config=TFNConfig,
    tasks=("classification", "regression"),
    presets=("paper", "tiny"),
    citation="""
@inproceedings{zadeh2017tensor,
  title = {Tensor Fusion Network for Multimodal Sentiment Analysis},
  author = {Zadeh, Amir and Chen, Minghai and Poria, Soujanya and Cambria, Erik and Morency, Louis-Philippe},
  booktitle = {EMNLP},
  year = {2017}
}""",
)
class TFN(SequenceSystem):
    """The tensor fusion network.

    Args:
        config: see `TFNConfig`.
    """

    config: TFNConfig

    def __init__(self, config: TFNConfig) -> None:
        super().__init__(config)
        c = config
        sizes = {"text": c.text_out, "audio": c.audio_hidden, "video": c.video_hidden}
        self.subnetworks = nn.ModuleDict()
        for m, dim in c.input_dims.items():
            self.subnetworks[m] = (
                TextSubNetwork(dim, c.text_hidden, c.text_out, c.dropout)
                if m == "text"
                else VectorSubNetwork(dim, sizes[m], c.dropout)
            )
        products = 1
        for m in c.modalities:
            products *= sizes[m] + 1
        self.fusion_dropout = nn.Dropout(c.fusion_dropout)
        self.linear_1 = nn.Linear(products, c.fusion_dim)
        self.linear_2 = nn.Linear(c.fusion_dim, c.fusion_dim)
        self.linear_3 = nn.Linear(c.fusion_dim, c.outputs)

    def recognise(self, sequences: Sequences) -> SequenceOutput:
        """Recognise B utterances."""
        x, steps, available, _ = sequences
        embedded = embed(self.subnetworks, x, steps, available)
        # The order of the published implementation: audio, video, text.
        order = [m for m in ("audio", "video", "text") if m in embedded]
        some = next(iter(embedded.values()))
        product = some.new_ones(some.shape[0], 1)
        for m in order:
            product = (product.unsqueeze(2) * with_one(embedded[m]).unsqueeze(1)).flatten(1)
        h = F.relu(self.linear_1(self.fusion_dropout(product)))
        h = F.relu(self.linear_2(h))
        y = self.linear_3(h)
        if self.config.task == "regression" and self.config.value_range is not None:
            low, high = self.config.value_range
            y = torch.sigmoid(y) * (high - low) + low
        return self._output(y, embedded, h, available)


def embed(
    networks: nn.ModuleDict,
    x: Mapping[str, Tensor],
    steps: Mapping[str, Tensor],
    available: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Each modality through its own network; sound and pictures as their mean over time.

    Args:
        networks: modality → network.
        x: modality → (B, T, d), its steps.
        steps: modality → (B, T) bool, which of them are real.
        available: modality → (B,) bool, which rows have it.

    Returns:
        Modality → (B, d'), 0 where a row lacks it.
    """
    return {
        m: networks[m](s, steps[m]) if m == "text" else networks[m](masked_mean(s, steps[m]), available[m])
        for m, s in x.items()
    }


def with_one(x: Tensor) -> Tensor:
    """(B, 1 + d), a 1 in front, so that products of fewer modalities are among the products."""
    return torch.cat([x.new_ones(x.shape[0], 1), x], dim=1)
