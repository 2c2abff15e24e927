"""Every system by name: where it is found, how it is built."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from emofuse.data.modality import InputKind, Modality
from emofuse.errors import EmofuseError, reason_of
from emofuse.models.declarations import declared_systems
from emofuse.models.system_info import ModelInfo, Scope, Task, declared_info

if TYPE_CHECKING:
    from pydantic import BaseModel
    from torch import nn

__all__ = [
    "ENTRY_POINTS",
    "ModelInfo",
    "System",
    "create_model",
    "list_models",
    "model_config",
    "model_info",
    "register_system",
]

Model = TypeVar("Model", bound="nn.Module")

ENTRY_POINTS = "emofuse.systems"
_PACKAGE = "emofuse.models"


@dataclass(frozen=True)
class System:
    """A registered system: its declaration, its network and its settings."""

    info: ModelInfo
    model: type[nn.Module]
    config: type[BaseModel]


# A decorator must leave what it has seen somewhere: this is the one place.
_registered: dict[str, System] = {}


def register_system(
    *,
    name: str,
    title: str,
    paper: str,
    summary: str,
    scope: Scope,
    inputs: Mapping[Modality, InputKind],
    config: type[BaseModel],
    tasks: tuple[Task, ...] = ("classification",),
    speakers: bool = False,
    row_numbers: bool = False,
    presets: tuple[str, ...] = (),
    citation: str = "",
) -> Callable[[type[Model]], type[Model]]:
    """Declare a system, on its class; from then on `create_model`, recipes and every verb know its name.

    A module of `emofuse.models` is found by itself. Another package names its class in its entry points, in the
    group ``emofuse.systems``, under the system's name.

    The class takes its settings alone, ``Model(config)``, and has ``config``, ``scalers`` (see `FeatureScalers`),
    ``forward(**inputs)`` giving an `EmotionOutput`, and ``training_loss(output, labels, class_weights, present)``
    giving a dict with ``"loss"``. The settings have ``modalities``, ``num_classes`` (or ``task``) and a size
    ``<modality>_dim`` of each input that is no picture.

    Args:
        name: lower case, digits and hyphens.
        title: as it is called in print.
        paper: where it was published.
        summary: one sentence.
        scope: see `ModelInfo`, as for all that follows.
        inputs: modality → kind.
        config: pydantic settings; each preset is a class method of it.
        tasks: what it can learn.
        speakers: whether it takes the speakers of a dialogue.
        row_numbers: whether it takes the numbers of utterances.
        presets: named sizes.
        citation: BibTeX.

    Raises:
        ValueError: the declaration contradicts itself, or another class has the name.
    """
    info = declared_info(
        name=name,
        title=title,
        paper=paper,
        summary=summary,
        scope=scope,
        inputs=inputs,
        tasks=tasks,
        speakers=speakers,
        row_numbers=row_numbers,
        presets=presets,
        citation=citation,
    )
    if missing := [preset for preset in presets if not callable(getattr(config, preset, None))]:
        raise ValueError(f"{name}: {config.__name__} has no class method {missing[0]} for the preset")

    def register(model: type[Model]) -> type[Model]:
        held = _registered.get(name)
        if held is not None and _place(held.model) != _place(model):
            raise ValueError(f"{name}: is registered already, by {'.'.join(_place(held.model))}")
        _registered[name] = System(info, model, config)
        return model

    return register


def list_models() -> list[ModelInfo]:
    """Describe every system, those of plugins too, in the order of their names.

    The systems of this package are not imported: what they declare is read from their files. A plugin that cannot be
    loaded is left out with a warning.
    """
    found = {}
    for declared in declared_systems():
        if declared.values is None:
            import_module(declared.module)
        else:
            found[declared.values["name"]] = declared_info(**declared.values)
    for point in entry_points(group=ENTRY_POINTS):
        if point.name not in _registered and point.name not in found:
            try:
                _load_plugin(point)
            except EmofuseError as error:
                warnings.warn(str(error), stacklevel=2)
    found |= {name: system.info for name, system in _registered.items()}
    return [found[name] for name in sorted(found)]


def model_info(system: str | nn.Module) -> ModelInfo:
    """Describe one system, by its name, by a model of it, or by what stands in for one and has its ``info``.

    Raises:
        EmofuseError: for an unknown name.
    """
    if isinstance(system, str):
        return _system(system).info
    from emofuse.models.pooled_system import system_of

    inner = system_of(system)
    if isinstance(declared := getattr(inner, "info", None), ModelInfo):
        return declared
    return next(held.info for held in _registered.values() if type(inner) is held.model)


def model_config(name: str, preset: str | None = None, **config: Any) -> BaseModel:
    """Checked settings of a system: a preset's, with ``config`` put over them.

    Raises:
        EmofuseError: for an unknown name, preset or setting, a value out of range, or a task that the system does not do.
    """
    from pydantic import ValidationError

    system = _system(name)
    if preset is not None and preset not in system.info.presets:
        choice = ", ".join(system.info.presets) or "none"
        raise EmofuseError(f"{name} has no preset {preset!r}: choose from {choice}")
    try:
        build = system.config if preset is None else getattr(system.config, preset)
        built: BaseModel = build(**config)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'config'}: {e['msg']}" for e in error.errors())
        raise EmofuseError(f"the settings of {name} are not valid: {wrong}") from error
    except TypeError as error:
        raise EmofuseError(f"the settings of {name} are not complete: {error}") from error
    task = getattr(built, "task", "classification")
    if task not in system.info.tasks:
        raise EmofuseError(f"{system.info.title} does no {task}; it does {', '.join(system.info.tasks)}")
    return built


def create_model(name: str, preset: str | None = None, **config: Any) -> nn.Module:
    """Build a system by name.

    Args:
        name: one of `list_models`.
        preset: one of the system's named sizes ("paper", "tiny"), or None for its defaults.
        **config: settings, put over the preset's.

    Raises:
        EmofuseError: as `model_config`, or if the settings do not fit together.
    """
    return _system(name).model(model_config(name, preset, **config))


def _place(model: type) -> tuple[str, str]:
    return model.__module__, model.__qualname__


def _system(name: str) -> System:
    """The system of this name: a module that has it is loaded, and no other where its file has its name."""
    if name not in _registered:
        own = f"{_PACKAGE}.{name.replace('-', '_')}"
        if re.fullmatch(r"[a-z0-9-]+", name) and find_spec(own) is not None:
            import_module(own)
    if name not in _registered:
        for point in entry_points(group=ENTRY_POINTS, name=name):
            _load_plugin(point)
    if name not in _registered:
        _load_declared(name)
    if name not in _registered:
        known = ", ".join(info.name for info in list_models())
        raise EmofuseError(f"there is no model named {name!r}: choose from {known}")
    return _registered[name]


def _load_declared(name: str) -> None:
    """Import the module of this package that declares the name; files need not be called as their system."""
    for declared in declared_systems():
        if declared.values is None or declared.values["name"] == name:
            import_module(declared.module)


def _load_plugin(point: EntryPoint) -> None:
    """Import a plugin's class.

    Raises:
        EmofuseError: it fails, whatever of, or registers another name.
    """
    try:
        point.load()
    except Exception as error:  # a stranger's module may fail in any way; the others go on
        raise EmofuseError(
            f"the system {point.name} of {point.value} cannot be loaded: {reason_of(error)}; mend or uninstall it"
        ) from error
    if point.name not in _registered:
        raise EmofuseError(
            f"the entry point {point.name} = {point.value} registers no system of that name; see docs/add-a-system.md"
        )
