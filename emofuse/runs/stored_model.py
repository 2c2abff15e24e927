"""A system as a run folder describes it, built only after its weights have been seen to be those of this system.

What ``run.json`` says may have been edited, by mistake or on purpose, and sizes in it decide how much memory is taken.
So the system is sketched on the meta device, which holds no numbers, the sketch is compared with the header of the
weights, and only then is anything made.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import nn
from torch.nn.modules import module as torch_modules

from emofuse.data import Modality
from emofuse.data.stored_files import DamagedFileError, check_regular
from emofuse.errors import EmofuseError, reason_of
from emofuse.models import create_model, model_info
from emofuse.models.registry import model_config

Shapes = Mapping[str, tuple[int, ...]]

_ADVICE = "train again"
_BUFFER_NUMBERS = 1 << 28  # of tables that are computed and not stored: a gigabyte


class SystemRecord(Protocol):
    """What run.json says of a system; see `emofuse.runs.run_record.RunRecord`."""

    task: Any
    labels: list[str]
    model_name: str
    model_config_: dict[str, Any]
    encoders: Any


def load_stored_model(record: SystemRecord, record_file: Path, weights_file: Path) -> nn.Module:
    """The system with its weights, on the CPU; nothing is downloaded.

    Args:
        record: what the run says that it is.
        record_file: run.json, for messages.
        weights_file: model.safetensors.

    Raises:
        EmofuseError: the record names no system that can be built, its sizes, labels, task or encoders are not those of
            the weights, or the weights are damaged or not finite.
    """
    shapes = stored_shapes(weights_file)
    _check_self_contained(record, record_file)
    with _limited_parts(len(shapes)), torch.device("meta"):
        sketch = _built(record, record_file)
    check_shapes(sketch, shapes, weights_file)
    if sum(buffer.numel() for buffer in sketch.buffers()) > _BUFFER_NUMBERS:
        raise DamagedFileError(record_file, "its system has tables of more than a gigabyte", _ADVICE)
    check_fits_system(record, sketch, record_file)
    model = _built(record, record_file)
    load_stored_weights(model, weights_file)
    return model


def stored_shapes(weights_file: Path) -> dict[str, tuple[int, ...]]:
    """Name → shape of every tensor, from the header alone.

    Raises:
        EmofuseError: it is no file of safetensors.
    """
    check_regular(weights_file, _ADVICE)
    try:
        with safe_open(weights_file, "pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise DamagedFileError(weights_file, str(error), _ADVICE) from None


def check_shapes(model: nn.Module, shapes: Shapes, weights_file: Path) -> None:
    """See that a system's tensors are those of the weights, all of them and no other.

    Raises:
        EmofuseError: they are not; the first that differs is named.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    mismatch = None
    if lacking := [name for name in wanted if name not in shapes]:
        mismatch = f"{lacking[0]} is missing"
    elif odd := [name for name in shapes if name not in wanted]:
        mismatch = f"run.json describes no {odd[0]}"
    elif differing := [name for name in wanted if wanted[name] != shapes[name]]:
        name = differing[0]
        mismatch = f"{name} is {_size(shapes[name])}, and {_size(wanted[name])} in run.json"
    if mismatch is not None:
        raise EmofuseError(f"{weights_file}: does not hold this model's weights ({mismatch}); {_ADVICE}")


