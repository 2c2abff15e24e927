"""VSC-Swin at the paper's size against transformers' own Swin V2 without compression, as ratios of one run.

    python -m benchmarks.vsc_swin [--only forward|step|memory|attention] [--device cuda]

Swin V2-tiny, 256 px, 15 frames, on one thread unless OMP_NUM_THREADS says otherwise. The networks take turns.
Each ratio is the median over the rounds of a network's time over the library's in the same round: by the clock, and by
the processor's time, which other work on the machine spoils less. Memory is the peak of a fresh process that makes
one training step. Writes its sections of benchmarks/results/vsc_swin_cpu.md (vsc_swin_cuda.md), each as soon as it is
measured.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import Swinv2Config, Swinv2Model

from benchmarks.machine import machine_line
from benchmarks.script import argument_parser
from emofuse.nn import VSCConfig, VSCSwin

FRAMES = 15
SIDE = 256
ARCHITECTURE = {"embed_dim": 96, "depths": [2, 2, 6, 2], "num_heads": [3, 6, 12, 24], "window_size": 8}
RESULTS = Path(__file__).parent / "results"
VSC = VSCConfig(stage=2, grids=(14, 12, 10))
# Windows, heads and tokens of a window of what attention sees in each stage, for three frames.
WINDOWS = ((192, 3, 64), (48, 6, 64), (12, 12, 49), (3, 24, 25))


def vsc_swin(**options: int) -> nn.Module:
    return VSCSwin(_config(), VSC, **options)


def vsc_swin_whole() -> nn.Module:
    return vsc_swin(chunk_tokens=0)


def vsc_swin_checkpointed() -> nn.Module:
    return vsc_swin(gradient_checkpointing=True)


def dense_swin() -> nn.Module:
    return VSCSwin(_config())


def library_swin() -> nn.Module:
    return Swinv2Model(_config())


def _config() -> Swinv2Config:
    return Swinv2Config(image_size=SIDE, patch_size=4, drop_path_rate=0.0, **ARCHITECTURE)


@dataclass(frozen=True)
class Network:
    """One of those that are compared.

    Attributes:
        make: it.
        bf16: under autocast.
        modes: in which it differs from the others.
    """

    make: Callable[[], nn.Module]
    bf16: bool = False
    modes: tuple[str, ...] = ("forward", "step", "memory")


REFERENCE = "transformers' Swinv2Model"
NETWORKS: dict[str, Network] = {
    REFERENCE: Network(library_swin),
    "VSC-Swin": Network(vsc_swin),
    "VSC-Swin, bf16 autocast": Network(vsc_swin, bf16=True, modes=("forward",)),
    "VSC-Swin, gradient checkpointing": Network(vsc_swin_checkpointed, modes=("step", "memory")),
    "VSC-Swin, blocks whole (`chunk_tokens: 0`)": Network(vsc_swin_whole, modes=("forward", "step")),
    "VSC-Swin without compression": Network(dense_swin, modes=("forward",)),
}


def run(network: nn.Module, pixels: Tensor, context: Tensor, mode: str, bf16: bool = False) -> None:
    """One pass over a batch of frames: "forward", or "step" for forward and backward."""
    network.train(mode != "forward")
    with (
        torch.set_grad_enabled(mode != "forward"),
        torch.autocast(pixels.device.type, torch.bfloat16, enabled=bf16),
    ):
        if isinstance(network, VSCSwin):
            pooled = network(pixels, context if network.vsc is not None else None).pooled
        else:
            pooled = network(pixels).pooler_output
    if mode != "forward":
        network.zero_grad(set_to_none=True)
        pooled.square().mean().backward()
    if pixels.is_cuda:
        torch.cuda.synchronize()


def inputs(frames: int, device: str = "cpu") -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(frames, 3, SIDE, SIDE, generator=generator)
    return pixels.to(device), torch.randn(frames, 384, generator=generator).to(device)


def fresh(name: str, device: str = "cpu") -> nn.Module:
    torch.manual_seed(0)
    return NETWORKS[name].make().to(device)


Taken = tuple[float, float]  # seconds by the clock, and of the processor


def timed(work: Callable[[], None]) -> Taken:
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


def turns(works: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[Taken]]:
    """What each takes, one after the other, round by round."""
    taken: dict[str, list[Taken]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            taken[name].append(timed(work))
    return taken


def ratio(taken: list[Taken], reference: list[Taken], which: int) -> float:
    """The median over rounds; ``which`` is 0 for the clock and 1 for the processor."""
    return statistics.median(mine[which] / its[which] for mine, its in zip(taken, reference, strict=True))


def speeds(mode: str, rounds: int, device: str) -> list[str]:
    """The table of a mode."""
    names = [name for name, network in NETWORKS.items() if mode in network.modes]
    networks = {name: fresh(name, device) for name in names}
    few, batch = inputs(3, device), inputs(FRAMES, device)
    works = {name: lambda name=name: run(networks[name], *batch, mode, NETWORKS[name].bf16) for name in names}
    for name in names:
        run(networks[name], *few, mode, NETWORKS[name].bf16)
    taken = turns(works, rounds)
    lines = [
        f"{FRAMES} frames, {rounds} rounds.",
        "",
        "| network | processor's time | by the clock | s of the processor, least |",
        "|---|---:|---:|---:|",
    ]
    for name in names:
        own = [ratio(taken[name], taken[REFERENCE], which) for which in (1, 0)]
        least = min(seconds for _, seconds in taken[name])
        lines.append(f"| {name} | {own[0]:.2f} | {own[1]:.2f} | {least:.2f} |")
    return lines


def operations() -> list[str]:
    """Multiply-adds, counted twice, of one forward pass; attention as plain matrix products."""
    counts = {}
    for name in (REFERENCE, "VSC-Swin, blocks whole (`chunk_tokens: 0`)"):
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            run(fresh(name), *inputs(1), "forward")
        counts[name] = counter.get_total_flops() / 1e9
    library, own = counts.values()
    return [
        f"A forward pass of {FRAMES} frames is {FRAMES * own:.0f} GFLOP, {own / library:.2f} of the library's."
    ]


def peak_memory(name: str, frames: int, device: str) -> float:
    """Peak memory in MiB of a training step in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.vsc_swin",
        "--memory-of",
        name,
        str(frames),
        "--device",
        device,
    ]
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **threads})
    return float(done.stdout.split()[-1])


