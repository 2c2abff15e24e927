"""The points of a grid."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import yaml

from emofuse.data.yaml_values import read_value
from emofuse.errors import EmofuseError

# Points are compared on one validation part: what changes the parts, or nothing but chance, is no axis.
_NO_AXIS = ("seed", "device", "precision", "data")


class Axis(NamedTuple):
    """One setting and the values that it takes.

    Attributes:
        name: dotted, such as ``model.options.alpha``.
        values: two or more, distinct.
    """

    name: str
    values: tuple[Any, ...]

    @property
    def short(self) -> str:
        """The last part of the name."""
        return self.name.rpartition(".")[2]


class GridPoint(NamedTuple):
    """One point.

    Attributes:
        key: name of its folder, made of its values.
        changes: dotted name → value.
    """

    key: str
    changes: dict[str, Any]

    @property
    def values(self) -> tuple[Any, ...]:
        """In the order of the axes."""
        return tuple(self.changes.values())


def parse_axis(text: str) -> Axis:
    """``model.options.alpha=0.4,0.5``, or with values that have commas, ``name=[[bert], [bert, lstm]]``.

    Raises:
        EmofuseError: no name or fewer than two values, a value twice, or a setting that cannot be swept.
    """
    name, equals, listed = text.partition("=")
    name = name.strip()
    if not equals or not name:
        raise EmofuseError(f"--grid {text}: write it as name=value,value, e.g. model.options.alpha=0.4,0.5")
    if name.partition(".")[0] in _NO_AXIS:
        raise EmofuseError(
            f"--grid {text}: {name} is no setting to be chosen: it changes what a point is judged on"
        )
    try:
        values = read_value(listed if listed.strip().startswith("[") else f"[{listed}]")
    except (yaml.YAMLError, ValueError):  # the latter of a date such as 2020-13-01
        values = None
    if not isinstance(values, list):
        raise EmofuseError(f"--grid {text}: the values cannot be read; separate them by commas")
    if not _fits_json(values):
        raise EmofuseError(
            f"--grid {text}: a value is a number, true, false or text; put a date in quotes, as '2020-01-01'"
        )
    texts = [format_value(value) for value in values]
    if len(values) < 2 or len(set(texts)) < len(texts):
        raise EmofuseError(f"--grid {text}: give two values or more, each once; one value belongs to --set")
    return Axis(name, tuple(values))


def grid_points(axes: Sequence[Axis]) -> list[GridPoint]:
    """Every combination, the last axis the fastest.

    Raises:
        EmofuseError: no axis, or one twice.
    """
    names = [axis.name for axis in axes]
    if not names or len(set(names)) < len(names):
        raise EmofuseError("a sweep needs a --grid, and each setting once")
    points = []
    for number, values in enumerate(product(*(axis.values for axis in axes))):
        words = "_".join(
            f"{axis.short}-{format_value(value)}" for axis, value in zip(axes, values, strict=True)
        )
        key = re.sub(r"[^\w.+-]+", "-", words)[:80].strip("-.")
        points.append(GridPoint(f"{number:03d}_{key}", dict(zip(names, values, strict=True))))
    return points


def _fits_json(values: list[Any]) -> bool:
    """Whether they can be kept as JSON, and be the same when they are read again."""
    try:
        return bool(json.loads(json.dumps(values, allow_nan=False)) == values)
    except (TypeError, ValueError, RecursionError):
        return False


def format_value(value: Any) -> str:
    """A value in a few letters."""
    if isinstance(value, list):
        return "+".join(format_value(each) for each in value)
    return value if isinstance(value, str) else json.dumps(value)
