"""The output of a text encoder's lowest layers, computed once for a training in which they are frozen."""

from __future__ import annotations

import numpy as np
import torch

from emofuse.encoders.hf_text import HFTextEncoder
from emofuse.encoders.spec import EncoderSpec
from emofuse.encoders.text_reader import TextInput
from emofuse.encoders.transformer_parts import check_layers_left, layers_place, transformer_layers


class LowerLayers(HFTextEncoder):
    """The states of every token of an encoder's input, context and special tokens included, after some layers.

    Args:
        spec: of the encoder; its pooling and layers decide nothing.
        count: how many of the lowest layers are run, fewer than there are.
        device: where they run.

    Raises:
        EmofuseError: the model has no such layers, or they are not where they usually are.
    """

    def __init__(self, spec: EncoderSpec, count: int, device: torch.device | str = "cpu") -> None:
        super().__init__(spec.model_copy(update={"pooling": "tokens", "layers": None}), device)
        layers = transformer_layers(self._model)
        check_layers_left(spec.name, count, len(layers))
        # The layer above is kept as well: what it is given is free of a norm that may stand behind the last.
        trunk, name = layers_place(self._model) or (self._model, "layers")
        setattr(trunk, name, torch.nn.ModuleList(layers[: count + 1]))
        self._count, self._layers = count, (count,)
        self.identity = self.identity.model_copy(
            update={
                "kind": "hf-text-lower-layers",
                "pooling": "tokens",
                "sampling": {**self.identity.sampling, "layer": count},
            }
        )

    @torch.inference_mode()
    def _forward(self, inputs: list[TextInput]) -> list[np.ndarray]:
        tensors, _, _ = self._reader.padded(inputs, self._model.device)
        states = self._model(**tensors, output_hidden_states=True).hidden_states[self._count].float()
        lengths = [len(one.tokens["input_ids"]) for one in inputs]
        return [row[:length].cpu().numpy() for row, length in zip(states, lengths, strict=True)]
