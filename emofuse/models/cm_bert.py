"""CM-BERT (Yang et al. 2020): text and sound weigh the words together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.data.modality import Modality
from emofuse.models.registry import register_system
from emofuse.models.sequence_output import SequenceOutput
from emofuse.models.sequence_system import Sequences, SequenceSystem, masked_mean, pooled_words
from emofuse.models.system_config import SequenceSystemConfig
from emofuse.nn.aligned_steps import align_to_words


class CMBERTConfig(SequenceSystemConfig):
    """Settings of `CMBERT`; the defaults are the authors' published ones.

    Attributes:
        dim: to which words and sound are brought before they are compared.
        pooling: "first", the first word's vector, which of BERT is [CLS]'s, or the "mean" of all.
        steps: to which sound is aligned where there are no words.
        attention_dropout: on attention weights.
        dropout: after the attention, and before the output.
    """

    modalities: tuple[Modality, ...] = Field(default=("text", "audio"), min_length=1)
    dim: int = Field(default=30, ge=1)
    pooling: Literal["first", "mean"] = "first"
    steps: int = Field(default=20, ge=1)
    attention_dropout: float = Field(default=0.3, ge=0.0, lt=1.0)
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)

    @classmethod
    def tiny(cls, num_classes: int | None = None, **overrides: Any) -> CMBERTConfig:
        """A size for tests."""
        sizes = {"dim": 8, "attention_dropout": 0.0, "dropout": 0.0, "pooling": "mean"}
        return cls(num_classes=num_classes, **{**sizes, **overrides})


class MaskedMultimodalAttention(nn.Module):
    """Attention among words whose weights come of the words and of the sound that falls on them.

    Source: CM-BERT (Yang et al. 2020). With X̂_t the words and X̂_a the sound in one size, X̂_t divided by √‖X̂_t‖₂:
    W = w_t ReLU(X̂_t X̂_tᵀ) + w_a ReLU(X̂_a X̂_aᵀ) + b, softmax(W + M) X + X, where M hides padding.

    Args:
        dims: of a step of each modality.
        dim: to which they are brought.
        dropout: on the weights.
    """

    def __init__(self, dims: Mapping[Modality, int], dim: int, dropout: float) -> None:
        super().__init__()
        self.projections = nn.ModuleDict({m: nn.Linear(d, dim, bias=False) for m, d in dims.items()})
        self.weights = nn.ParameterDict({m: nn.Parameter(torch.ones(1)) for m in dims})
        self.bias = nn.Parameter(torch.zeros(1))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Mapping[str, Tensor], values: Tensor, mask: Tensor) -> Tensor:
        """(B, T, d) of values (B, T, d), weighed by x (B, T, d_m) each, real steps (B, T)."""
        scores = self.bias
        for m, projection in self.projections.items():
            p = projection(x[m])
            if m == "text":
                size = torch.linalg.vector_norm(p, dim=(1, 2), keepdim=True)
                p = p / size.clamp_min(1e-12).sqrt()
            scores = scores + self.weights[m] * F.relu(p @ p.mT)
        hidden = scores.masked_fill(~mask.unsqueeze(1), torch.finfo(scores.dtype).min)
        return cast(Tensor, self.dropout(hidden.softmax(dim=-1)) @ values + values)


@register_system(
    name="cm-bert",
    title="CM-BERT",
    paper="Yang et al. 2020, CM-BERT: Cross-Modal BERT for Text-Audio Sentiment Analysis",
    summary="Words attend to each other by weights that the text and the sound make together.",
    scope="utterance",
    inputs={"text": "steps", "audio": "steps"},
    config=CMBERTConfig,
    tasks=("classification", "regression"),
    presets=("paper", "tiny"),
    citation="""
@inproceedings{yang2020cmbert,
  title = {CM-BERT: Cross-Modal BERT for Text-Audio Sentiment Analysis},
  author = {Yang, Kaicheng and Xu, Hua and Gao, Kai},
  booktitle = {ACM Multimedia},
  year = {2020}
}""",
)
class CMBERT(SequenceSystem):
    """Cross-modal BERT, on the word vectors that a text encoder gives.

    Sound is brought to the words' steps. It only weighs words: an utterance without text gets the output's bias.

    Args:
        config: see `CMBERTConfig`.
    """

    config: CMBERTConfig

    def __init__(self, config: CMBERTConfig) -> None:
        super().__init__(config)
        c = config
        self.valued = c.modalities[0]  # the text; of a system without it the sound
        size = c.input_dims[self.valued]
        self.attention = MaskedMultimodalAttention(c.input_dims, c.dim, c.attention_dropout)
        self.dense, self.norm = nn.Linear(size, size), nn.LayerNorm(size)
        self.head = nn.Linear(size, c.outputs)
        self.dropout = nn.Dropout(c.dropout)

    def recognise(self, sequences: Sequences) -> SequenceOutput:
        """Recognise B utterances."""
        x, real, available, _ = sequences
        x, steps = align_to_words(x, real, self.config.steps)

        attended = self.attention(x, x[self.valued], steps)
        hidden = self.norm(self.dropout(self.dense(attended)))
        pooled = pooled_words(hidden, steps & available[self.valued].unsqueeze(1), self.config.pooling)
        features = {m: masked_mean(s, steps) for m, s in x.items()}
        return self._output(self.head(self.dropout(pooled)), features, pooled, available)
