"""Which point of a grid is tried next: Optuna's tree-structured Parzen estimator says it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from itertools import product
from typing import Any

import numpy as np

from emofuse.errors import EmofuseError
from emofuse.experiments.sweep.grid import Axis

_RANDOM = 8  # points that are drawn by lot before the estimator has anything to go by
_ATTEMPTS = 30


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
    left = [each for each in product(*(range(len(axis.values)) for axis in axes)) if each not in places]
    if not left:
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
        if place in left:
            return _point(axes, place)
        study.tell(asked, state=optuna.trial.TrialState.FAIL)
    return _point(axes, left[np.random.default_rng(seed + len(tried)).integers(len(left))])


def _space(axis: Axis) -> Any:
    """Numbers in their order have neighbours; anything else has none."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    numbers = [v for v in axis.values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) == len(axis.values) and numbers == sorted(numbers):
        return IntDistribution(0, len(axis.values) - 1)
    return CategoricalDistribution(tuple(range(len(axis.values))))


def _place(axis: Axis, value: Any) -> int:
    return axis.values.index(value)


def _point(axes: Sequence[Axis], place: Sequence[int]) -> dict[str, Any]:
    return {axis.name: axis.values[number] for axis, number in zip(axes, place, strict=True)}
