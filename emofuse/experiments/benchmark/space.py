"""The points that a system is tuned over: its recipe as it is, and others drawn from its small search space."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from sklearn.model_selection import ParameterGrid, ParameterSampler

from emofuse.recipes.search_space import search_axes
from emofuse.runs.settings import RunSettings

_OPTIONS = "model.options."


def search_points(settings: RunSettings, config: BaseModel, budget: int) -> list[dict[str, Any]]:
    """Dotted changes of each point; the first changes nothing.

    The draws depend on the system alone, so a larger budget tries what a smaller one has tried, and more.

    Args:
        settings: of the system as its recipe has it.
        config: the system's own settings that follow from these.
        budget: points, the recipe's own among them; fewer where the space holds fewer.
    """
    space = _space(settings, config)
    own = {name: values[0] for name, values in space.items()}
    everything = len(ParameterGrid(space))
    drawn = ParameterSampler(space, everything, random_state=0)
    points: list[dict[str, Any]] = [{}]
    for point in drawn:
        changes = {name: point[name] for name in space if point[name] != own[name]}
        if len(points) == budget:
            break
        if changes:
            points.append(changes)
    return points


def _space(settings: RunSettings, config: BaseModel) -> dict[str, list[Any]]:
    """Setting → values without repetition, what the recipe has first."""
    content = settings.model_dump(mode="json")
    content["model"]["options"] = config.model_dump(mode="json")
    space = {}
    for name, axis in search_axes(settings.model.name).items():
        if name.startswith(_OPTIONS) and name.removeprefix(_OPTIONS) not in content["model"]["options"]:
            continue
        current = _current(content, name)
        values = list(axis.values) or [float(f"{factor * current:.6g}") for factor in axis.times]
        space[name] = [current, *(value for value in values if value != current)]
    return space


def _current(content: dict[str, Any], dotted: str) -> Any:
    value: Any = content
    for part in dotted.split("."):
        value = value[part]
    return value