def load_stored_weights(model: nn.Module, weights_file: Path) -> None:
    """Read the weights into a system, all of them and no other.

    Raises:
        EmofuseError: they are another system's, damaged, or not finite.
    """
    check_shapes(model, stored_shapes(weights_file), weights_file)
    state = {}
    try:
        with safe_open(weights_file, "pt") as file:
            for name in file.keys():  # noqa: SIM118
                state[name] = file.get_tensor(name)
        model.load_state_dict(state)
    except (SafetensorError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise DamagedFileError(weights_file, str(error), _ADVICE) from None
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise EmofuseError(
                f"{weights_file}: {name} holds NaN or infinity, so every prediction would; its training diverged: train "
                "again with a lower learning rate"
            )


def _built(record: SystemRecord, record_file: Path) -> nn.Module:
    try:
        return create_model(record.model_name, **record.model_config_)
    except EmofuseError as error:
        raise EmofuseError(f"{record_file}: {error}; {_ADVICE}") from None
    except Exception as error:  # whatever a constructor makes of settings that nobody has checked
        raise DamagedFileError(
            record_file, f"its system cannot be built: {reason_of(error)}", _ADVICE
        ) from None


def _check_self_contained(record: SystemRecord, record_file: Path) -> None:
    """A trained run says all that its network is; one that names a pretrained part would fetch it."""
    try:
        config = model_config(record.model_name, **record.model_config_)
    except EmofuseError as error:
        raise EmofuseError(f"{record_file}: {error}; {_ADVICE}") from None
    except Exception as error:  # as in `_built`
        raise DamagedFileError(record_file, f"its settings: {reason_of(error)}", _ADVICE) from None
    if not getattr(config, "self_contained", True):
        raise DamagedFileError(record_file, "its system names a pretrained network to fetch", _ADVICE)


def check_fits_system(
    record: SystemRecord, model: nn.Module, record_file: Path, advice: str = _ADVICE
) -> None:
    """See that labels, task and encoders of a run are those of its system.

    Args:
        record: what the run says that it is.
        model: the system, or what stands in for it and has its ``config``.
        record_file: run.json, for messages.
        advice: what the user can do where they are not.

    Raises:
        EmofuseError: they are not.
    """
    _check_answers(record, model, record_file, advice)
    _check_inputs(record, model, record_file, advice)


def _check_answers(record: SystemRecord, model: nn.Module, record_file: Path, advice: str) -> None:
    """The labels are those of the head, the task is one that the system was built for."""
    config: Any = model.config
    info = model_info(model)
    built_for = getattr(config, "task", "classification")
    if record.task != built_for or record.task not in info.tasks:
        raise DamagedFileError(
            record_file, f"its task is {record.task}, and its system was built for {built_for}", advice
        )
    classes = getattr(config, "num_classes", None)
    if record.task == "classification" and len(record.labels) != classes:
        raise DamagedFileError(
            record_file, f"it has {len(record.labels)} labels, and its system tells {classes} apart", advice
        )


def _check_inputs(record: SystemRecord, model: nn.Module, record_file: Path, advice: str) -> None:
    """Each modality that the system does not see as it is has an encoder, of the size that it takes."""
    config: Any = model.config
    info = model_info(model)
    encoded: list[Modality] = [m for m in config.modalities if info.takes(m) != "frames"]
    if set(record.encoders) != set(encoded):
        raise DamagedFileError(
            record_file,
            f"it has encoders of {', '.join(record.encoders) or 'nothing'}, and its system reads "
            f"{', '.join(encoded) or 'none'}",
            advice,
        )
    for modality in encoded:
        part, takes = record.encoders[modality], getattr(config, f"{modality}_dim")
        given = {part.identity.dim, part.spec.dim or part.identity.dim}
        if given != {takes}:
            raise DamagedFileError(
                record_file,
                f"its {modality} encoder gives {max(given)} numbers, its system takes {takes}",
                advice,
            )


@contextmanager
def _limited_parts(tensors: int) -> Iterator[None]:
    """Stop a system that is being built with far more parts than there are weights.

    A layer costs memory and time also where its numbers do not.
    """
    # Some are made and put away again, as by weight normalisation; layers without weights lie between.
    most = 200 + 20 * tensors
    counted = 0
    this_thread = threading.get_ident()

    def count(*registered: Any) -> None:
        nonlocal counted
        counted += threading.get_ident() == this_thread
        if counted > most:
            raise ValueError(f"it has more than {most} parts, and {tensors} weights")

    hooks: list[Callable[..., Any]] = [
        torch_modules.register_module_parameter_registration_hook,
        torch_modules.register_module_module_registration_hook,
        torch_modules.register_module_buffer_registration_hook,
    ]
    handles = [register(count) for register in hooks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "a single number"
