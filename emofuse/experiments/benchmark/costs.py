"""What a run costs: seconds per epoch and per utterance, operations, memory."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from pydantic import TypeAdapter, ValidationError

from emofuse.data.atomic import write_text_aside
from emofuse.data.manifest import Manifest
from emofuse.data.stored_files import DamagedFileError, is_there, stored_json
from emofuse.inference.flops import flops_per_utterance
from emofuse.inference.predict_rows import RowPredictor
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.stored_results import read_history

_MEMORY_FILE, _COSTS_FILE = "training-memory.json", "costs.json"
_WARM_UP = 32  # utterances
_ADVICE = "delete it; --resume measures again"


@dataclass(frozen=True)
class RunCosts:
    """Figures of one run; encoders whose features were made beforehand are in none of them.

    Attributes:
        parameters: of the model.
        flops: for one utterance; a multiplication and an addition count as two.
        epoch_seconds: median over the epochs of the training.
        utterance_seconds: of a prediction of the test part, features from the store; where the system reads frames,
            with their decoding.
        memory_mib: that the training took beyond what its process had before; None where it is not known.
        device: where all this was measured.
    """

    parameters: int
    flops: float
    epoch_seconds: float
    utterance_seconds: float
    memory_mib: float | None
    device: str


def note_memory(folder: RunFolder, mib: float | None) -> None:
    """Keep what a training took, from the process that it ran in."""
    write_text_aside(folder.path / _MEMORY_FILE, json.dumps({"mib": mib}) + "\n")


def measured_costs(folder: RunFolder, manifest: Manifest) -> RunCosts:
    """The costs of a fitted run, read from its folder if they were measured before.

    Args:
        folder: the run, with its features in the store.
        manifest: its corpus.
    """
    file = folder.path / _COSTS_FILE
    if is_there(file):
        return read_costs(folder)
    history = read_history(folder.history_file, "train again")
    predictor = RowPredictor(folder, manifest)
    test = folder.read_split().test
    predictor.predict(test[:_WARM_UP])
    began = time.perf_counter()
    predictor.predict(test)
    costs = RunCosts(
        parameters=folder.read_record().parameters,
        flops=flops_per_utterance(folder, manifest),
        epoch_seconds=float(median(history["seconds"])),
        utterance_seconds=(time.perf_counter() - began) / len(test),
        memory_mib=_memory(folder.path / _MEMORY_FILE),
        device=predictor.device,
    )
    write_text_aside(file, json.dumps(asdict(costs), indent=1) + "\n")
    return costs


def read_costs(folder: RunFolder) -> RunCosts:
    """What `measured_costs` has kept.

    Raises:
        EmofuseError: it is damaged.
    """
    file = folder.path / _COSTS_FILE
    try:
        return TypeAdapter(RunCosts).validate_python(stored_json(file, _ADVICE))
    except ValidationError as error:
        raise DamagedFileError(file, error.errors()[0]["msg"], _ADVICE) from None


def _memory(file: Path) -> float | None:
    if not is_there(file):
        return None
    mib = stored_json(file, _ADVICE).get("mib")
    if mib is not None and not isinstance(mib, int | float):
        raise DamagedFileError(file, "mib is no number", _ADVICE)
    return mib
