"""An encoder inside of a training: utterances by their numbers in, features with their gradients out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.checkpoint import checkpoint

from emofuse.encoders.end_to_end import EndToEndSettings
from emofuse.encoders.transformer_parts import layers_place, transformer_layers

# A shorter utterance begins a new pass where padding would be more than so much of it.
_LEAST_FILLED = 0.8


class JointEncoder(nn.Module):
    """Base of encoders that learn together with a system.

    Args:
        network: a model of transformers, in float32. Its lowest layers may have been taken out.
        settings: how it learns.
        below: how many of its lowest layers were taken out.
        vectors: one vector per utterance; a sequence otherwise.
    """

    def __init__(self, network: Any, settings: EndToEndSettings, below: int, vectors: bool) -> None:
        super().__init__()
        self.network = network
        self.settings, self.below, self.vectors = settings, below, vectors

    # Tokens, or samples, from which on a pass is worth its overhead.
    worthwhile = 256

    def sizes(self, places: Sequence[int]) -> list[int]:
        """Tokens, or samples, of some utterances; 0 for one without any, whose features are zero."""
        raise NotImplementedError

    def largest(self) -> int:
        """Most tokens, or samples, padding included, that go through the network at once."""
        raise NotImplementedError

    def encode(self, places: Sequence[int]) -> tuple[Tensor, Tensor]:
        """(B, T, d) steps and (B, T) bool, which of them are real; of vectors T is 1."""
        raise NotImplementedError

    @property
    def dim(self) -> int:
        """Features per vector."""
        raise NotImplementedError

    def may_pad(self, longest: int, size: int) -> bool:
        """Whether an utterance of ``size`` may be padded to ``longest`` without changing its features."""
        return True

    def forward(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Features of the utterances (B,), as `encode` gives them.

        They go through the network by length, in pieces of bounded size. Where the settings ask for it, a piece is run
        again in the backward pass, so that memory is that of one piece.
        """
        numbers = [int(place) for place in places.tolist()]
        sizes = self.sizes(numbers)
        steps: list[Tensor] = [places.new_zeros((0, self.dim), dtype=torch.float32)] * len(numbers)
        for rows in self._pieces(sizes):
            given = [numbers[row] for row in rows]
            again = self.settings.gradient_checkpointing and self.training and torch.is_grad_enabled()
            features, real = (
                checkpoint(self.encode, given, use_reentrant=False) if again else self.encode(given)
            )
            for row, values, kept in zip(rows, features, real, strict=True):
                steps[row] = values[kept]
        if self.vectors:
            empty = places.new_zeros((1, self.dim), dtype=torch.float32)
            steps = [values if len(values) else empty for values in steps]
        lengths = torch.tensor([len(values) for values in steps], device=places.device)
        padded = pad_sequence(steps, batch_first=True) if steps else places.new_zeros((0, 0, self.dim))
        return padded, torch.arange(padded.shape[1], device=places.device) < lengths.unsqueeze(1)

    def _pieces(self, sizes: Sequence[int]) -> Iterator[list[int]]:
        """Rows that go through the network together, the longest first."""
        piece: list[int] = []
        for row in sorted((row for row, size in enumerate(sizes) if size), key=lambda row: -sizes[row]):
            longest = sizes[piece[0]] if piece else 0
            full = (len(piece) + 1) * longest > self.largest()
            padded = sizes[row] < _LEAST_FILLED * longest and len(piece) * longest >= self.worthwhile
            if piece and (full or padded or not self.may_pad(longest, sizes[row])):
                yield piece
                piece = []
            piece.append(row)
        if piece:
            yield piece

    def parameter_groups(self, decays: bool) -> list[dict[str, Any]]:
        """Parameters of each layer with the layer's own rate, for an optimiser.

        Args:
            decays: whether matrices decay, as they do under AdamW.
        """
        groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
        depths = self._depths()
        for name, parameter in self.network.named_parameters():
            if parameter.requires_grad:
                groups.setdefault((depths[name], parameter.ndim > 1), []).append(parameter)
        top = self.below + len(transformer_layers(self.network))
        return [
            {
                "params": parameters,
                "lr": (rate := self.settings.learning_rate * self.settings.layer_decay ** (top - depth)),
                "base_lr": rate,
                "weight_decay": self.settings.weight_decay if decays and is_matrix else 0.0,
            }
            for (depth, is_matrix), parameters in sorted(groups.items(), key=lambda item: item[0])
        ]

    def _depths(self) -> dict[str, int]:
        """Parameter → 0 before the layers, n in the nth layer from below; what comes after them is as high as the last."""
        layers = transformer_layers(self.network)
        top = self.below + len(layers)
        inside = {
            id(parameter): self.below + number
            for number, layer in enumerate(layers, start=1)
            for parameter in layer.parameters()
        }
        return {
            name: inside.get(id(parameter), 0 if self._is_front(name) else top)
            for name, parameter in self.network.named_parameters()
        }

    def _is_front(self, name: str) -> bool:
        """Whether a parameter outside of the layers comes before them."""
        return any(
            part in name for part in ("embed", "feature_extractor", "feature_projection", "masked_spec")
        )


class GivenStates(nn.Module):
    """Stands where a model's embeddings were, and gives what the layers that were taken out would have given."""

    def __init__(self) -> None:
        super().__init__()
        self.states: Tensor | None = None

    def forward(self, *_: Any, **__: Any) -> Tensor:
        """(B, T, d), whatever it is called with."""
        assert self.states is not None
        return self.states


class CutNetwork:
    """A model whose lowest layers and embeddings were taken out, and put back when it is saved.

    Args:
        network: it is changed in place.
        count: of its lowest layers.
    """

    def __init__(self, network: Any, count: int) -> None:
        place = layers_place(network)
        assert place is not None
        self.network, self.place = network, place
        layers = list(getattr(*place))
        self.lower = layers[:count]
        self.embeddings = network.embeddings
        self.given = GivenStates()
        network.embeddings = self.given
        setattr(*place, nn.ModuleList(layers[count:]))

    def put_back(self) -> None:
        """Put the layers that were taken out back in."""
        upper = list(getattr(*self.place))
        self.network.embeddings = self.embeddings
        setattr(*self.place, nn.ModuleList([*self.lower, *upper]))
