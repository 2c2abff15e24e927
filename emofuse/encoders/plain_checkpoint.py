"""A model's folder, config.json and model.safetensors, read by networks that need torch alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from torch import nn

from emofuse.data.stored_files import DamagedFileError, stored_json

_ADVICE = "copy the folder again"
Shape = TypeVar("Shape")
Network = TypeVar("Network", bound=nn.Module)


def stored_config(folder: Path) -> dict[str, Any] | None:
    """What config.json says, where the folder holds that and one file of safetensors; None otherwise.

    Raises:
        EmofuseError: it is damaged.
    """
    if not all((folder / name).is_file() for name in ("config.json", "model.safetensors")):
        return None
    config = stored_json(folder / "config.json", _ADVICE)
    return config if isinstance(config, dict) else None


def empty_network(folder: Path, shape: type[Shape], network: Callable[[Shape], Network]) -> Network:
    """The network that config.json describes, without memory for its weights.

    Args:
        folder: of the model.
        shape: a dataclass; its fields are looked up in config.json.
        network: builds one of a shape.

    Raises:
        EmofuseError: no network can be that.
    """
    file = folder / "config.json"
    config = stored_json(file, _ADVICE)
    try:
        fields: tuple[str, ...] = tuple(shape.__dataclass_fields__)  # type: ignore[attr-defined]
        known = shape(**{name: config[name] for name in fields if name in config})
        with torch.device("meta"):
            return network(known)
    except (TypeError, ValueError, IndexError, RuntimeError) as error:
        raise DamagedFileError(file, str(error), _ADVICE) from None


@contextmanager
def weights_file(folder: Path) -> Iterator[Path]:
    """model.safetensors; what goes wrong with it inside the block is one line about the file."""
    file = folder / "model.safetensors"
    try:
        yield file
    except (SafetensorError, OSError, RuntimeError) as error:
        # Of torch's list of what does not fit, the last line.
        last = (str(error).splitlines() or [type(error).__name__])[-1].strip()
        raise DamagedFileError(file, last, _ADVICE) from None
