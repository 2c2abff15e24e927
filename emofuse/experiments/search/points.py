"""Which point of a grid is tried next: Optuna's tree-structured Parzen estimator says it."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from emofuse.errors import EmofuseError
from emofuse.experiments.sweep.grid import Axis, format_value

_RANDOM = 8  # points that are drawn by lot before the estimator has anything to go by
_ATTEMPTS = 30
_LARGEST = 2**63 - 1  # that NumPy draws below


def check_optuna() -> None:
    """See that the library is there.

    Raises:
        EmofuseError: it is not.
    """
    if find_spec("optuna") is None:
        raise EmofuseError("a search needs the package optuna: pip install 'emofuse[search]'")


def next_point(
    axes: Sequence[Axis], tried: Sequence[tuple[dict[str, Any], float | None]], seed: int
) -> dict[str, Any] | None:
    """A point that has not been tried, the same whenever it is asked for after the same trials; None when there is none.

    Args:
        axes: of the grid.
        tried: points and their values, larger for better; None for one that failed.
        seed: of the draws.
    """
    import optuna

    places = [tuple(_place(axis, point[axis.name]) for axis in axes) for point, _ in tried]
    seen = set(places)
    left = math.prod(len(axis.values) for axis in axes) - len(seen)
    if left < 1:
        return None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(n_startup_trials=_RANDOM, seed=seed + len(tried))
    study = optuna.create_study(direction="maximize", sampler=sampler)
    spaces = {axis.name: _space(axis) for axis in axes}
    for place, (_, value) in zip(places, tried, strict=True):
        if value is not None:
            given = {axis.name: number for axis, number in zip(axes, place, strict=True)}
            study.add_trial(optuna.trial.create_trial(params=given, distributions=spaces, value=value))
    for _ in range(_ATTEMPTS):
        asked = study.ask(spaces)
        place = tuple(int(asked.params[axis.name]) for axis in axes)
        if place not in seen:
            return _point(axes, place)
        study.tell(asked, state=optuna.trial.TrialState.FAIL)
    drawn = int(np.random.default_rng(seed + len(tried)).integers(min(left, _LARGEST)))
    return _point(axes, nth_left(axes, seen, drawn))


def nth_left(axes: Sequence[Axis], seen: Collection[tuple[int, ...]], number: int) -> tuple[int, ...]:
    """The place that stands there in the list of the whole grid without those seen; no such list is made.

    Args:
        axes: of the grid, the last the fastest.
        seen: places that are not counted.
        number: from 0, of those that are left.
    """
    sizes = [len(axis.values) for axis in axes]

    def position(place: Sequence[int]) -> int:
        found = 0
        for each, size in zip(place, sizes, strict=True):
            found = found * size + each
        return found

    for taken in sorted(map(position, seen)):
        number += taken <= number
    place = []
    for size in reversed(sizes):
        number, each = divmod(number, size)
        place.append(each)
    return tuple(reversed(place))


def _space(axis: Axis) -> Any:
    """Numbers in their order have neighbours; anything else has none."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    numbers = [v for v in axis.values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) == len(axis.values) and numbers in (sorted(numbers), sorted(numbers, reverse=True)):
        return IntDistribution(0, len(axis.values) - 1)
    return CategoricalDistribution(tuple(range(len(axis.values))))


def _place(axis: Axis, value: Any) -> int:
    texts = [format_value(each) for each in axis.values]  # 1 and true are equal, and not the same
    return texts.index(format_value(value))


def _point(axes: Sequence[Axis], place: Sequence[int]) -> dict[str, Any]:
    return {axis.name: axis.values[number] for axis, number in zip(axes, place, strict=True)}
