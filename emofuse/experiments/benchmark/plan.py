"""Which systems a benchmark runs, and with which settings: each system's own, on data and features that all share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.experiments.benchmark.space import search_points
from emofuse.models import list_models, model_info
from emofuse.models.registry import model_config
from emofuse.recipes import find_recipe, list_recipes
from emofuse.runs.modalities import choose_modalities
from emofuse.runs.settings import RunSettings
from emofuse.runs.tasks import task_of

_PRESET = "tiny"
# Of a recipe a system keeps its architecture and how it is optimised; what is here comes from the benchmark.
_SHARED = ("seed", "device", "threads", "devices", "nodes", "test_scores", "data", "encoders")


@dataclass(frozen=True)
class BenchmarkPlan:
    """What is to be run.

    Attributes:
        shared: settings that all runs share: data, protocol, encoders, modalities, task, device, threads.
        recipes: names, separated by commas. Every system is taken from its first recipe ``SYSTEM/NAME`` of these; where it
            has none, from its preset "tiny".
        systems: their names; empty for all that are registered.
        seeds: runs of each system, with the seeds 0, 1, ...
        budget: points of its search space that each system is tuned over, on the validation part; 1 is the recipe.
        changes: dotted settings that are put over those of every system.
        test_scores: note the test part's score after every epoch, to say what choosing by it would be worth.
        run_reports: draw a report of every run too; that takes seconds a run.
    """

    shared: RunSettings
    recipes: str = "demo"
    systems: Sequence[str] = ()
    seeds: int = 3
    budget: int = 1
    changes: dict[str, Any] = field(default_factory=dict)
    test_scores: bool = True
    run_reports: bool = True

    def __post_init__(self) -> None:
        if self.seeds < 1 or self.budget < 1:
            raise EmofuseError("benchmark: --seeds and --budget begin at 1")

    @property
    def names(self) -> list[str]:
        """The systems, in the order asked for.

        Raises:
            EmofuseError: one is unknown, or named twice.
        """
        names = list(self.systems) or [info.name for info in list_models()]
        for name in names:
            model_info(name)
        if len(set(names)) < len(names):
            raise EmofuseError(f"--systems names a system twice: {', '.join(names)}")
        return names

    def recipe_of(self, system: str) -> str | None:
        """The recipe that a system is taken from; None where it has none of those that were asked for."""
        known = list_recipes()
        asked = (f"{system}/{name.strip()}" for name in self.recipes.split(","))
        return next((recipe for recipe in asked if recipe in known), None)

    def settings_of(self, system: str) -> RunSettings:
        """A system's settings as its recipe has them, on what all share; stopped by the task's own metric."""
        recipe = self.recipe_of(system)
        own = RunSettings.from_yaml(find_recipe(recipe)) if recipe else None
        shared = self.shared.model_dump(mode="json")
        content = (own or self.shared).model_dump(mode="json") | {name: shared[name] for name in _SHARED}
        content["model"] = (
            {"name": system, "preset": _preset(system), "options": {}} if own is None else content["model"]
        ) | {name: shared["model"][name] for name in ("modalities", "task")}
        content["optimiser"]["monitor"] = None
        settings = RunSettings.checked(content, source=recipe or system)
        return settings.with_changes({"test_scores": self.test_scores, **self.changes})

    def claim(self) -> dict[str, Any]:
        """What runs of one folder must have in common; systems, seeds and budget may grow."""
        return {
            "recipes": self.recipes,
            "shared": self.shared.model_dump(mode="json"),
            "changes": {name: str(value) for name, value in self.changes.items()},
            "test_scores": self.test_scores,
        }


@dataclass(frozen=True)
class PlannedSystem:
    """A system that can be run.

    Attributes:
        name: in the registry.
        settings: as its recipe has them.
        points: dotted changes of each point that it is tuned over; the first changes nothing.
        from_recipe: whether there was a recipe of the name asked for.
    """

    name: str
    settings: RunSettings
    points: tuple[dict[str, Any], ...]
    from_recipe: bool

    def at(self, point: int, seed: int) -> RunSettings:
        """The settings of one run."""
        return self.settings.with_changes({**self.points[point], "seed": seed})


@dataclass(frozen=True)
class Job:
    """One run: a system at a point with a seed.

    Attributes:
        path: its run folder.
        settings: of the run.
        judged: on the test part; otherwise it is scored on the validation part alone.
        reported: it gets a report of its own.
    """

    path: Path
    settings: RunSettings
    judged: bool
    reported: bool = True


def plan_systems(plan: BenchmarkPlan, manifest: Manifest) -> tuple[list[PlannedSystem], dict[str, str]]:
    """The systems that can do what is asked, and why the others cannot.

    Raises:
        EmofuseError: none can; the reason is that of the first.
    """
    planned, left_out = [], {}
    for name in plan.names:
        try:
            settings = plan.settings_of(name)
            options = task_of(settings, manifest).model_options() | settings.model.options
            choose_modalities(settings, manifest)
            config = model_config(name, settings.model.preset, **options)
        except EmofuseError as error:
            left_out[name] = str(error)
            continue
        points = search_points(settings, config, plan.budget)
        planned.append(PlannedSystem(name, settings, tuple(points), plan.recipe_of(name) is not None))
    if not planned:
        raise EmofuseError(f"no system can do this: {next(iter(left_out.values()))}")
    return planned, left_out


def run_path(folder: Path, system: str, point: int, seed: int) -> Path:
    """The run folder of a system at a point with a seed."""
    return folder / "runs" / system / f"point-{point:02d}" / f"seed-{seed}"


def _preset(system: str) -> str | None:
    presets = model_info(system).presets
    return _PRESET if _PRESET in presets else next(iter(presets), None)
