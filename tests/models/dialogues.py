"""What tests of dialogue systems against their equations share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from emofuse.models import create_model
from tests.models.equations import DIMS

SPEAKERS = torch.tensor([[0, 1, 0, 2, 0], [0, 0, 1, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]).bool()


def dialogue_system(name: str, **options: Any) -> nn.Module:
    """A tiny system of dialogues in float64, in evaluation mode."""
    torch.manual_seed(0)
    found = {f"{m}_dim": d for m, d in DIMS.items()}
    return create_model(name, preset="tiny", num_classes=3, **found, **options).double().eval()


def dialogues(lacking: str = "") -> dict[str, Any]:
    """Two dialogues, of five and three utterances; in each the second lacks the modality named."""
    generator = torch.Generator().manual_seed(0)
    present = {m: MASK.clone() for m in DIMS}
    if lacking:
        present[lacking][:, 1] = False
    inputs: dict[str, Any] = {m: torch.randn(2, 5, d, generator=generator).double() for m, d in DIMS.items()}
    return inputs | {"mask": MASK, "present": present}


def utterances_of(inputs: dict[str, Any], row: int) -> list[Tensor]:
    """The modalities of each utterance side by side, 0 where it lacks one. Scalers that are not fitted only clip."""
    found = []
    for i in range(int(MASK[row].sum())):
        parts = [inputs[m][row, i].clamp(-5, 5) * inputs["present"][m][row, i] for m in DIMS]
        found.append(torch.cat(parts))
    return found
