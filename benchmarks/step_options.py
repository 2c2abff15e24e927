"""What torch.compile, channels-last frames and bf16 are worth in a training step of VSC-Swin.

    python -m benchmarks.step_options [--presets tiny paper]

Forward and backward of the visual encoder in the sizes of a preset: without an option and with it, taking turns in
one process; the quickest round of each counts and their ratio is shown. Ratios, because other work on a machine
spoils times more than ratios of turns. Writes benchmarks/results/step_options_cpu.md.
"""

from __future__ import annotations

import copy
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch._inductor.config
from torch import Tensor
from torch._inductor.utils import fresh_cache

from benchmarks.script import argument_parser
from emofuse.models import create_model
from emofuse.models.deepmsi_mer import DeepMSIMER
from emofuse.nn import VSCSwin

# Clips and frames of a step: the tiny preset as the demo trains it, the paper's with what fits a small machine.
SIZES = {"tiny": (16, 3), "paper": (1, 15)}
RESULTS = Path(__file__).parent / "results" / "step_options_cpu.md"
Step = Callable[[int], float]


def encoder(preset: str) -> VSCSwin:
    torch.manual_seed(0)
    model = create_model("deepmsi-mer", preset=preset, num_classes=7)
    assert isinstance(model, DeepMSIMER)
    return model.swin.train()


def stepper(swin: VSCSwin, preset: str, *, bf16: bool = False) -> Step:
    """A training step on so many clips; gives its seconds."""
    frames = SIZES[preset][1]
    side = swin.config.image_size
    assert swin.context_dim is not None

    def step(clips: int) -> float:
        pixels, context = (
            torch.randn(clips * frames, 3, side, side),
            torch.randn(clips * frames, swin.context_dim),
        )
        swin.zero_grad(set_to_none=True)
        began = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            pooled: Tensor = swin(pixels, context).pooled
        pooled.float().square().mean().backward()
        return time.perf_counter() - began

    return step


def with_contiguous_frames(swin: VSCSwin) -> VSCSwin:
    """The same with frames channel by channel, where VSC-Swin asks for channels last."""
    embed = swin.embeddings.patch_embeddings.forward
    swin.embeddings.patch_embeddings.forward = lambda pixels: embed(pixels.contiguous())
    return swin


def compiled(swin: VSCSwin) -> VSCSwin:
    swin.compile_blocks()
    return swin


def ratio(with_option: Step, without: Step, clips: int, rounds: int) -> float:
    """Quickest round with an option over the quickest without it."""
    best = [float("inf"), float("inf")]
    for turn in range(rounds + 1):
        for which, step in enumerate((with_option, without)):
            seconds = step(clips)
            if turn:  # the first one warms up
                best[which] = min(best[which], seconds)
    return best[0] / best[1]


def spent(work: Callable[[], object]) -> float:
    """Seconds of processor time, the compiler's included, which other work on the machine does not lengthen."""
    before = sum(os.times()[:4])
    work()
    return sum(os.times()[:4]) - before


def row(preset: str, rounds: int) -> str:
    clips = SIZES[preset][0]
    plain = encoder(preset)
    eager = stepper(plain, preset)
    last = ratio(eager, stepper(with_contiguous_frames(copy.deepcopy(plain)), preset), clips, rounds)
    half = ratio(stepper(plain, preset, bf16=True), eager, clips, rounds)
    faster = stepper(compiled(copy.deepcopy(plain)), preset)
    with fresh_cache(), torch._inductor.config.patch(compile_threads=1):
        wait, again = spent(lambda: faster(clips)), spent(lambda: faster(clips + 1))
        gain = ratio(faster, eager, clips, rounds)
    frames = clips * SIZES[preset][1]
    return (
        f"| {preset} | {frames} × {plain.config.image_size} px | {gain:.2f} | {wait:.0f} s | {again:.0f} s "
        f"| {last:.2f} | {half:.2f} |"
    )


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--presets", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    lines = [
        "# Options of a training step of VSC-Swin",
        "",
        f"Forward and backward of the visual encoder, {torch.get_num_threads()} thread(s) of an {platform.machine()} CPU, "
        f"torch {torch.__version__}, quickest of {arguments.rounds} rounds by turns. Below 1 the option is quicker. Made "
        "by `python -m benchmarks.step_options`.",
        "",
        "| preset | frames of a step | compiled / eager | CPU time of the first compiled step | of another batch size "
        "| channels last / contiguous | bf16 autocast / float32 |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for preset in arguments.presets:
        lines.append(row(preset, arguments.rounds))
        print(lines[-1], flush=True)
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
