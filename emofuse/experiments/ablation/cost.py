"""What a variant costs: parameters, operations, time and memory."""

from __future__ import annotations

import json
import multiprocessing
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn

from emofuse.data.atomic import write_text_aside
from emofuse.data.batch import Batch
from emofuse.data.manifest import Manifest
from emofuse.data.stored_files import DamagedFileError, is_there, stored_json
from emofuse.data.worker_processes import begin_worker, workers_starting
from emofuse.errors import EmofuseError
from emofuse.experiments.peak_memory import PeakMemory
from emofuse.inference.batches import dataset_of
from emofuse.inference.flops import flops_per_utterance
from emofuse.runs.corpus import choose_device, corpus_of
from emofuse.runs.features import readers_of
from emofuse.runs.run_folder import RunFolder

_ROUNDS = 5


@dataclass(frozen=True)
class Cost:
    """What one run's model costs.

    Attributes:
        parameters: of the model, without encoders whose features were made beforehand.
        flops: of a forward pass for one clip; a multiplication and an addition count as two.
        milliseconds: of a forward pass for one clip, the median of five; frames are decoded before.
        peak_mib: memory in MiB that a training step on one clip takes beyond what the loaded model takes; None
            where it is not known.
        device: where time and memory were measured.
    """

    parameters: int
    flops: float
    milliseconds: float
    peak_mib: float | None
    device: str


def measured_cost(folder: RunFolder, manifest: Manifest, file: Path) -> Cost:
    """The cost of a run's model, read from ``file`` if it was measured before.

    Time and memory are measured in a process of its own, so that nothing that came before counts.

    Args:
        folder: a fitted run, with its features in the store.
        manifest: its corpus.
        file: where the figures are kept.

    Raises:
        EmofuseError: the measurement failed.
    """
    if is_there(file):
        return _stored_cost(file)
    record = folder.read_record()
    flops = flops_per_utterance(folder, manifest)
    measured = _in_own_process(str(folder.path))
    cost = Cost(parameters=record.parameters, flops=flops, **measured)
    write_text_aside(file, json.dumps(asdict(cost), indent=1) + "\n")
    return cost


def _stored_cost(file: Path) -> Cost:
    advice = "delete it; the same command measures again"
    try:
        return TypeAdapter(Cost).validate_python(stored_json(file, advice))
    except ValidationError as error:
        raise DamagedFileError(file, error.errors()[0]["msg"], advice) from None


def _in_own_process(path: str) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(path, torch.get_num_threads(), sender))
    with workers_starting():
        process.start()
    sender.close()
    try:
        measured: dict[str, Any] = receiver.recv()
    except EOFError:
        measured = {"error": "its process died, for want of memory perhaps"}
    process.join()
    if "error" in measured:
        raise EmofuseError(f"measuring {path}: {measured['error']}")
    return measured


def _measure(path: str, threads: int, sender: Any) -> None:
    begin_worker(threads)
    try:
        sender.send(_time_and_memory(path))
    except Exception as error:  # the process that asked reports it
        sender.send({"error": f"{type(error).__name__}: {error}"})


def _time_and_memory(path: str) -> dict[str, Any]:
    folder = RunFolder(Path(path))
    settings = folder.read_settings()
    device = choose_device(settings.device)
    model = folder.load_model(folder.read_record()).to(device)
    batch = _one_clip(folder, corpus_of(settings), model).to(device)
    peak = _training_peak(model, batch, device)
    model.eval()
    times = []
    with torch.inference_mode():
        for turn in range(_ROUNDS + 1):
            began = time.perf_counter()
            model(**batch.inputs)
            if device == "cuda":
                torch.cuda.synchronize()
            if turn:  # the first one warms up
                times.append(1000 * (time.perf_counter() - began))
    return {"milliseconds": statistics.median(times), "peak_mib": peak, "device": device}


def _one_clip(folder: RunFolder, manifest: Manifest, model: nn.Module) -> Batch:
    """The first test utterance that has everything, as the model takes it."""
    record, settings = folder.read_record(), folder.read_settings()
    readers = readers_of(folder, record, manifest)
    batch: Batch | None = None
    for id in folder.read_split().test:
        dataset = dataset_of([manifest.utterance(id)], model, readers, settings.data)
        batch = dataset.collate([dataset[0]])
        if all(bool(flags.all()) for flags in batch.inputs["present"].values()):
            break
    assert batch is not None
    return batch


def _training_peak(model: Any, batch: Batch, device: str) -> float | None:
    """MiB that a forward and a backward pass take beyond what is there before."""
    # Normalisation over the batch needs two rows in training mode; the memory is that of evaluation mode.
    model.eval()
    with PeakMemory(device) as memory:
        _step(model, batch)
    return memory.mib


def _step(model: Any, batch: Batch) -> None:
    model(**batch.inputs).logits.float().logsumexp(dim=-1).sum().backward()
