"""The numbers of the linear model that a run is pooled with, beside what linear.json says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from emofuse.data.atomic import write_text_aside, written_aside
from emofuse.data.stored_files import DamagedFileError
from emofuse.encoders.grid_statistics import DIM
from emofuse.models import model_info
from emofuse.models.pooled_system import PooledSystem
from emofuse.nn.linear_model import LinearModel
from emofuse.runs.linear_record import LinearRecord, read_linear_record
from emofuse.runs.stored_model import SystemRecord, check_shapes, load_stored_weights, stored_shapes

_ADVICE = "train again"


def write_linear(json_file: Path, weights_file: Path, record: LinearRecord, model: LinearModel) -> None:
    """Write both files; linear.json comes last, and says that the other is whole."""
    state = {name: tensor.float().contiguous() for name, tensor in model.state_dict().items()}
    with written_aside(weights_file) as aside:
        aside.write_bytes(save(state))
    write_text_aside(json_file, record.model_dump_json(indent=2) + "\n")


def load_pooled(system: nn.Module, run: SystemRecord, json_file: Path, weights_file: Path) -> PooledSystem:
    """A system with the linear model of its run beside it.

    Args:
        system: with its weights.
        run: its run.json.
        json_file: linear.json.
        weights_file: linear.safetensors.

    Raises:
        EmofuseError: a file is damaged, or of another run.
    """
    record = read_linear_record(json_file)
    if (wrong := _find_mismatch(system, run, record)) is not None:
        raise DamagedFileError(json_file, wrong, _ADVICE)
    shape, shapes = record.shape(run.task == "classification"), stored_shapes(weights_file)
    with torch.device("meta"):
        sketch = LinearModel(shape, record.clip)
    check_shapes(sketch, shapes, weights_file)
    model = LinearModel(shape, record.clip)
    load_stored_weights(model, weights_file)
    for modality in record.parts:
        if not bool((model.get_buffer(f"{modality}_spread") > 0).all()):
            raise DamagedFileError(weights_file, f"{modality}_spread is not positive", _ADVICE)
    if not bool((model.known > 0.5).any()):
        raise DamagedFileError(weights_file, "it knows no class", _ADVICE)
    return PooledSystem(system, model, record.weights).eval()


def _find_mismatch(system: nn.Module, run: SystemRecord, record: LinearRecord) -> str | None:
    config: Any = system.config
    info = model_info(system)
    for modality, part in record.parts.items():
        if part.pooling == "pictures":
            seen = modality in config.modalities and info.takes(modality) == "frames"
            if not seen or part.dim != DIM:
                return f"{modality}: it reads {part.dim} numbers of pictures, and the system {DIM if seen else 'none'}"
            continue
        takes = getattr(config, f"{modality}_dim", None) if modality in run.encoders else None
        if takes != part.dim:
            return f"{modality}: it reads {part.dim} numbers, and the system {takes or 'none'}"
    outputs = len(run.labels) if run.task == "classification" else 1
    if record.outputs != outputs:
        return f"it has {record.outputs} outputs, and the run {outputs}"
    if record.reach and info.scope != "dialogue":
        return "it reads neighbours, and the system sees single utterances"
    return None
