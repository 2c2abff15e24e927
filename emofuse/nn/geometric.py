"""torch-geometric, which systems on graphs need: the extra ``graph``."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from emofuse.errors import EmofuseError


def geometric(module: str) -> Any:
    """A module of torch-geometric, ``nn`` or ``utils``.

    It is imported when the first layer on graphs is built, and not before: that takes seconds, which nobody else should wait.

    Raises:
        EmofuseError: torch-geometric is not installed.
    """
    try:
        return import_module(f"torch_geometric.{module}")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "torch_geometric":
            raise
        raise EmofuseError(
            "systems on graphs need torch-geometric: `pip install emofuse[graph]` (pure Python, MIT licence)"
        ) from None
