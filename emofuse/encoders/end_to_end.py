"""How an encoder learns together with the system that reads it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class EndToEndSettings(BaseModel):
    """How an encoder's weights move in the training of a run, in one backward pass with the system.

    Epochs, batches, losses, the schedule, the warm-up and the moving average are those of the run's ``optimiser``.

    Attributes:
        learning_rate: of the encoder's highest layer; the system has its own.
        layer_decay: each layer below moves at so much of the rate of the layer above it (layer-wise decay: Howard and
            Ruder 2018); 1 moves all alike.
        weight_decay: of AdamW, on matrices alone.
        freeze_layers: so many of the lowest transformer layers stay as they are, with what stands before them. What
            they give is made once and kept in the feature store, so a step neither runs them nor learns them.
        freeze_front: what stands before the layers stays as it is: the embeddings of a text model, the convolutions of a
            speech model.
        dropout: probability in the encoder; None keeps the model's own.
        max_tokens: text: most tokens, padding included, that go through the encoder at once; utterances of like length
            share a pass. A batch of dialogues with more goes in several passes, and its loss is that of the whole batch.
        max_seconds: sound: the same, in seconds.
        gradient_checkpointing: run each pass again in the backward pass instead of keeping what it computed: memory is
            then that of one pass, however large the batch, and a step takes about a third longer.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    learning_rate: float = Field(default=5e-5, gt=0)
    layer_decay: float = Field(default=0.9, gt=0, le=1)
    weight_decay: float = Field(default=0.01, ge=0)
    freeze_layers: int = Field(default=0, ge=0)
    freeze_front: bool = True
    dropout: float | None = Field(default=None, ge=0, lt=1)
    max_tokens: int = Field(default=4096, ge=1)
    max_seconds: float = Field(default=120.0, gt=0)
    gradient_checkpointing: bool = False

    @classmethod
    def of(cls, value: Any) -> Any:
        """``true`` for the defaults, ``false`` for None; anything else as it is."""
        if isinstance(value, bool):
            return cls() if value else None
        return value
