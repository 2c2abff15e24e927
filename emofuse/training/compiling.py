"""torch.compile for the parts of a system where it can do something."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec

from torch import nn

from emofuse.errors import EmofuseError
from emofuse.nn.vsc_swin import VSCSwin

_COMPILERS = ("g++", "clang++", "c++", "cl")


def check_compile(model: nn.Module, device: str) -> None:
    """See that a network has what can be compiled, and this machine what compiles it.

    Args:
        model: any system.
        device: ``"cpu"`` or ``"cuda"``.

    Raises:
        EmofuseError: it has not, or there is no C++ compiler (on a CPU) or no Triton (on a GPU).
    """
    if not _swins(model):
        raise EmofuseError(
            "setting compile: is for the Swin of deepmsi-mer with video; nothing else here gains by it; leave it off"
        )
    if device == "cpu" and not any(
        shutil.which(name) for name in (os.environ.get("CXX"), *_COMPILERS) if name
    ):
        raise EmofuseError(
            "setting compile: torch.compile needs a C++ compiler on a CPU, and there is none (g++, clang++, or what CXX "
            "names); install one, or leave compile off"
        )
    if device == "cuda" and find_spec("triton") is None:
        raise EmofuseError(
            "setting compile: torch.compile needs the package triton on a GPU; leave compile off"
        )


def compile_parts(model: nn.Module) -> None:
    """Compile what `check_compile` has found, in place and without changing a weight's name."""
    for swin in _swins(model):
        swin.compile_blocks()


def _swins(model: nn.Module) -> list[VSCSwin]:
    return [module for module in model.modules() if isinstance(module, VSCSwin)]
