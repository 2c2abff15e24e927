"""A corpus as a search sees it: its training part alone, how that is divided, and which settings mean something to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.evaluation import Split, splits
from emofuse.experiments.sweep.grid import Axis
from emofuse.models.registry import model_config
from emofuse.runs.corpus import choose_split
from emofuse.runs.settings import RunSettings
from emofuse.runs.tasks import task_of
from emofuse.training.objective import check_objective

# Every point is compared with the same linear models, on the same features.
_SAME_FOR_ALL = ("encoders", "linear_pool", "threads", "test_scores")
# What the linear models themselves read of settings that may be axes; see `fit_baselines`. A preset may name text_length.
_READ_BY_LINEAR = (
    "optimiser.class_weights",
    "model.name",
    "model.preset",
    "model.modalities",
    "model.task",
    "model.options.text_length",
)
_INNER_FOLDS = 4


@dataclass(frozen=True)
class SearchedCorpus:
    """A corpus in a search.

    Attributes:
        name: in tables and folders.
        settings: its recipe.
        manifest: its training part; what judges is not in it.
        axes: the names of those that its system and task know.
        unknown: of the others, why not.
    """

    name: str
    settings: RunSettings
    manifest: Manifest
    axes: frozenset[str]
    unknown: Mapping[str, str] = field(default_factory=dict)

    @property
    def metric(self) -> str:
        """What a point is scored by."""
        return "mae" if self.settings.model.task == "regression" else "weighted_f1"

    @property
    def linear_axes(self) -> frozenset[str]:
        """Those axes that a linear model on a point's features would read; it takes the recipe's values of them.

        Where an encoder learns with the system, its features follow from every setting.
        """
        if any(spec.end_to_end is not None for spec in self.settings.encoders.values()):
            return self.axes
        return frozenset(axis for axis in self.axes if any(_meets(axis, name) for name in _READ_BY_LINEAR))

    def at(self, changes: Mapping[str, Any]) -> RunSettings:
        """The recipe with a point's values, as far as it knows them."""
        return self.settings.with_changes({n: v for n, v in changes.items() if n in self.axes})

    def gain(self, score: float, linear: float) -> float:
        """The share of the linear model's error that the system takes away; below 0 where it adds to it.

        The error is the mean absolute error, or 1 − weighted F1.
        """
        error, theirs = (score, linear) if self.metric == "mae" else (1 - score, 1 - linear)
        return 1 - error / theirs if theirs > 0 else 0.0

    def outer(self, count: int) -> list[Split]:
        """Folds of the training part: what is judged, and what may be learnt and chosen from."""
        return self._splits(self.manifest, max(2, count), "choose another --outer, or a larger corpus")[
            :count
        ]

    def inner(self, ids: Sequence[str], count: int) -> list[Split]:
        """Folds of a part of it, of which the first ``count`` are used."""
        # Of k outer folds one waits, so the larger k is, the more is left.
        advice = "choose more --outer, which leave more for the inner folds, or a larger corpus"
        return self._splits(self.manifest.select(ids), max(_INNER_FOLDS, count), advice)[:count]

    def _splits(self, manifest: Manifest, folds: int, advice: str) -> list[Split]:
        data = self.settings.data
        # Published parts are gone; a dialogue is the finest thing that stays whole.
        protocol = "dialogue" if data.protocol == "official" else data.protocol
        try:
            return splits(manifest, protocol, k=folds, seed=data.split_seed, val_fraction=data.val_fraction)
        except EmofuseError as error:
            raise EmofuseError(
                f"{self.name}: its training part makes no {folds} folds ({error}); {advice}"
            ) from None


def searched_corpus(
    name: str, settings: RunSettings, manifest: Manifest, axes: Sequence[Axis]
) -> SearchedCorpus:
    """A corpus for a search.

    Args:
        name: in tables and folders.
        settings: its recipe; what its protocol would judge on is left out.
        manifest: all of it.
        axes: that are searched; those that the system or the task does not know are noted.

    Raises:
        EmofuseError: the recipe itself cannot be trained, or an axis changes what points are compared on.
    """
    for axis in axes:
        if axis.name.partition(".")[0] in _SAME_FOR_ALL:
            raise EmofuseError(f"--grid {axis.name}: it is the same for every point of a search; use --set")
    _check(settings, manifest)
    split = choose_split(settings, manifest)
    part = manifest.select([*split.train, *split.val])
    unknown = {}
    for axis in axes:
        for value in axis.values:
            try:
                _check(settings.with_changes({axis.name: value}), manifest)
            except EmofuseError as error:
                unknown[axis.name] = str(error)
    known = frozenset(axis.name for axis in axes) - set(unknown)
    return SearchedCorpus(name, settings, part, known, unknown)


def _meets(axis: str, name: str) -> bool:
    """Whether they are one setting, or one holds the other."""
    return f"{axis}.".startswith(f"{name}.") or f"{name}.".startswith(f"{axis}.")


def _check(settings: RunSettings, manifest: Manifest) -> None:
    task = task_of(settings, manifest)
    options = task.model_options() | settings.model.options
    model_config(settings.model.name, settings.model.preset, **options)
    check_objective(settings.model.name, task, settings.optimiser)
