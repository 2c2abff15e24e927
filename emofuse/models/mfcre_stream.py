"""MFCRE on conversations as they happen, one utterance at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from emofuse.models.output import DialogueOutput
from emofuse.nn.stream_memory import StreamMemory


class StreamingModel(Protocol):
    """A system over dialogues that remembers what came before, in a memory that it is handed."""

    def __call__(
        self, *, present: Mapping[str, Tensor], memory: StreamMemory, **inputs: Any
    ) -> DialogueOutput:
        """Recognise the next utterances."""


class MFCREStream:
    """One or more conversations that go on together; made by `MFCRE.stream`.

    What it gives for an utterance equals what the model gives for it in a batch, and it keeps of the past
    only what the window reaches, the mLSTM memories and SimAM's means and variances.

    Args:
        model: causal with a window, or without context; in evaluation mode.
    """

    def __init__(self, model: StreamingModel) -> None:
        self.model = model
        self._memory = StreamMemory()

    @torch.no_grad()
    def step(
        self,
        text: Tensor | None = None,
        audio: Tensor | None = None,
        video: Tensor | None = None,
        present: Mapping[str, Tensor] | None = None,
    ) -> DialogueOutput:
        """Recognise the next utterance of each conversation.

        Args:
            text: features (B, text_dim), B conversations at once, always the same ones; or None.
            audio: (B, audio_dim), or None.
            video: (B, video_dim), or None.
            present: modality -> (B,) bool, False where an utterance lacks it.

        Returns:
            An output without the dimension of time: logits (B, classes), features (B, d).
        """
        inputs = {"text": text, "audio": audio, "video": video}
        ahead = {m: None if x is None else x.unsqueeze(1) for m, x in inputs.items()}
        available = {m: x.unsqueeze(1) for m, x in (present or {}).items()}
        output = self.model(**ahead, present=available, memory=self._memory)
        return type(output)(
            logits=output.logits[:, 0],
            features={m: x[:, 0] for m, x in output.features.items()},
            present={m: x[:, 0] for m, x in output.present.items()},
            fused=output.fused[:, 0],
            mask=output.mask[:, 0],
        )

    def reset(self) -> None:
        """Forget the past: new conversations begin."""
        self._memory = StreamMemory()

    @property
    def state_size(self) -> int:
        """Number of values remembered. It stops growing once the window is full."""
        return self._memory.numel()
