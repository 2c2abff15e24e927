"""Words through a classifier of the transformers library."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from emofuse.encoders.experts.checkpoint import Checkpoint
from emofuse.encoders.experts.identity import expert_identity
from emofuse.encoders.experts.opinion import Opinions
from emofuse.encoders.text_reader import TextInput, TextReader
from emofuse.errors import EmofuseError


class TextExpert:
    """What a text classifier says of each label.

    Texts are cut where the model's reading ends. A text without a token has no say.

    Args:
        checkpoint: of AutoModelForSequenceClassification.
        opinions: what its classes count as.
        device: where it computes.
        dtype: precision of its weights.

    Raises:
        EmofuseError: the model or its tokeniser cannot be had, or they do not belong together.
    """

    def __init__(
        self, checkpoint: Checkpoint, opinions: Opinions, device: torch.device | str, dtype: torch.dtype
    ) -> None:
        self._opinions, self._batch_size = opinions, checkpoint.spec.batch_size
        self._model = checkpoint.load(device, dtype)
        if self._model.main_input_name != "input_ids":
            raise EmofuseError(f"text expert {checkpoint.spec.name}: does not read words alone")
        self._reader = TextReader(checkpoint.spec, checkpoint.source, self._model)
        self.dim = opinions.labels
        reading = {"max_length": self._reader.max_length}
        self.identity = expert_identity(checkpoint, opinions, dtype, reading)

    def encode(self, items: Sequence[str]) -> np.ndarray:
        """(B, K) float32, centred log-probabilities of B texts."""
        inputs = self._reader.inputs(items)
        found = np.zeros((len(inputs), self.dim), np.float32)
        lengths = [len(one.tokens["input_ids"]) for one in inputs]
        order = sorted((row for row, length in enumerate(lengths) if length), key=lambda row: -lengths[row])
        for begin in range(0, len(order), self._batch_size):
            rows = order[begin : begin + self._batch_size]
            probabilities = self._opinions.probabilities(self._logits([inputs[row] for row in rows]))
            found[rows] = self._opinions.centred(probabilities).cpu().numpy()
        return found

    @torch.inference_mode()
    def _logits(self, inputs: Sequence[TextInput]) -> Tensor:
        tensors, _, _ = self._reader.padded(inputs, self._model.device)
        logits: Tensor = self._model(**tensors).logits
        return logits
