"""DeepMSI-MER at the paper's size on an accelerator: forward, step, memory, bf16, torch.compile, checkpointing, two ranks.

    python -m benchmarks.gpu
    python -m benchmarks.gpu --device cpu --tiny    # the same at a size that any processor does in seconds

Prepared so that it can be run as it is wherever an accelerator is at hand, once and within minutes. Each line is written
as soon as it is measured: of an accelerator into benchmarks/results/gpu.md, otherwise nowhere but on the screen. A
variant that the device's memory does not hold is said to, and the next one follows. float32 is full precision: TF32
stays as torch has it, off. `python -m benchmarks.vsc_swin --device cuda` compares the visual encoder with the library's,
and torch's kernels of attention with one another.
"""

from __future__ import annotations

import gc
import os
import socket
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from benchmarks.machine import processor
from benchmarks.script import argument_parser
from emofuse.models import create_model

RESULTS = Path(__file__).parent / "results" / "gpu.md"
HEAD = "| | ms, forward | ms, step | peak MiB of a step |\n|---|---:|---:|---:|\n"


@dataclass(frozen=True)
class Size:
    """What is measured: the system's preset, clips in a batch, frames of a clip, passes that count."""

    preset: str
    clips: int
    passes: int


SIZES = {False: Size("paper", 4, 10), True: Size("tiny", 2, 2)}


@dataclass(frozen=True)
class Variant:
    """A way to compute.

    Attributes:
        name: in the table.
        dtype: of autocast; None for float32.
        compiled: the Swin's blocks through torch.compile.
        checkpointed: each block is computed again in the backward pass.
    """

    name: str
    dtype: torch.dtype | None = None
    compiled: bool = False
    checkpointed: bool = False


VARIANTS = (
    Variant("float32"),
    Variant("bf16 autocast", torch.bfloat16),
    Variant("float32, checkpointing", checkpointed=True),
    Variant("bf16 autocast, checkpointing", torch.bfloat16, checkpointed=True),
    Variant("bf16 autocast, torch.compile", torch.bfloat16, compiled=True),
)


class Work:
    """A system, its optimizer and a batch on a device.

    Args:
        size: of both.
        variant: how it computes.
        device: where.
    """

    def __init__(self, size: Size, variant: Variant, device: torch.device) -> None:
        torch.manual_seed(0)
        model: Any = create_model(
            "deepmsi-mer", size.preset, num_classes=6, gradient_checkpointing=variant.checkpointed
        )
        self.model, self.variant, self.device = model.to(device), variant, device
        if variant.compiled:
            model.swin.compile_blocks()
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
        config = model.config
        side, generator = config.image_size, torch.Generator().manual_seed(0)
        shape = (size.clips, config.frames, 3, side, side)
        self.inputs: dict[str, Tensor] = {
            "frames": torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8).to(device),
            "text": torch.randn(size.clips, config.text_dim, generator=generator).to(device),
            "audio": torch.randn(size.clips, config.audio_dim, generator=generator).to(device),
        }
        self.labels = (torch.arange(size.clips) % 6).to(device)
        self.run: nn.Module = model

    def forward(self) -> None:
        """One pass without gradients."""
        self.model.eval()
        with torch.inference_mode(), self._autocast():
            self.run(**self.inputs)

    def step(self) -> None:
        """One training step."""
        self.model.train()
        with self._autocast():
            output = self.run(**self.inputs)
            loss = self.model.training_loss(output, self.labels)["loss"]
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()

    def _autocast(self) -> torch.autocast:
        dtype = self.variant.dtype
        return torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not None)


def milliseconds(work: Callable[[], None], passes: int, device: torch.device) -> float:
    """The median of passes, after two that warm up."""
    taken = []
    for turn in range(passes + 2):
        _wait(device)
        begin = time.perf_counter()
        work()
        _wait(device)
        if turn > 1:
            taken.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(taken)


def measured(size: Size, variant: Variant, device: torch.device) -> str:
    """The line of a variant."""
    _clean(device)
    work = Work(size, variant, device)
    # torch.compile is for training alone.
    forward = "–" if variant.compiled else f"{milliseconds(work.forward, size.passes, device):.1f}"
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    step = milliseconds(work.step, size.passes, device)
    peak = f"{torch.cuda.max_memory_allocated(device) / 2**20:.0f}" if device.type == "cuda" else "–"
    return f"| {variant.name} | {forward} | {step:.1f} | {peak} |"


def _clean(device: torch.device) -> None:
    """Nothing of the variant before shall count."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def two_ranks(size: Size, variant: Variant, kind: str) -> str:
    """A step of two processes, each with a batch of its own and a device of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = torch.multiprocessing.get_context("spawn")
    times = context.SimpleQueue()
    torch.multiprocessing.spawn(_rank, (size, variant, kind, port, times), nprocs=2)
    return f"| {variant.name}, two ranks | – | {times.get():.1f} | – |"


def _rank(rank: int, size: Size, variant: Variant, kind: str, port: int, times: Any) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    dist.init_process_group("nccl" if kind == "cuda" else "gloo", rank=rank, world_size=2)
    device = torch.device(kind, rank) if kind == "cuda" else torch.device("cpu")
    if kind == "cuda":
        torch.cuda.set_device(device)
    work = Work(size, variant, device)
    work.run = nn.parallel.DistributedDataParallel(work.model, find_unused_parameters=True)
    taken = milliseconds(work.step, size.passes, device)
    if rank == 0:
        times.put(taken)
    dist.destroy_process_group()


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def title(size: Size, device: torch.device) -> str:
    """What was measured, on what."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    return (
        f"# DeepMSI-MER on one device\n\n{name}, torch {torch.__version__}, preset {size.preset}, {size.clips} clips in a "
        f"batch. Medians of {size.passes} passes. Made by `python -m benchmarks.gpu`.\n\n"
    )


def main() -> None:
    """Measure every variant and write its line."""
    parser = argument_parser(__doc__)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--tiny", action="store_true", help="a small network; nothing is written")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        parser.error("torch sees no CUDA device here; --device cpu --tiny tries the script without one")
    size, device = SIZES[given.tiny], torch.device(given.device)
    # Two processes show on a CPU that the script works; on an accelerator each has a device of its own.
    pair = torch.cuda.device_count() > 1 if given.device == "cuda" else True
    text = title(size, device) + HEAD
    chosen = [variant for variant in VARIANTS if not (given.no_compile and variant.compiled)]
    jobs: dict[str, Callable[[], str]] = {
        variant.name: lambda variant=variant: measured(size, variant, device) for variant in chosen
    }
    if pair:
        jobs["two ranks"] = lambda: two_ranks(size, VARIANTS[1], given.device)
    print(text, end="")
    for name, job in jobs.items():
        try:
            line = job()
        except torch.cuda.OutOfMemoryError:
            line = f"| {name} | does not fit | – | – |"
        print(line, flush=True)
        text += line + "\n"
        if not given.tiny and given.device == "cuda":
            RESULTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
