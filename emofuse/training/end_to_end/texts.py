"""Texts through an encoder that learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from emofuse.data.batch import FeatureSource, feature_tensor
from emofuse.encoders.end_to_end import EndToEndSettings
from emofuse.encoders.text_reader import TextInput, TextReader
from emofuse.encoders.token_pooling import pooled_vectors
from emofuse.training.end_to_end.encoder import CutNetwork, JointEncoder
from emofuse.training.finetuning.parts import READING


@dataclass(frozen=True)
class TokenTable:
    """What a text encoder reads of each utterance, by number.

    Attributes:
        reader: the tokeniser.
        inputs: tokens of each utterance.
        ids: of the utterances.
        states: what the layers that were taken out give of each token; None where none were.
    """

    reader: TextReader
    inputs: list[TextInput]
    ids: list[str]
    states: FeatureSource | None = None

    def __deepcopy__(self, memo: Any) -> TokenTable:
        """A moving average copies the module that holds this; nothing here changes."""
        return self


class JointTextEncoder(JointEncoder):
    """A model of the BERT class that learns.

    Args:
        network: the model.
        settings: how it learns.
        table: what it reads.
        vectors: one vector per utterance, as the reader's pooling says; its own tokens otherwise.
        layers: states of these layers side by side, numbered as in the whole model; None for the last.
        cut: the layers that were taken out of ``network``, where any were.
        longest: most tokens of a sequence.
    """

    def __init__(
        self,
        network: Any,
        settings: EndToEndSettings,
        table: TokenTable,
        *,
        vectors: bool,
        layers: Sequence[int] | None = None,
        cut: CutNetwork | None = None,
        longest: int | None = None,
    ) -> None:
        below = 0 if cut is None else len(cut.lower)
        super().__init__(network, settings, below, vectors)
        self.table, self.longest = table, longest
        # A tuple keeps what was taken out away from the parameters, the optimiser and the checkpoints.
        self._cut = () if cut is None else (cut,)
        self.layers = None if layers is None else tuple(_shifted(layer, below) for layer in layers)

    @property
    def dim(self) -> int:
        """Features per vector."""
        return int(self.network.config.hidden_size) * len(self.layers or (0,))

    def sizes(self, places: Sequence[int]) -> list[int]:
        """Tokens of some utterances."""
        return [len(self.table.inputs[place].tokens["input_ids"]) for place in places]

    def largest(self) -> int:
        """Most tokens in a pass."""
        return self.settings.max_tokens

    def encode(self, places: Sequence[int]) -> tuple[Tensor, Tensor]:
        """(B, T, d) and (B, T) bool."""
        device = next(self.network.parameters()).device
        tensors, own, first = self.table.reader.padded([self.table.inputs[place] for place in places], device)
        for cut in self._cut:
            cut.given.states = self._lower_states(places, device)
        output = self.network(**tensors, output_hidden_states=self.layers is not None)
        states = output.last_hidden_state
        if self.layers is not None:
            states = torch.cat([output.hidden_states[layer] for layer in self.layers], dim=-1)
        states = states.float()
        if self.vectors:
            pooled = pooled_vectors(states, own, first, self.table.reader.pooling).unsqueeze(1)
            return pooled, torch.ones(pooled.shape[:2], dtype=torch.bool, device=device)
        if self.longest is not None:
            own = own & (torch.arange(own.shape[1], device=device) < first + self.longest)
        return states, own

    def _lower_states(self, places: Sequence[int], device: Any) -> Tensor:
        source = self.table.states
        assert source is not None
        rows = [feature_tensor(source, self.table.ids[place]) for place in places]
        return pad_sequence(rows, batch_first=True).to(device)

    # Settings of `EncoderSpec` that say how an utterance is read.
    read_with = (*READING["text"], "layers")

    def reading(self) -> dict[str, Any]:
        """Those that the encoder's own tokeniser has decided."""
        return {"pooling": self.table.reader.pooling, "max_length": self.table.reader.max_length}

    def saved_reader(self) -> Any:
        """The tokeniser, which is saved beside the weights."""
        return self.table.reader.tokenizer

    def saved_network(self) -> Any:
        """The network with the layers that were taken out, as it is saved."""
        for cut in self._cut:
            cut.put_back()
        return self.network


def _shifted(layer: int, below: int) -> int:
    """A layer's number once the lowest ``below`` were taken out; what is counted from the top stays."""
    return layer if layer < 0 else layer - below
