"""What each of two processes does in the tests of training together."""

from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from emofuse.losses import CrossModalContrastiveLoss
from emofuse.losses.global_batch import gather_rows

PROCESSES = 2


def features(count: int = 8) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    made: dict[str, Tensor] = {
        name: torch.randn(count, 5, generator=generator, dtype=torch.float64)
        for name in ("video", "text", "audio")
    }
    made["labels"] = torch.randint(0, 3, (count,), generator=generator)
    made["has_text"] = torch.rand(count, generator=generator) > 0.3
    return made


def loss_of(rows: dict[str, Tensor]) -> Tensor:
    loss = CrossModalContrastiveLoss(temperature=0.5)
    present = {"text": rows["has_text"]}
    return loss(rows["video"], rows["text"], rows["audio"], rows["labels"], present)


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=PROCESSES)
    try:
        found = {"unequal": _unequal(rank), "gathered": _gathered(rank)}
        torch.save(found, Path(folder) / f"{rank}.pt")
    finally:
        dist.destroy_process_group()


def _unequal(rank: int) -> dict[str, Any]:
    """Five rows here, three there."""
    mine = slice(0, 5) if rank == 0 else slice(5, 8)
    rows = {name: values[mine].clone() for name, values in features().items()}
    for name in ("video", "text", "audio"):
        rows[name].requires_grad_(True)
    loss = loss_of({name: gather_rows(values) for name, values in rows.items()})
    loss.backward()
    return {"loss": loss.detach(), "gradients": {n: rows[n].grad for n in ("video", "text", "audio")}}


def _gathered(rank: int) -> dict[str, Tensor]:
    flags = torch.tensor([True, False]) if rank == 0 else torch.tensor([False])
    return {"flags": gather_rows(flags), "none": gather_rows(torch.zeros(0 if rank else 2, 3))}
