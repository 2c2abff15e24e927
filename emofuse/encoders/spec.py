"""Which encoder is wanted, as a setting."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from emofuse.data.modality import Modality

HASHED_NGRAMS = "hashed-ngrams"
LOGMEL_FUNCTIONALS = "logmel-functionals"

Pooling = Literal["cls", "mean", "tokens"]


class EncoderSpec(BaseModel):
    """An encoder by name, and how it is to be used. What is left out gets the encoder's own default.

    Attributes:
        modality: ``"text"`` or ``"audio"``.
        name: ``"hashed-ngrams"`` (text), ``"logmel-functionals"`` (audio), a folder that transformers'
            ``save_pretrained`` wrote, or a model's name on the Hugging Face hub.
        revision: a hub model's branch, tag or commit.
        pooling: how a pretrained model's token states become one vector: that of the first token,
            their mean, or all of them.
        batch_size: utterances that a pretrained model reads at once; changes speed and memory only.
        max_length: tokens after which a text is cut; a pretrained text model's own limit, at most 512.
        max_seconds: length above which sound is read in pieces by a pretrained speech model.
        dim: size of the hashed n-gram vector, 1024.
    """

    model_config = ConfigDict(extra="forbid")

    modality: Modality
    name: str = Field(min_length=1)
    revision: str | None = None
    pooling: Pooling = "mean"
    batch_size: int = Field(default=32, ge=1)
    max_length: int | None = Field(default=None, ge=2)
    max_seconds: float = Field(default=30.0, ge=1.0)
    dim: int = Field(default=1024, ge=2)
