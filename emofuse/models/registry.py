"""Every system by name: what it declares, where it is found, how it is built."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from emofuse.data.modality import MODALITIES, InputKind, Modality
from emofuse.errors import EmofuseError, reason_of
from emofuse.models.declarations import declared_systems

if TYPE_CHECKING:
    from pydantic import BaseModel
    from torch import nn

Scope = Literal["utterance", "dialogue"]
Task = Literal["classification", "regression"]
Model = TypeVar("Model", bound="nn.Module")

ENTRY_POINTS = "emofuse.systems"
_PACKAGE = "emofuse.models"


@dataclass(frozen=True)
class ModelInfo:
    """What a system declares; batches, windows, extraction and explanation follow from it and from nothing else.

    Attributes:
        name: what `create_model` takes.
        title: as it is called in print.
        paper: where it was published.
        summary: one sentence.
        scope: what it sees at once: "utterance", each on its own, or "dialogue", all utterances of a dialogue
            in their order.
        inputs: modality → how it takes it, of the modalities that it can take. "vector": (B, d), or (B, N, d) of a
            dialogue. "steps": (B, T, d) with ``masks``, a vector per token or per moment. "frames": pictures,
            (B, F, 3, H, W) uint8, under the name ``frames``.
        tasks: what it can learn to say: classes, or a value.
        speakers: it takes ``speakers``, (B, N) int64, the speakers of a dialogue numbered from 0 as they appear.
        row_numbers: it takes ``row_numbers``, (B,) int64, the place of each utterance in its part, by which a training
            knows it again.
        presets: its named sizes.
        citation: BibTeX of the paper, empty where there is none.
    """

    name: str
    title: str
    paper: str
    summary: str
    scope: Scope
    inputs: Mapping[Modality, InputKind]
    tasks: tuple[Task, ...] = ("classification",)
    speakers: bool = False
    row_numbers: bool = False
    presets: tuple[str, ...] = ()
    citation: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        _check_declaration(self)

    @property
    def reads_frames(self) -> bool:
        """Whether it sees the pictures themselves; another system's video comes from an encoder."""
        return "frames" in self.inputs.values()

    def takes(self, modality: Modality) -> InputKind:
        """How it takes a modality.

        Raises:
            EmofuseError: it does not take it at all.
        """
        try:
            return self.inputs[modality]
        except KeyError:
            raise EmofuseError(
                f"{self.title} takes no {modality}; it takes {', '.join(self.inputs)}"
            ) from None

    @property
    def input_line(self) -> str:
        """The declaration for a person, e.g. ``utterance; text vector, video frames; classification``."""
        inputs = ", ".join(f"{modality} {kind}" for modality, kind in self.inputs.items())
        speakers = "; speakers" if self.speakers else ""
        return f"{self.scope}; {inputs}{speakers}; {', '.join(self.tasks)}"


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
    info = _model_info(
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


def _model_info(
    *, name: str, inputs: Mapping[Modality, InputKind], citation: str = "", **declared: Any
) -> ModelInfo:
    """The declaration in its usual form: modalities in their order, sequences as tuples."""
    if set(inputs) - set(MODALITIES):
        raise ValueError(f"{name}: unknown modalities {sorted(set(inputs) - set(MODALITIES))}")
    ordered = {m: inputs[m] for m in MODALITIES if m in inputs}
    fields = declared | {key: tuple(declared[key]) for key in ("tasks", "presets") if key in declared}
    return ModelInfo(name=name, inputs=ordered, citation=citation.strip(), **fields)


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
            found[declared.values["name"]] = _model_info(**declared.values)
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


def _check_declaration(info: ModelInfo) -> None:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", info.name):
        raise ValueError(f"{info.name!r}: a system's name is lower case, digits and hyphens")
    if not info.inputs or not info.tasks:
        raise ValueError(f"{info.name}: a system needs an input and a task")
    if info.scope == "dialogue" and set(info.inputs.values()) != {"vector"}:
        raise ValueError(f"{info.name}: a system that sees dialogues takes a vector per utterance")
    if info.speakers and info.scope != "dialogue":
        raise ValueError(f"{info.name}: speakers are those of a dialogue, and it sees single utterances")
    if info.row_numbers and info.scope != "utterance":
        raise ValueError(f"{info.name}: row numbers are of single utterances, and it sees dialogues")
    if any(kind == "frames" and m != "video" for m, kind in info.inputs.items()):
        raise ValueError(f"{info.name}: frames are of the video")


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
