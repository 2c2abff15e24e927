"""Steps of each system, taken by one process or shared by two."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from emofuse.data.batch import Batch
from emofuse.data.loader import make_loader
from emofuse.models import create_model
from emofuse.training.global_step import global_step
from emofuse.training.objective import smoothing
from tests.small_corpus import SMALL_MODEL

PROCESSES = 2
ROWS, BATCH = 9, 4  # batches of 4, 4 and 1: in the last, one of two processes stands in
SYSTEMS = ("deepmsi-mer", "mfcre", "cm-msf")
DIMS = {"text": 7, "audio": 5}


class RandomRows:
    """Rows of random numbers in the form that a system takes; every third lacks sound."""

    decodes_media = False

    def __init__(self, system: str) -> None:
        self.system = system
        generator = torch.Generator().manual_seed(3)
        self.rows = [self._row(index, generator) for index in range(ROWS)]

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, index: int) -> Batch:
        return self.rows[index]

    def collate(self, rows: list[Batch]) -> Batch:
        return Batch(
            ids=[id for row in rows for id in row.ids],
            inputs=_stacked([row.inputs for row in rows]),
            labels=_padded([row.labels for row in rows], -1),
            scored=None if rows[0].scored is None else _padded([_flags(row.scored) for row in rows], False),
        )

    def _row(self, index: int, generator: torch.Generator) -> Batch:
        heard = torch.tensor(index % 3 != 0)
        if self.system == "mfcre":  # a dialogue of 1 to 4 turns
            turns = 1 + index % 4
            inputs: dict[str, Any] = {m: _drawn(generator, turns, d) for m, d in DIMS.items()}
            inputs["mask"] = torch.ones(turns, dtype=torch.bool)
            inputs["present"] = {"text": inputs["mask"], "audio": heard.expand(turns)}
            labels = torch.randint(0, 3, (turns,), generator=generator)
            return Batch([f"{index}:{turn}" for turn in range(turns)], inputs, labels, scored=inputs["mask"])
        inputs = {"present": {"text": torch.tensor(True), "audio": heard}}
        if self.system == "cm-msf":
            inputs |= {m: _drawn(generator, 6, d) for m, d in DIMS.items()}
        else:
            inputs |= {m: _drawn(generator, d) for m, d in DIMS.items()}
            inputs["frames"] = torch.randint(0, 256, (2, 3, 32, 32), generator=generator, dtype=torch.uint8)
            inputs["present"]["video"] = torch.tensor(index != 4)
        return Batch([str(index)], inputs, torch.tensor(index % 4 % 3))


def system_of(name: str) -> nn.Module:
    """A small one in float64 without any draws, so that processes can be compared to the last digits."""
    torch.manual_seed(0)
    options: dict[str, Any] = {"dropout": 0.0, **{f"{m}_dim": d for m, d in DIMS.items()}}
    if name == "deepmsi-mer":
        swin = {**SMALL_MODEL["swin"], "drop_path_rate": 0.0}  # type: ignore[dict-item]
        options = SMALL_MODEL | options | {"frames": 2, "swin": swin, "convolutional_stem": False}
        options["frame_batch_norm"] = False
    else:
        options["modalities"] = tuple(DIMS)
    return create_model(name, preset="tiny", num_classes=3, **options).double().train()


def gradients(name: str, *, divided: bool) -> list[dict[str, Tensor]]:
    """Of each parameter in each step of an epoch; class weights are unequal."""
    model = system_of(name)
    network = DistributedDataParallel(model, find_unused_parameters=True) if divided else model
    found = []
    for batch in make_loader(RandomRows(name), BATCH, shuffle_seed=5, divided=divided):  # type: ignore[arg-type]
        model.zero_grad(set_to_none=True)
        step = global_step(network(**batch.inputs), batch)
        weights = torch.tensor([1.0, 0.3, 2.0], dtype=torch.float64)
        losses = model.training_loss(step.output, step.labels, class_weights=weights, present=step.present)  # type: ignore[operator]
        smoothed = smoothing(step.output.logits, step.labels, 0.2, weights)
        losses["loss"] = losses["loss"] + smoothed
        losses["loss"].backward()
        found.append({n: p.grad for n, p in model.named_parameters() if p.grad is not None})
        found[-1] = {n: gradient.clone() for n, gradient in found[-1].items()}
        found[-1] |= {"loss": losses["loss"].detach(), "utterances": torch.tensor(step.utterances)}
    return found


def work(rank: int, folder: str) -> None:
    """What each process does."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=PROCESSES)
    try:
        found = {name: gradients(name, divided=True) for name in SYSTEMS}
        torch.save(found, Path(folder) / f"{rank}.pt")
    finally:
        dist.destroy_process_group()


def _drawn(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def _flags(flags: Tensor | None) -> Tensor:
    assert flags is not None
    return flags


def _padded(parts: list[Tensor], value: float = 0) -> Tensor:
    if parts[0].dim() == 0:
        return torch.stack(parts)
    return nn.utils.rnn.pad_sequence(parts, batch_first=True, padding_value=value)


def _stacked(rows: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        name: _stacked([row[name] for row in rows])
        if isinstance(rows[0][name], Mapping)
        else _padded([row[name] for row in rows])
        for name in rows[0]
    }
