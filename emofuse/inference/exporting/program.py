"""A system as a program: captured by torch.export with axes that vary, written as ONNX, checked against the network."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from emofuse.errors import EmofuseError, reason_of
from emofuse.inference.exporting.inputs import (
    BATCH,
    DIALOGUE,
    as_arguments,
    padded,
    program_inputs,
    random_tensors,
    varying_axes,
)
from emofuse.models import model_info

if TYPE_CHECKING:
    from torch.export import ExportedProgram

TOLERANCE = 1e-4
_TRACED = {BATCH: 3, DIALOGUE: 5, "frames": 4, "steps_text": 6, "steps_audio": 7, "steps_video": 8}
# Batches of other sizes than the traced one: a dialogue longer than the windows that systems have, single rows, single steps.
_CHECKED: tuple[Mapping[str, int], ...] = (
    {BATCH: 2, DIALOGUE: 45, "frames": 3, "steps_text": 9, "steps_audio": 4, "steps_video": 5},
    {BATCH: 1, DIALOGUE: 3, "frames": 2, "steps_text": 3, "steps_audio": 11, "steps_video": 2},
    {BATCH: 5, DIALOGUE: 2, "frames": 5, "steps_text": 2, "steps_audio": 3, "steps_video": 9},
    {BATCH: 2, DIALOGUE: 1, "frames": 1, "steps_text": 1, "steps_audio": 1, "steps_video": 1},
    {BATCH: 1, DIALOGUE: 1, "frames": 4, "steps_text": 4, "steps_audio": 1, "steps_video": 4},
)
Run = Callable[[Sequence[Tensor]], Sequence[np.ndarray]]


class Program(nn.Module):
    """A system as a function of tensors alone.

    Gives the logits, (B, C) or (B, N, C), and of each modality that the system reads as frames its feature, (B, d); of a
    late fusion those of each expert, which are its logits.

    Args:
        model: any system; its gradients are not kept.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.info = model_info(model)
        config: Any = model.config
        self.inputs = program_inputs(self.info, config)
        pools = hasattr(model, "pool_of_experts")
        self.read = [m for m in config.modalities if pools or self.info.takes(m) == "frames"]

    @property
    def output_names(self) -> list[str]:
        """What it gives, in its order."""
        return ["logits", *(f"feature_{m}" for m in self.read)]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The outputs of the tensors of `inputs`, in their order."""
        output = self.model(**as_arguments(self.inputs, tensors))
        return (output.logits, *(output.features[m] for m in self.read))


@dataclass(frozen=True)
class Captured:
    """A system that torch.export has taken down.

    Attributes:
        program: the function of tensors.
        exported: what torch made of it.
        fixed: axis → its size, of axes that could not vary; batches are filled up to it.
        reason: why they could not, in one line; empty where all vary.
    """

    program: Program
    exported: ExportedProgram
    fixed: dict[str, int] = field(default_factory=dict)
    reason: str = ""


def capture(model: nn.Module, longest: Mapping[str, int]) -> Captured:
    """Take a system down with as many axes that vary as it allows.

    Args:
        model: on the CPU.
        longest: axis → the size it gets where it cannot vary.

    Raises:
        EmofuseError: it cannot be taken down at all.
    """
    program = Program(model.eval())
    varying = varying_axes(program.inputs)
    first, failures = "", []
    for fixed in _choices(varying, longest):
        try:
            with _quiet(), torch.no_grad():
                return Captured(program, _exported(program, fixed), fixed, first if fixed else "")
        except Exception as error:  # the exporter raises whatever it meets
            failures.append(error)
            first = first or _one_line(error)
    raise EmofuseError(
        f"{program.info.title} cannot be taken down as a program: {first}; use the run itself"
    ) from failures[-1]


def _choices(varying: Sequence[str], longest: Mapping[str, int]) -> Iterator[dict[str, int]]:
    yield {}
    sequences = {axis: longest[axis] for axis in varying if axis != BATCH and axis in longest}
    if sequences:
        yield sequences


def _exported(program: Program, fixed: Mapping[str, int]) -> ExportedProgram:
    sizes = _TRACED | dict(fixed)
    dims = {axis: torch.export.Dim(axis) for axis in varying_axes(program.inputs) if axis not in fixed}
    shapes = tuple(
        {place: dims[axis] for place, axis in enumerate(each.axes) if axis in dims} for each in program.inputs
    )
    given = tuple(random_tensors(program.inputs, sizes, seed=0))
    # What was compiled earlier in this process would decide which sizes count as fixed inside of a scan.
    torch.compiler.reset()
    # As one argument that stands for all: the function takes any number.
    return torch.export.export(program, given, dynamic_shapes=(shapes,), strict=False)


def onnx_bytes(captured: Captured) -> bytes:
    """The program as an ONNX model with its weights.

    Raises:
        EmofuseError: an operation has no counterpart there, or the packages are not installed.
    """
    try:
        import onnxscript  # noqa: F401
    except ModuleNotFoundError:
        raise EmofuseError("ONNX needs its packages: `pip install emofuse[onnx]`") from None
    program = captured.program
    axes = [
        {
            place: axis
            for place, axis in enumerate(each.axes)
            if isinstance(axis, str) and axis not in captured.fixed
        }
        for each in program.inputs
    ]
    try:
        with _quiet(), torch.no_grad():
            written = torch.onnx.export(
                captured.exported,
                dynamo=True,
                verbose=False,
                input_names=[each.name for each in program.inputs],
                output_names=program.output_names,
            )
        assert written is not None
        _name_axes(written.model, axes)
        return bytes(written.model_proto.SerializeToString())
    except Exception as error:  # as in `capture`
        raise EmofuseError(
            f"{program.info.title} has no ONNX form: {_one_line(error)}; export it with --format torch"
        ) from error


def _name_axes(model: Any, axes: Sequence[Mapping[int, str]]) -> None:
    """Give the axes that vary the names of this package: torch numbers them."""
    import onnx_ir

    for value, named in zip(model.graph.inputs, axes, strict=True):
        shape = list(value.shape)
        for place, name in named.items():
            shape[place] = name
        value.shape = onnx_ir.Shape(shape)


def check(captured: Captured, run: Run) -> float:
    """The largest difference between a program and its network, over random batches of other sizes than the traced one.

    Args:
        captured: the program.
        run: tensors of `Program.inputs` in, its outputs out.

    Raises:
        EmofuseError: they differ by more than `TOLERANCE`, or the program cannot take a batch.
    """
    program, largest = captured.program, 0.0
    for seed, sizes in enumerate(_CHECKED, start=1):
        fitting = {axis: min(size, captured.fixed.get(axis, size)) for axis, size in sizes.items()}
        tensors = random_tensors(program.inputs, fitting, seed)
        with torch.no_grad():
            expected = program(*tensors)
        try:
            found = run(padded(program.inputs, tensors, captured.fixed))
        except Exception as error:  # of torch or of ONNX Runtime
            raise EmofuseError(
                f"{program.info.title} was not exported: its program refuses a batch of other sizes ({_one_line(error)})"
            ) from error
        for name, right, got in zip(program.output_names, expected, found, strict=True):
            cut = got[tuple(slice(0, n) for n in right.shape)]
            difference = float(np.abs(right.numpy() - cut).max())
            scale = max(1.0, float(right.abs().max()))
            if not difference <= TOLERANCE * scale:
                raise EmofuseError(
                    f"{program.info.title} was not exported: its {name} differ from the network's by {difference:.1e}, more "
                    f"than {TOLERANCE:g}"
                )
            largest = max(largest, difference)
    return largest


def run_exported(captured: Captured) -> Run:
    """The program as torch runs it."""
    module = captured.exported.module()

    def run(tensors: Sequence[Tensor]) -> list[np.ndarray]:
        with torch.no_grad():
            return [output.numpy() for output in module(*tensors)]

    return run


def run_onnx(session: Any) -> Run:
    """The program as ONNX Runtime runs it."""
    takes = [each.name for each in session.get_inputs()]

    def run(tensors: Sequence[Tensor]) -> list[np.ndarray]:
        given = {name: tensor.numpy() for name, tensor in zip(takes, tensors, strict=True)}
        return [np.asarray(output) for output in session.run(None, given)]

    return run


def onnx_session(model: bytes | str, threads: int) -> Any:
    """ONNX Runtime, ready to run a model on the processor.

    Raises:
        EmofuseError: it is not installed, or cannot read the model.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise EmofuseError("ONNX needs its packages: `pip install emofuse[onnx]`") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own classes derive from Exception alone
        raise EmofuseError(
            f"ONNX Runtime cannot read the program ({_one_line(error)}); export the run again"
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Exporters print and warn of what a user can do nothing about."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _one_line(error: BaseException) -> str:
    cause = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return reason_of(cause)[:200]
