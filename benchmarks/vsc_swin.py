"""VSC-Swin at the paper's size against the same Swin V2 without compression and against the library's own.

    python -m benchmarks.vsc_swin

Swin V2-tiny, 256 px, 15 frames per clip, float32 on CPU. Times alternate between the networks in one process
and the quickest round counts; each peak of resident memory is that of a fresh process. Writes
benchmarks/results/vsc_swin_cpu.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import Swinv2Config, Swinv2Model

from emofuse.nn import VSCConfig, VSCSwin

FRAMES = 15
SIDE = 256
ARCHITECTURE = {"embed_dim": 96, "depths": [2, 2, 6, 2], "num_heads": [3, 6, 12, 24], "window_size": 8}
RESULTS = Path(__file__).parent / "results" / "vsc_swin_cpu.md"


def vsc_swin() -> nn.Module:
    return VSCSwin(_config(), VSCConfig(stage=2, grids=(14, 12, 10)))


def vsc_swin_checkpointed() -> nn.Module:
    return VSCSwin(_config(), VSCConfig(stage=2, grids=(14, 12, 10)), gradient_checkpointing=True)


def dense_swin() -> nn.Module:
    return VSCSwin(_config())


def library_swin() -> nn.Module:
    return Swinv2Model(_config())


def _config() -> Swinv2Config:
    return Swinv2Config(image_size=SIDE, patch_size=4, drop_path_rate=0.0, **ARCHITECTURE)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "VSC-Swin": vsc_swin,
    "VSC-Swin, gradient checkpointing": vsc_swin_checkpointed,
    "Swin V2 without compression": dense_swin,
    "transformers' Swinv2Model": library_swin,
}
REFERENCE = "Swin V2 without compression"
MODES = ("forward", "forward+backward")


def run(network: nn.Module, pixels: Tensor, context: Tensor, mode: str) -> None:
    """One pass over a batch of frames."""
    network.train(mode != "forward")
    with torch.set_grad_enabled(mode != "forward"):
        if isinstance(network, VSCSwin):
            pooled = network(pixels, context if network.vsc is not None else None).pooled
        else:
            pooled = network(pixels).pooler_output
        if mode != "forward":
            network.zero_grad(set_to_none=True)
            pooled.square().mean().backward()


def inputs(clips: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(clips * FRAMES, 3, SIDE, SIDE, generator=generator)
    return pixels, torch.randn(clips * FRAMES, 384, generator=generator)


def fresh(name: str) -> nn.Module:
    torch.manual_seed(0)
    return NETWORKS[name]()


def times(clips: int, rounds: int) -> dict[tuple[str, str], float]:
    """Seconds of the quickest round, per network and mode, the networks taking turns."""
    networks = {name: fresh(name) for name in NETWORKS}
    best: dict[tuple[str, str], float] = {}
    for mode in MODES:
        for turn in range(rounds + 1):
            for name in _timed(mode):
                begin = time.perf_counter()
                run(networks[name], *inputs(clips), mode)
                taken = time.perf_counter() - begin
                if turn:  # the first one warms up
                    best[name, mode] = min(taken, best.get((name, mode), float("inf")))
    return best


def flops(name: str) -> float:
    """Multiply-adds, counted twice, of one forward pass of a clip; attention as plain matrix products."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        run(fresh(name).eval(), *inputs(1), "forward")
    return counter.get_total_flops()


def peak_memory(name: str, clips: int, mode: str) -> float:
    """Peak resident memory in MiB of a fresh process that makes one pass."""
    command = [sys.executable, "-m", "benchmarks.vsc_swin", "--memory-of", name, mode, str(clips)]
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **threads})
    return float(done.stdout.split()[-1])


def memories(clips: int) -> dict[tuple[str, str], float]:
    """Peak memory in MiB, per network and mode."""
    return {(name, mode): peak_memory(name, clips, mode) for mode in MODES for name in _timed(mode)}


def _timed(mode: str) -> list[str]:
    """Networks that a mode tells apart: checkpointing does nothing without a backward pass."""
    return [name for name in NETWORKS if mode != "forward" or "checkpointing" not in name]


def _print_own_peak(name: str, mode: str, clips: int) -> None:
    run(fresh(name), *inputs(clips), mode)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def report(batches: list[int], rounds: int) -> str:
    # Memory first: a process starts with the peak of the one that starts it, which the timing drives up.
    memory = {clips: memories(clips) for clips in batches}
    lines = [
        "# VSC-Swin against the same Swin V2 without compression",
        "",
        f"Swin V2-tiny, {SIDE} px, {FRAMES} frames per clip, float32, {torch.get_num_threads()} threads of an "
        f"{platform.machine()} CPU, torch {torch.__version__}. VSC keeps 14x14, 12x12 and 10x10 of the 16x16 tokens "
        f"of stage 3. Quickest of {rounds} rounds, networks taking turns; memory is the peak of a fresh process. "
        "In brackets: relative to the Swin V2 without compression. Made by `python -m benchmarks.vsc_swin`.",
        "",
        "| network | GFLOPs per clip, forward |",
        "|---|---:|",
    ]
    work = {name: flops(name) / 1e9 for name in _timed("forward")}
    lines += [f"| {name} | {_beside(value, work[REFERENCE])} |" for name, value in work.items()]
    for clips in batches:
        lines += ["", *_table(clips, times(clips, rounds), memory[clips])]
    return "\n".join(lines) + "\n"


def _table(
    clips: int, seconds: dict[tuple[str, str], float], memory: dict[tuple[str, str], float]
) -> list[str]:
    lines = [
        f"| {clips} clip{'s' if clips > 1 else ''} ({clips * FRAMES} frames) | s forward | s forward+backward "
        "| MiB forward | MiB forward+backward |",
        "|---|---:|---:|---:|---:|",
    ]
    for name in NETWORKS:
        cells = [
            _beside(table[name, mode], table[REFERENCE, mode]) if (name, mode) in table else "-"
            for table in (seconds, memory)
            for mode in MODES
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _beside(value: float, reference: float) -> str:
    digits = 0 if value >= 100 else 2
    return f"{value:.{digits}f} ({value / reference:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2], help="clips per batch")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--memory-of", nargs=3, metavar=("NETWORK", "MODE", "CLIPS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_of:
        name, mode, clips = arguments.memory_of
        _print_own_peak(name, mode, int(clips))
        return
    text = report(arguments.batches, arguments.rounds)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
