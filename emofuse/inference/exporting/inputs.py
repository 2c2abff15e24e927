"""The inputs of an exported program: a flat list of tensors, each axis a number or a name that may vary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from emofuse.data.modality import Modality
from emofuse.models.system_info import ModelInfo

Axis = str | int
Kind = Literal["feature", "frames", "flag", "mask", "number"]
BATCH, DIALOGUE, FRAMES = "batch", "dialogue", "frames"
_TYPES = {
    "feature": torch.float32,
    "frames": torch.uint8,
    "flag": torch.bool,
    "mask": torch.bool,
    "number": torch.int64,
}


@dataclass(frozen=True)
class ProgramInput:
    """One tensor that a program takes.

    Attributes:
        name: ``text``, ``frames``, ``mask_text``, ``present_text``, ``mask`` or ``speakers``.
        kind: what it holds; "mask" says which steps or utterances are real, "flag" who has a modality.
        axes: of its shape: a name where the size may vary, else the size.
        modality: whose it is, where it is of one.
    """

    name: str
    kind: Kind
    axes: tuple[Axis, ...]
    modality: Modality | None = None

    @property
    def dtype(self) -> torch.dtype:
        """What its numbers are stored as."""
        return _TYPES[self.kind]

    def shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """Its shape where the axes that vary have these sizes."""
        return tuple(sizes[axis] if isinstance(axis, str) else axis for axis in self.axes)


def program_inputs(info: ModelInfo, config: Any) -> list[ProgramInput]:
    """What the program of a system takes, in its order."""
    listed: list[ProgramInput] = []
    turns: tuple[Axis, ...] = (BATCH, DIALOGUE) if info.scope == "dialogue" else (BATCH,)
    for modality in config.modalities:
        how = info.takes(modality)
        if how == "frames":
            side = config.image_size
            listed.append(ProgramInput("frames", "frames", (BATCH, FRAMES, 3, side, side), modality))
        else:
            width, steps = getattr(config, f"{modality}_dim"), steps_axis(modality)
            between = (steps,) if how == "steps" else ()
            listed.append(ProgramInput(modality, "feature", (*turns, *between, width), modality))
            if how == "steps":
                listed.append(ProgramInput(f"mask_{modality}", "mask", (BATCH, steps), modality))
        listed.append(ProgramInput(f"present_{modality}", "flag", turns, modality))
    if info.scope == "dialogue":
        listed.append(ProgramInput("mask", "mask", turns))
    if info.speakers:
        listed.append(ProgramInput("speakers", "number", turns))
    return listed


def steps_axis(modality: Modality) -> str:
    """The name of the axis of a modality's steps."""
    return f"steps_{modality}"


def varying_axes(inputs: Sequence[ProgramInput]) -> list[str]:
    """The names of axes that may vary, each once."""
    return list(dict.fromkeys(axis for each in inputs for axis in each.axes if isinstance(axis, str)))


def as_arguments(inputs: Sequence[ProgramInput], tensors: Sequence[Tensor]) -> dict[str, Any]:
    """What a system's ``forward`` takes by name, of a program's tensors."""
    arguments: dict[str, Any] = {}
    for each, tensor in zip(inputs, tensors, strict=True):
        if each.name.startswith("mask_"):
            arguments.setdefault("masks", {})[each.modality] = tensor
        elif each.kind == "flag":
            arguments.setdefault("present", {})[each.modality] = tensor
        else:
            arguments[each.name] = tensor
    return arguments


def as_tensors(inputs: Sequence[ProgramInput], given: Mapping[str, Any]) -> list[Tensor]:
    """A program's tensors of what a batch holds by name; of a modality that is not there zeros, marked as absent."""
    sizes = sizes_of(inputs, given)
    tensors = []
    for each in inputs:
        found = _found(each, given)
        tensors.append(
            torch.zeros(each.shape(sizes), dtype=each.dtype) if found is None else found.to("cpu", each.dtype)
        )
    return tensors


def sizes_of(inputs: Sequence[ProgramInput], given: Mapping[str, Any]) -> dict[str, int]:
    """The size that each axis has in a batch, 1 where nothing has it."""
    sizes = dict.fromkeys(varying_axes(inputs), 1)
    for each in inputs:
        found = _found(each, given)
        if found is not None:
            sizes |= {
                axis: n for axis, n in zip(each.axes, found.shape, strict=True) if isinstance(axis, str)
            }
    return sizes


def _found(each: ProgramInput, given: Mapping[str, Any]) -> Tensor | None:
    found: Tensor | None
    if each.name.startswith("mask_"):
        found = given.get("masks", {}).get(each.modality)
    elif each.kind == "flag":
        found = given.get("present", {}).get(each.modality)
    else:
        found = given.get(each.name)
    return found


def random_tensors(inputs: Sequence[ProgramInput], sizes: Mapping[str, int], seed: int) -> list[Tensor]:
    """A batch of these sizes: padding comes last, some rows lack a modality, and the longest row is whole."""
    generator = torch.Generator().manual_seed(seed)
    tensors = []
    for each in inputs:
        shape = each.shape(sizes)
        if each.kind == "feature":
            tensors.append(torch.randn(shape, generator=generator))
        elif each.kind == "frames":
            tensors.append(torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8))
        elif each.kind == "mask":
            lengths = torch.randint(1, shape[1] + 1, shape[:1], generator=generator)
            lengths[0] = shape[1]
            tensors.append(torch.arange(shape[1]) < lengths.unsqueeze(1))
        elif each.kind == "flag":
            tensors.append(torch.rand(shape, generator=generator) < 0.8)
        else:
            numbers = torch.randint(0, 3, shape, generator=generator)
            tensors.append(numbers.minimum(torch.arange(shape[1])))  # speakers are numbered as they appear
    return _consistent(inputs, tensors)


def _consistent(inputs: Sequence[ProgramInput], tensors: list[Tensor]) -> list[Tensor]:
    """Nobody has or says anything where a dialogue has ended."""
    mask = next((t for each, t in zip(inputs, tensors, strict=True) if each.name == "mask"), None)
    if mask is None:
        return tensors
    masked = []
    for each, tensor in zip(inputs, tensors, strict=True):
        if each.kind == "flag":
            tensor = tensor & mask
        elif each.kind == "number":
            tensor = tensor.masked_fill(~mask, 0)
        masked.append(tensor)
    return masked


def padded(
    inputs: Sequence[ProgramInput], tensors: Sequence[Tensor], fixed: Mapping[str, int]
) -> list[Tensor]:
    """The tensors with axes of a fixed size filled up by zeros, which masks leave out.

    Raises:
        ValueError: an axis is longer than its fixed size.
    """
    filled = []
    for each, tensor in zip(inputs, tensors, strict=True):
        for place, axis in enumerate(each.axes):
            if axis in fixed:
                missing = fixed[str(axis)] - tensor.shape[place]
                if missing < 0:
                    raise ValueError(
                        f"{each.name} has {tensor.shape[place]} on its axis {axis}, the program {fixed[str(axis)]}"
                    )
                more = list(tensor.shape)
                more[place] = missing
                tensor = torch.cat([tensor, tensor.new_zeros(more)], dim=place)
        filled.append(tensor)
    return filled
