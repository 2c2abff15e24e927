"""Where the parts of a model of transformers lie, whichever class it is of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

_TRUNKS = ("encoder", "transformer")
_LAYERS = ("layer", "layers", "stages", "blocks")


def layers_place(encoder: Any) -> tuple[nn.Module, str] | None:
    """The module that holds an encoder's layers, and under which name; None where they are not where they usually are."""
    for trunk in (*(getattr(encoder, place, None) for place in _TRUNKS), encoder):
        for name in _LAYERS:
            if isinstance(getattr(trunk, name, None), nn.ModuleList | nn.Sequential):
                return trunk, name
    return None


def transformer_layers(encoder: Any) -> Sequence[nn.Module]:
    """The layers (of a convolutional network the stages) of an encoder, lowest first.

    Empty where they are not where they usually are.
    """
    place = layers_place(encoder)
    return [] if place is None else list(getattr(*place))


def embeddings_of(encoder: Any) -> nn.Module:
    """What a text model makes of its tokens before its layers."""
    found = getattr(encoder, "embeddings", None)
    embeddings: nn.Module = found if isinstance(found, nn.Module) else encoder.get_input_embeddings()
    return embeddings
