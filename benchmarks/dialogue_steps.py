"""Processor time of a training step of systems of dialogues, with the paper's sizes, on dialogues as long as MELD's.

    python -m benchmarks.dialogue_steps mmgcn mm-dfn

32 dialogues of ten utterances on average, the longest of 33, in one thread. The time is the processor's and the best of
three, so a busy machine changes it little.
"""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn

from benchmarks.script import argument_parser
from emofuse.models import create_model, model_info

DIALOGUES, LONGEST, CLASSES = 32, 33, 7
SIZES = {"text": 768, "audio": 300, "video": 342}


def meld_lengths(generator: torch.Generator) -> Tensor:
    """(B,) lengths whose mean is that of MELD's dialogues, the longest among them."""
    lengths = 1 + torch.poisson(torch.full((DIALOGUES,), 8.0), generator=generator).long()
    lengths[0] = LONGEST
    return lengths


def step_milliseconds(name: str, repeats: int = 3) -> tuple[float, nn.Module]:
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    mask = torch.arange(LONGEST) < meld_lengths(generator).unsqueeze(1)
    info = model_info(name)
    sizes = {f"{m}_dim": size for m, size in SIZES.items()}
    model = create_model(name, preset="paper", num_classes=CLASSES, **sizes).train()
    inputs = {m: torch.randn(*mask.shape, size, generator=generator) for m, size in SIZES.items()}
    if info.speakers:
        inputs["speakers"] = torch.randint(0, 4, mask.shape, generator=generator)
    labels = torch.randint(0, CLASSES, mask.shape, generator=generator).masked_fill(~mask, -1)
    optimiser = torch.optim.Adam(model.parameters(), 1e-4)
    times = []
    for _ in range(repeats + 1):  # the first one sets things up
        start = time.process_time()
        optimiser.zero_grad()
        model.training_loss(model(**inputs, mask=mask), labels)["loss"].backward()  # type: ignore[operator]
        optimiser.step()
        times.append(1000 * (time.process_time() - start))
    return min(times[1:]), model


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("systems", nargs="+")
    torch.set_num_threads(1)
    for name in parser.parse_args().systems:
        milliseconds, model = step_milliseconds(name)
        millions = sum(p.numel() for p in model.parameters()) / 1e6
        print(f"{name}: {milliseconds:.0f} ms a step, {millions:.2f} million parameters", flush=True)


if __name__ == "__main__":
    main()
