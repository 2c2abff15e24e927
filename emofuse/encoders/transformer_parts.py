"""Where a model of transformers keeps its layers and embeddings; the classes differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from emofuse.data.wording import counted
from emofuse.errors import EmofuseError

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


def check_layers(name: str, asked: Sequence[int], count: int) -> None:
    """See that an encoder has the layers whose states are wanted.

    Args:
        name: the encoder's.
        asked: layers from 1 on, 0 for what the first one reads; negative ones count from the last.
        count: how many layers it has.

    Raises:
        EmofuseError: it lacks one.
    """
    if absent := [layer for layer in asked if not -count - 1 <= layer <= count]:
        raise EmofuseError(
            f"encoder {name}: there is no layer {absent[0]}; its layers are 1 to {count}, and 0 is what they read"
        )


def check_layers_left(name: str, frozen: int, count: int) -> None:
    """See that a layer is left to learn above those that are frozen.

    Raises:
        EmofuseError: there is none.
    """
    if frozen >= count:
        raise EmofuseError(
            f"encoder {name}: freeze_layers {frozen} leaves none of its {counted(count, 'layer')} to learn; freeze fewer"
        )


def refuse_missing_weights(name: str, missing: Sequence[str], network: object) -> None:
    """See that a checkpoint holds the weights of a network.

    Args:
        name: the encoder's.
        missing: names of weights that it lacks.
        network: what they are for.

    Raises:
        EmofuseError: there are any.
    """
    if missing:
        lacks = counted(len(missing), "weight")
        raise EmofuseError(
            f"encoder {name}: its checkpoint lacks {lacks}, {min(missing)} among them, so it is not one of "
            f"{type(network).__name__}; name another model"
        )


def embeddings_of(encoder: Any) -> nn.Module:
    """What a text model makes of its tokens before its layers."""
    found = getattr(encoder, "embeddings", None)
    embeddings: nn.Module = found if isinstance(found, nn.Module) else encoder.get_input_embeddings()
    return embeddings
