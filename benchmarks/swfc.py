"""SWFC loss (MFCRE Eq. 11-12): one vectorised pass against a loop over samples, forward and backward.

    python -m benchmarks.swfc

The loop is what a reader of the equation writes first: for each utterance, a softmax over all the others.
Writes benchmarks/results/swfc.md.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.script import publish
from emofuse.losses import SampleWeightedFocalContrastiveLoss

SIZES = (128, 512, 2048)
DIM, CLASSES, THREADS = 256, 7, 1
TAU, ALPHA, GAMMA = 0.9, 0.8, 3.0
RESULTS = Path(__file__).parent / "results" / "swfc.md"


def per_sample(features: Tensor, labels: Tensor, counts: Tensor) -> Tensor:
    """Eq. 12, one utterance after the other."""
    z = F.normalize(features, dim=-1)
    total = z.new_zeros(())
    for j in range(len(z)):
        others = torch.cat([z[:j], z[j + 1 :]])
        alike = torch.cat([labels[:j], labels[j + 1 :]]) == labels[j]
        if not alike.any():
            continue
        log_s = F.log_softmax(others @ z[j] / TAU, dim=0)[alike]
        weight = (counts.sum() / counts[labels[j]]) ** ALPHA
        total = total - weight * ((1 - log_s.exp()) ** GAMMA * log_s).mean()
    return total


def measure(loss: Callable[[Tensor, Tensor, Tensor], Tensor], size: int, repeats: int) -> tuple[float, float]:
    """CPU seconds of the quickest forward and backward pass on one thread, and the loss."""
    generator = torch.Generator().manual_seed(size)
    features = torch.randn(size, DIM, generator=generator)
    labels = torch.randint(0, CLASSES, (size,), generator=generator)
    counts = torch.bincount(labels, minlength=CLASSES)
    seconds = []
    for _ in range(repeats + 1):
        leaf = features.clone().requires_grad_()
        begin = time.process_time()
        value = loss(leaf, labels, counts)
        value.backward()
        seconds.append(time.process_time() - begin)
    return min(seconds[1:]), float(value.detach())


def main() -> None:
    torch.set_num_threads(THREADS)
    lines = [
        "# SWFC loss: vectorised against a loop over samples",
        "",
        f"Forward and backward, {DIM} features, {CLASSES} classes, float32, {THREADS} CPU thread, "
        f"{platform.machine()}, torch {torch.__version__}; CPU time of the quickest of several runs after a warm-up. "
        "Made by `python -m benchmarks.swfc`.",
        "",
        "| utterances | loop (ms) | vectorised (ms) | times faster | relative difference of the losses |",
        "|---:|---:|---:|---:|---:|",
    ]
    for size in SIZES:
        slow, slow_value = measure(per_sample, size, repeats=5)
        fast, fast_value = measure(SampleWeightedFocalContrastiveLoss(TAU, ALPHA, GAMMA), size, repeats=30)
        difference = abs(slow_value - fast_value) / abs(slow_value)
        lines.append(
            f"| {size} | {slow * 1e3:.1f} | {fast * 1e3:.2f} | {slow / fast:.0f} | {difference:.0e} |"
        )
    text = "\n".join(lines) + "\n"
    RESULTS.parent.mkdir(exist_ok=True)
    publish(text, RESULTS)


if __name__ == "__main__":
    main()
