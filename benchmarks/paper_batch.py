"""What a training step of DeepMSI-MER in the paper's sizes needs, and what seeing all frames at once is worth.

    python -m benchmarks.paper_batch [--clips 1 2 4]

15 frames of 256 px per clip, float32 on CPU. A step is forward, loss, backward and Adam. Each row is a fresh
process; its peak is that of resident memory. The last row extrapolates to the paper's batch of 16 clips and
says so. The loop shows the same network one frame at a time, forward and backward, in the same process and by
turns. Writes benchmarks/results/paper_batch_cpu.md.
"""

from __future__ import annotations

import argparse
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.script import argument_parser, publish
from emofuse.models import create_model
from emofuse.models.deepmsi_mer import DeepMSIMER

FRAMES, SIDE, PAPERS_BATCH = 15, 256, 16
RESULTS = Path(__file__).parent / "results" / "paper_batch_cpu.md"


def build(checkpointing: bool) -> DeepMSIMER:
    torch.manual_seed(0)
    model = create_model("deepmsi-mer", preset="paper", num_classes=7, gradient_checkpointing=checkpointing)
    assert isinstance(model, DeepMSIMER)
    return model


def batch(clips: int) -> tuple[dict[str, Tensor], Tensor]:
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (clips, FRAMES, 3, SIDE, SIDE), generator=generator, dtype=torch.uint8)
    text, audio = (torch.randn(clips, width, generator=generator) for width in (1024, 768))
    return {"text": text, "audio": audio, "frames": frames}, torch.arange(clips) % 2


def step(clips: int, checkpointing: bool) -> None:
    """Two steps in this process, so that Adam's state counts; prints MiB and the seconds of the second."""
    model = build(checkpointing).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4)
    inputs, labels = batch(clips)
    seconds = 0.0
    for _ in range(2):
        began = time.perf_counter()
        loss = model.training_loss(model(**inputs), labels)["loss"]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        seconds = time.perf_counter() - began
    print(f"{peak_mebibytes():.0f} {seconds:.2f}")


def peak_mebibytes() -> float:
    """Peak resident memory of this process alone; what getrusage reports begins with its parent's."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    if found is None:
        raise SystemExit("this benchmark reads its peak memory from /proc, which only Linux has")
    return int(found[1]) / 1024


def loop_against_batch(rounds: int) -> tuple[float, float]:
    """Seconds, the quickest of some rounds, of the visual encoder on one clip: frame by frame, and at once."""
    model = build(checkpointing=False).train()
    pixels = torch.randn(FRAMES, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    context = torch.randn(FRAMES, 384, generator=torch.Generator().manual_seed(1))

    def one_by_one() -> Tensor:
        return torch.cat([model.swin(pixels[i : i + 1], context[i : i + 1]).pooled for i in range(FRAMES)])

    def at_once() -> Tensor:
        return model.swin(pixels, context).pooled

    best = [float("inf"), float("inf")]
    for turn in range(rounds + 1):
        for which, see in enumerate((one_by_one, at_once)):
            model.zero_grad(set_to_none=True)
            began = time.perf_counter()
            see().square().mean().backward()
            if turn:  # the first one warms up
                best[which] = min(best[which], time.perf_counter() - began)
    return best[0], best[1]


def report(sizes: list[int], rounds: int) -> str:
    lines = [
        "# A training step of DeepMSI-MER in the paper's sizes",
        "",
        f"{FRAMES} frames of {SIDE} px per clip, float32, {torch.get_num_threads()} threads of an "
        f"{platform.machine()} CPU, torch {torch.__version__}: forward, loss, backward, Adam. Peak resident memory of "
        "a fresh process. Made by `python -m benchmarks.paper_batch`.",
        "",
        "| clips | peak MiB | seconds | peak MiB, gradient checkpointing | seconds |",
        "|---:|---:|---:|---:|---:|",
    ]
    peaks: dict[bool, list[float]] = {False: [], True: []}
    for clips in sizes:
        cells = []
        for checkpointing in (False, True):
            command = [
                sys.executable,
                "-m",
                "benchmarks.paper_batch",
                "--step",
                str(clips),
                str(int(checkpointing)),
            ]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            mebibytes, seconds = map(float, done.stdout.split()[-2:])
            peaks[checkpointing].append(mebibytes)
            cells += [f"{mebibytes:,.0f}", f"{seconds:.1f}"]
        lines.append(f"| {clips} | {' | '.join(cells)} |")
    if len(sizes) > 1:
        reached = [f"{_extrapolated(sizes, peaks[kind]):,.0f}" for kind in (False, True)]
        lines.append(
            f"| {PAPERS_BATCH} (*extrapolated, a line through the first and last row*) | {reached[0]} | - | {reached[1]} | - |"
        )
    slow, quick = loop_against_batch(rounds)
    lines += [
        "",
        f"The visual encoder on one clip, forward and backward: frame by frame {slow:.2f} s, all frames at once "
        f"{quick:.2f} s, a ratio of {slow / quick:.2f} (quickest of {rounds} rounds, by turns).",
    ]
    return "\n".join(lines) + "\n"


def _extrapolated(sizes: list[int], peaks: list[float]) -> float:
    slope = (peaks[-1] - peaks[0]) / (sizes[-1] - sizes[0])
    return peaks[-1] + slope * (PAPERS_BATCH - sizes[-1])


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--clips", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--step", type=int, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        step(arguments.step[0], bool(arguments.step[1]))
        return
    text = report(arguments.clips, arguments.rounds)
    RESULTS.parent.mkdir(exist_ok=True)
    publish(text, RESULTS)


if __name__ == "__main__":
    main()
