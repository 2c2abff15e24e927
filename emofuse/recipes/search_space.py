"""The small search space of each system, for comparisons that tune all of them alike."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, model_validator


class SearchAxis(BaseModel):
    """What one setting may be: values, or factors of what the recipe has.

    Attributes:
        values: themselves.
        times: factors.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    values: tuple[Any, ...] = ()
    times: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _check_one(self) -> SearchAxis:
        if bool(self.values) == bool(self.times):
            raise ValueError("give values or times, one of the two")
        return self


def search_axes(system: str) -> dict[str, SearchAxis]:
    """Dotted setting → what it may be; those that hold for every system, and the system's own.

    Args:
        system: its name in the registry.
    """
    text = (files(__package__) / "search_spaces.yaml").read_text(encoding="utf-8")
    spaces = TypeAdapter(dict[str, dict[str, SearchAxis]]).validate_python(yaml.safe_load(text))
    return spaces["every"] | spaces.get(system, {})
