"""Words through a pretrained language model of the BERT/RoBERTa/MiniLM class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emofuse.encoders.bert_network import is_plain_bert, read_bert
from emofuse.encoders.compact import add_difference
from emofuse.encoders.pretrained import Source, load_model, locate, revision_of
from emofuse.encoders.spec import EncoderSpec
from emofuse.encoders.text_reader import TextInput, TextReader
from emofuse.encoders.token_pooling import pooled_vectors
from emofuse.encoders.transformer_parts import check_layers
from emofuse.errors import EmofuseError
from emofuse.features.dialogue_context import TextInContext
from emofuse.features.identity import EncoderIdentity, InputNeeds

KIND = "hf-text"


class HFTextEncoder:
    """Last hidden states of a pretrained encoder, pooled.

    Pooling ``"cls"`` takes the state of the first token, ``"mean"`` the mean over the tokens (those that
    the tokeniser adds included, as sentence encoders do), ``"tokens"`` all of them. Texts of like length
    share a batch; padding is masked and changes nothing.

    With ``context_before``, ``context_after`` or ``speaker_names`` the model reads the utterance in its
    dialogue, and its own tokens alone are pooled (its speaker's name is one of them): ``"mean"`` and
    ``"tokens"`` without special tokens, ``"cls"`` the special token that opens the utterance.
    :mod:`emofuse.encoders.dialogue_tokens` says how the input is laid out.

    Args:
        spec: name, revision, pooling, max_length, batch_size, context_before, context_after, speaker_names, layers.
        device: where the model runs.
        dtype: precision of its weights; features are float32 either way.

    Raises:
        EmofuseError: the model cannot be had, or is not a text encoder.
    """

    def __init__(
        self, spec: EncoderSpec, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> None:
        self._made_of = (spec, device, dtype)
        source = locate(spec.name, spec.revision)
        self._model = text_network(source, device, dtype)
        config = self._model.config
        if self._model.main_input_name != "input_ids" or config.is_encoder_decoder:
            raise EmofuseError(
                f"encoder {spec.name}: a {config.model_type} model is not a text encoder; name one of the "
                "BERT, RoBERTa or MiniLM class"
            )
        self._reader = TextReader(spec, source, self._model)
        self._batch_size, self._pooling = spec.batch_size, self._reader.pooling
        self.needs = InputNeeds(context=self._reader.context)
        self._layers = spec.layers
        count = config.num_hidden_layers
        check_layers(spec.name, spec.layers or (), count)
        self.dim = int(config.hidden_size) * len(spec.layers or (0,))
        self.identity = EncoderIdentity(
            modality="text",
            kind=KIND,
            name=config.model_type if source.folder else spec.name,
            revision=revision_of(source, config),
            pooling=self._pooling,
            dim=self.dim,
            sampling={
                "max_length": self._reader.max_length,
                "dtype": str(dtype).removeprefix("torch."),
                **(_context_settings(spec) if self.needs.context else {}),
                **({"layers": ",".join(map(str, spec.layers))} if spec.layers else {}),
            },
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process loads the model itself; to send it its weights would take as long and twice the room.
        return type(self), self._made_of

    def encode(self, items: Sequence[str] | Sequence[TextInContext]) -> np.ndarray | list[np.ndarray]:
        """(B, dim) float32 for B texts; with pooling ``"tokens"`` a list of (T, dim)."""
        inputs = self._reader.inputs(items)
        pooled = [
            np.zeros((0, self.dim) if self._pooling == "tokens" else self.dim, np.float32) for _ in inputs
        ]
        # A text may have no token at all where the tokeniser adds none; its features are zero.
        lengths = [len(one.tokens["input_ids"]) for one in inputs]
        order = sorted((row for row, length in enumerate(lengths) if length), key=lambda row: -lengths[row])
        for begin in range(0, len(order), self._batch_size):
            rows = order[begin : begin + self._batch_size]
            for row, features in zip(rows, self._forward([inputs[row] for row in rows]), strict=True):
                pooled[row] = features
        return pooled if self._pooling == "tokens" else np.array(pooled, np.float32).reshape(-1, self.dim)

    def tokens(self, text: str) -> list[str]:
        """The tokens that are pooled of a text read alone, in words; empty where texts are read in context."""
        if self.needs.context is not None:
            return []
        one = self._reader.inputs([text])[0]
        return [
            word.strip() or "·"
            for word in (
                self._reader.tokenizer.decode([i]) for i in one.tokens["input_ids"][one.first : one.end]
            )
        ]

    @torch.inference_mode()
    def _forward(self, inputs: list[TextInput]) -> list[np.ndarray]:
        tensors, own, first = self._reader.padded(inputs, self._model.device)
        output = self._model(**tensors, output_hidden_states=self._layers is not None)
        states = output.last_hidden_state
        if self._layers is not None:
            states = torch.cat([output.hidden_states[layer] for layer in self._layers], dim=-1)
        return self._pool(states.float(), own, first)

    def _pool(self, states: Tensor, own: Tensor, first: Tensor) -> list[np.ndarray]:
        """Features of each row of (B, T, dim) states, of which (B, T) are the utterance's own."""
        if self._pooling == "tokens":
            return [row[kept].cpu().numpy() for row, kept in zip(states, own, strict=True)]
        return list(pooled_vectors(states, own, first, self._pooling).cpu().numpy())


def text_network(source: Source, device: torch.device | str, dtype: torch.dtype) -> Any:
    """The model in evaluation mode, without transformers where it is a BERT in a folder."""
    if source.folder is None or not is_plain_bert(source.folder):
        return load_model(source, device, dtype)
    network = read_bert(source.folder)
    if source.compact is not None:
        add_difference(network, source.compact)
    return network.to(device, dtype)


def _context_settings(spec: EncoderSpec) -> dict[str, str | int | float]:
    return {
        "context_before": spec.context_before,
        "context_after": spec.context_after,
        "speaker_names": int(spec.speaker_names),
    }
