"""What each of two processes does in the tests of training together."""

from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from emofuse.losses import CrossModalContrastiveLoss
from emofuse.losses.global_batch import gather_rows
from emofuse.models import create_model
from tests.small_corpus import SMALL_MODEL

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


def small_system() -> nn.Module:
    """The paper's layers at a small size; batch normalisation, which the tiny preset adds, sees its own half."""
    torch.manual_seed(0)
    swin = {**SMALL_MODEL["swin"], "drop_path_rate": 0.0}  # type: ignore[dict-item]
    options = SMALL_MODEL | {"swin": swin, "dropout": 0.0}
    options |= {"convolutional_stem": False, "frame_batch_norm": False}
    return create_model("deepmsi-mer", preset="tiny", num_classes=3, **options)


def system_batch(count: int = 6) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(1)
    return {
        "text": torch.randn(count, 256, generator=generator),
        "audio": torch.randn(count, 128, generator=generator),
        "frames": torch.randint(0, 256, (count, 4, 3, 32, 32), generator=generator, dtype=torch.uint8),
        "labels": torch.arange(count) % 3 % 2,
    }


def system_loss(model: Any, network: nn.Module, batch: dict[str, Any]) -> Tensor:
    output = network(text=batch["text"], audio=batch["audio"], frames=batch["frames"])
    losses: dict[str, Tensor] = model.training_loss(output, batch["labels"])
    return losses["loss"]


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=PROCESSES)
    try:
        found = {"unequal": _unequal(rank), "system": _system(rank), "gathered": _gathered(rank)}
        torch.save(found, Path(folder) / f"{rank}.pt")
    finally:
        dist.destroy_process_group()


def _unequal(rank: int) -> dict[str, Any]:
    """Five rows here, three there."""
    mine = slice(0, 5) if rank == 0 else slice(5, 8)
    rows = {name: values[mine].clone() for name, values in features().items()}
    for name in ("video", "text", "audio"):
        rows[name].requires_grad_(True)
    loss = loss_of(rows)
    loss.backward()
    return {"loss": loss.detach(), "gradients": {n: rows[n].grad for n in ("video", "text", "audio")}}


def _system(rank: int) -> dict[str, Any]:
    """The whole system under DistributedDataParallel, half of the batch in each process."""
    model = small_system().train()
    together = nn.parallel.DistributedDataParallel(model)
    whole = system_batch()
    half = len(whole["labels"]) // PROCESSES
    mine = {name: values[rank * half : (rank + 1) * half] for name, values in whole.items()}
    system_loss(model, together, mine).backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def _gathered(rank: int) -> dict[str, Tensor]:
    flags = torch.tensor([True, False]) if rank == 0 else torch.tensor([False])
    return {"flags": gather_rows(flags), "none": gather_rows(torch.zeros(0 if rank else 2, 3))}
