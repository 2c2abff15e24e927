"""Reads a file of weights, inputs and outputs, and runs our network on it.

A file of `numpy.savez` holds ``about`` (JSON: system, settings, source, notes), ``weight/NAME``, ``input/NAME`` and
``output/NAME``. A module of `tests.parity.mappings` serves it whose ``SYSTEMS`` has the file's system; it offers

    build(settings) -> torch.nn.Module
    state_dict(weights, settings) -> dict[str, torch.Tensor]
    outputs(network, inputs, settings) -> dict[str, numpy.ndarray]
"""

from __future__ import annotations

import json
import pkgutil
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from tests.parity import mappings

TOLERANCE = 1e-5


@dataclass(frozen=True)
class ParityFile:
    """What a published implementation gave."""

    path: Path
    about: dict[str, Any]
    weights: dict[str, np.ndarray]
    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]

    @classmethod
    def read(cls, path: Path) -> ParityFile:
        with np.load(path, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
        about = json.loads(str(arrays.pop("about")))
        parts: dict[str, dict[str, np.ndarray]] = {"weight": {}, "input": {}, "output": {}}
        for name, array in arrays.items():
            part, _, rest = name.partition("/")
            parts[part][rest] = array
        return cls(path, about, parts["weight"], parts["input"], parts["output"])


def mapping_of(system: str) -> ModuleType:
    """The module that serves a system."""
    for found in pkgutil.iter_modules(mappings.__path__):
        module = import_module(f"{mappings.__name__}.{found.name}")
        if system in module.SYSTEMS:
            return module
    raise LookupError(f"no mapping serves the system {system!r}")


def differences(file: ParityFile) -> dict[str, float]:
    """Output -> largest difference of ours from theirs, relative to the larger of 1 and their largest."""
    settings = file.about["settings"]
    mapping = mapping_of(file.about["system"])
    network = mapping.build(settings).eval()
    state = mapping.state_dict(file.weights, settings)
    own = {name for name in network.state_dict() if not name.startswith("scalers.")}
    if own != set(state):
        raise ValueError(
            f"names differ: ours alone {sorted(own - set(state))[:5]}, theirs alone {sorted(set(state) - own)[:5]}"
        )
    network.load_state_dict(state, strict=False)
    for scaler in getattr(network, "scalers", {}).values():
        scaler.clip = float("inf")  # the file's features are as they are
    with torch.no_grad():
        found = mapping.outputs(network, file.inputs, settings)
    result = {}
    for name, expected in file.outputs.items():
        ours, theirs = (np.asarray(x, np.float64) for x in (found[name], expected))
        counted = _counted(file, ours)
        scale = max(1.0, float(np.abs(theirs[counted]).max()))
        result[name] = float(np.abs(ours[counted] - theirs[counted]).max()) / scale
    return result


def _counted(file: ParityFile, outputs: np.ndarray) -> np.ndarray:
    """Which rows of an output count: those of utterances that the mask has, where there is one."""
    if "mask" not in file.inputs:
        return np.ones(outputs.shape, dtype=bool)
    mask = file.inputs["mask"].astype(bool)  # (B, N)
    if mask.shape != outputs.shape[:2]:
        mask = mask.T
    return np.broadcast_to(mask[..., None], outputs.shape)


def tensors(weights: dict[str, np.ndarray], names: dict[str, str]) -> dict[str, torch.Tensor]:
    """Their names turned into ours: the longest prefix of ``names`` that fits is replaced; others stay."""
    found = {}
    for name, value in weights.items():
        fitting = [prefix for prefix in names if name == prefix or name.startswith(prefix + ".")]
        if fitting:
            prefix = max(fitting, key=len)
            name = names[prefix] + name[len(prefix) :]
        found[name] = torch.from_numpy(np.array(value))
    return found