def memories(frames: int, device: str) -> list[str]:
    """The table of memory."""
    peaks = {
        name: peak_memory(name, frames, device)
        for name, network in NETWORKS.items()
        if "memory" in network.modes
    }
    lines = [f"{frames} frames.", "", "| network | ratio | MiB |", "|---|---:|---:|"]
    return lines + [
        f"| {name} | {peak / peaks[REFERENCE]:.2f} | {peak:.0f} |" for name, peak in peaks.items()
    ]


def _print_own_peak(name: str, frames: int, device: str) -> None:
    run(fresh(name, device), *inputs(frames, device), "step")
    if device == "cuda":
        print(torch.cuda.max_memory_allocated() / 2**20)
    else:
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def attention(rounds: int, device: str) -> list[str]:
    """Torch's kernels of attention in a training step of each stage, which decide what `window_block` does."""
    fused = SDPBackend.EFFICIENT_ATTENTION if device == "cuda" else SDPBackend.FLASH_ATTENTION
    kernels = {"plain": SDPBackend.MATH, "fused": fused}
    lines = [
        "Time of torch's fused kernel over that of its plain operations, windows of three frames.",
        "",
        "| windows, heads, tokens | forward | forward and backward |",
        "|---|---:|---:|",
    ]
    for windows, heads, length in WINDOWS:
        given = [torch.randn(windows, heads, length, 32, device=device, requires_grad=True) for _ in range(3)]
        mask = torch.randn(1, heads, length, length, device=device).expand(windows, -1, -1, -1)
        ratios = []
        for learn in (False, True):
            works = {name: _attending(given, mask, kernel, learn) for name, kernel in kernels.items()}
            turns(works, 2)
            taken = turns(works, 5 * rounds)
            ratios.append(ratio(taken["fused"], taken["plain"], 0 if device == "cuda" else 1))
        lines.append(f"| {windows}, {heads}, {length} | {ratios[0]:.2f} | {ratios[1]:.2f} |")
    return lines


def _attending(given: list[Tensor], mask: Tensor, kernel: SDPBackend, learn: bool) -> Callable[[], None]:
    def work() -> None:
        for _ in range(10):
            with torch.set_grad_enabled(learn), sdpa_kernel(kernel):
                out = F.scaled_dot_product_attention(*given, attn_mask=mask, scale=1.0)
            if learn:
                out.backward(torch.ones_like(out))
        if mask.is_cuda:
            torch.cuda.synchronize()

    return work


SECTIONS = {
    "forward": "Forward, time over the library's",
    "step": "Forward and backward, time over the library's",
    "memory": "Peak memory of a training step, over the library's",
    "attention": "Kernels of attention in training",
}


def section(which: str, rounds: int, frames: int, device: str) -> list[str]:
    if which == "memory":
        return memories(frames, device)
    if which == "attention":
        return attention(rounds, device)
    return speeds(which, rounds, device) + (["", *operations()] if which == "forward" else [])


def title(device: str) -> str:
    where = torch.cuda.get_device_name() if device == "cuda" else machine_line(torch.get_num_threads())
    return (
        f"# VSC-Swin against transformers' Swin V2 without compression\n\nSwin V2-tiny, {SIDE} px; {where}, torch "
        f"{torch.__version__}. VSC keeps 14x14, 12x12 and 10x10 of the 16x16 tokens of stage 3. Medians over rounds of "
        "a network's time over the library's in the same round. float32 unless a line says otherwise. Made by "
        "`python -m benchmarks.vsc_swin`.\n"
    )


def written(path: Path, which: str, lines: list[str], device: str) -> str:
    """The result file with one section new."""
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    parts = dict(re.findall(r"^## (.+?)\n\n(.*?)(?=^## |\Z)", old, re.MULTILINE | re.DOTALL))
    parts[SECTIONS[which]] = "\n".join(lines) + "\n"
    held = [f"\n## {name}\n\n{parts[name].rstrip()}\n" for name in SECTIONS.values() if name in parts]
    return title(device) + "".join(held)


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--only", choices=SECTIONS, help="one section; the others stay as they were")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory-frames", type=int, default=60)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--memory-of", nargs=2, metavar=("NETWORK", "FRAMES"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    if given.memory_of:
        _print_own_peak(given.memory_of[0], int(given.memory_of[1]), given.device)
        return
    path = RESULTS / f"vsc_swin_{given.device}.md"
    # Memory first: a process starts with the peak of the one that starts it, which the timing drives up.
    for which in [given.only] if given.only else sorted(SECTIONS, key=lambda name: name != "memory"):
        lines = section(which, given.rounds, given.memory_frames, given.device)
        print("\n".join(lines), flush=True)
        path.write_text(written(path, which, lines, given.device), encoding="utf-8")


if __name__ == "__main__":
    main()
