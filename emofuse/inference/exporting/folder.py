"""The folder of an exported run: its program, what a prediction needs beside it, and export.json, which binds them.

model.onnx or model.pt2   the system with its weights
export.json               inputs, axes, how far the program is from the network, the digest of the program
run.json, config.yaml, calibration.json, encoders/, ...   as in the run: labels, settings, temperature, encoders
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import shutil
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch

from emofuse.data.atomic import folder_written_aside
from emofuse.data.output_paths import check_new_folder
from emofuse.data.stored_files import DamagedFileError, check_regular, stored_json
from emofuse.errors import EmofuseError
from emofuse.inference.exporting.inputs import varying_axes
from emofuse.inference.exporting.places import EXPORT_FILE, PROGRAM_FILES
from emofuse.inference.exporting.program import (
    Captured,
    capture,
    check,
    onnx_bytes,
    onnx_session,
    run_exported,
    run_onnx,
)
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.run_record import RunRecord
from emofuse.runs.settings import RunSettings

Format = Literal["onnx", "torch"]
EXPORT_AGAIN = "export the run again"
_COMPANIONS = (
    "run.json",
    "config.yaml",
    "calibration.json",
    "familiarity.safetensors",
    "linear.json",
    "normalisation.safetensors",
    "predictions.parquet",
)
_LARGEST = (1 << 31) - (1 << 20)  # what one ONNX file holds


@dataclass(frozen=True)
class Export:
    """export.json.

    Attributes:
        format: "onnx" or "torch".
        system: its name.
        axes: that vary from batch to batch.
        fixed: axis → its size, of those that cannot; shorter batches are filled up.
        why_fixed: in one line; empty where all vary.
        largest_difference: between program and network over the batches it was checked on.
        pool: of a late fusion, modality → weight and temperature of its expert, with which the experts' logits are
            pooled again where one of them is to have less say.
        sha256: of the program's file.
        emofuse: the version that wrote it.
        torch: likewise.
    """

    format: Format
    system: str
    axes: list[str]
    fixed: dict[str, int]
    why_fixed: str
    largest_difference: float
    sha256: str
    emofuse: str
    torch: str
    pool: dict[str, tuple[float, float]] = field(default_factory=dict)


def export_run(run: RunFolder, out: Path, format_: Format) -> Export:
    """Write a run as a program, checked against its network.

    Args:
        run: trained.
        out: a new folder; it appears when everything in it is whole.
        format_: "onnx", or "torch" for a file of torch.export.

    Raises:
        EmofuseError: the folder is there, the system has no such form, or the program says something else than the network.
    """
    if out.exists():
        raise EmofuseError(f"{out}: is there already; name a new folder")
    check_new_folder(out)
    record, settings = run.read_record(), run.read_settings()
    captured = capture(run.load_model(record), longest_axes(settings, record))
    program, difference = _written(captured, format_)
    export = Export(
        format=format_,
        system=record.model_name,
        axes=[axis for axis in varying_axes(captured.program.inputs) if axis not in captured.fixed],
        fixed=captured.fixed,
        why_fixed=captured.reason,
        largest_difference=difference,
        sha256=hashlib.sha256(program).hexdigest(),
        emofuse=version("emofuse"),
        torch=torch.__version__,
        pool=_pool(captured.program.model),
    )
    with folder_written_aside(out) as aside:
        (aside / PROGRAM_FILES[format_]).write_bytes(program)
        _copy_companions(run.path, aside)
        (aside / EXPORT_FILE).write_text(json.dumps(asdict(export), indent=1) + "\n", encoding="utf-8")
    return export


def _pool(model: Any) -> dict[str, tuple[float, float]]:
    if not hasattr(model, "pool_settings"):
        return {}
    weights, temperatures = model.pool_settings()
    return {m: (float(weight.detach()), float(temperatures[m])) for m, weight in weights.items()}


def longest_axes(settings: RunSettings, record: RunRecord) -> dict[str, int]:
    """Axis → the most that a batch of this run has of it."""
    data, config = settings.data, record.model_config_
    return {
        "dialogue": data.dialogue_window,
        "steps_text": int(config.get("text_length", data.longest_sequence)),
        "steps_audio": data.longest_sequence,
        "steps_video": data.longest_sequence,
    } | ({"frames": int(config["frames"])} if "frames" in config else {})


def read_export(folder: Path) -> Export:
    """export.json of a folder, and that its program is the one that was checked.

    Raises:
        EmofuseError: it is damaged, or the program is another.
    """
    file = folder / EXPORT_FILE
    content = stored_json(file, EXPORT_AGAIN)
    try:
        export = Export(**content)
        if export.format not in PROGRAM_FILES or not all(
            isinstance(n, int) and n > 0 for n in export.fixed.values()
        ):
            raise ValueError("its format or its sizes are not known")
        if not all(math.isfinite(w) and math.isfinite(t) and t > 0 for w, t in export.pool.values()):
            raise ValueError("its experts have no weights")
    except (TypeError, ValueError, AttributeError) as error:
        raise DamagedFileError(file, str(error), EXPORT_AGAIN) from None
    program = folder / PROGRAM_FILES[export.format]
    check_regular(program, EXPORT_AGAIN)
    with program.open("rb") as opened:
        if hashlib.file_digest(opened, "sha256").hexdigest() != export.sha256:
            raise DamagedFileError(program, "it is not the program that was checked", EXPORT_AGAIN)
    return export


def _written(captured: Captured, format_: Format) -> tuple[bytes, float]:
    if format_ == "onnx":
        program = onnx_bytes(captured)
        if len(program) > _LARGEST:
            raise EmofuseError(
                "the program is larger than the two gigabytes of an ONNX file; use --format torch"
            )
        return program, check(captured, run_onnx(onnx_session(program, torch.get_num_threads())))
    difference = check(captured, run_exported(captured))
    memory = io.BytesIO()
    torch.export.save(captured.exported, memory)
    return memory.getvalue(), difference


def _copy_companions(run: Path, into: Path) -> None:
    for name in _COMPANIONS:
        if (run / name).is_file():
            shutil.copyfile(run / name, into / name)
    if (run / "encoders").is_dir():
        shutil.copytree(run / "encoders", into / "encoders", copy_function=shutil.copyfile)


def program_path(folder: Path, export: Export) -> Path:
    """Where the program lies."""
    return folder / PROGRAM_FILES[export.format]
