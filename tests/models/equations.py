"""What tests of systems against their equations share: inputs in float64, and gradients compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from emofuse.models import create_model, model_info

DIMS = {"text": 6, "audio": 5, "video": 4}


def system(name: str, task: str = "regression", classes: int = 3, **options: Any) -> nn.Module:
    """A tiny system of utterances in float64, in evaluation mode, with scalers that do something."""
    torch.manual_seed(0)
    found: dict[str, Any] = {f"{m}_dim": d for m, d in DIMS.items() if m in model_info(name).inputs}
    found |= {"task": task} if task == "regression" else {"num_classes": classes}
    model = create_model(name, preset="tiny", **found, **options).double().eval()
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.dim() == 1:  # biases that are 0 hide mistakes
            parameter.data += 0.1 * torch.randn_like(parameter)
    return model


def utterances(lengths: Sequence[int] = (4, 2, 1), seed: int = 0, lacking: str = "") -> dict[str, Any]:
    """Padded steps of three modalities; the second row lacks the modality named."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    inputs: dict[str, Any] = {
        m: torch.randn(len(lengths), max(lengths), d, generator=generator).double() for m, d in DIMS.items()
    }
    there = {m: torch.ones(len(lengths), dtype=torch.bool) for m in DIMS}
    if lacking:
        there[lacking][1] = False
    return inputs | {"masks": dict.fromkeys(DIMS, mask), "present": there}


def steps_of(inputs: dict[str, Any], row: int, model: nn.Module) -> dict[str, Tensor]:
    """The real, scaled steps of one row, (T, d) each, of the modalities that it has."""
    found = {}
    for m in DIMS:
        if m in inputs and bool(inputs["present"][m][row]):
            x = inputs[m][row][inputs["masks"][m][row]]
            found[m] = model.get_submodule(f"scalers.{m}")(x)
    return found


def assert_same(ours: Tensor, theirs: Tensor, model: nn.Module) -> None:
    """Values, and gradients of all parameters."""
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-10)
    parameters = [p for p in model.parameters() if p.requires_grad]
    weights = torch.linspace(0.5, 1.5, ours.numel(), dtype=ours.dtype).view_as(ours)
    both = [
        torch.autograd.grad((weights * value).sum(), parameters, retain_graph=True, allow_unused=True)
        for value in (ours, theirs)
    ]
    for mine, other, (name, p) in zip(
        *both, [i for i in model.named_parameters() if i[1].requires_grad], strict=True
    ):
        filled = [torch.zeros_like(p) if g is None else g for g in (mine, other)]
        torch.testing.assert_close(*filled, rtol=1e-7, atol=1e-9, msg=lambda m, name=name: f"{name}: {m}")


def transformer_layer(layer: nn.TransformerEncoderLayer, h: Tensor, seen: Tensor | None = None) -> Tensor:
    """Attention of steps (T, d) to those they see (T, T), and a feed-forward network; each added and normalised."""
    attention, found = layer.self_attn, []
    seen = torch.ones(len(h), len(h), dtype=torch.bool) if seen is None else seen
    q, k, v = (h @ attention.in_proj_weight.T + attention.in_proj_bias).chunk(3, dim=-1)
    size = h.shape[1] // attention.num_heads
    for i in range(len(h)):
        parts = []
        for at in range(0, h.shape[1], size):
            part = slice(at, at + size)
            near = [j for j in range(len(h)) if seen[i, j]]
            scores = torch.stack([q[i, part] @ k[j, part] / size**0.5 for j in near]).softmax(0)
            parts.append(sum(s * v[j, part] for s, j in zip(scores, near, strict=True)))
        found.append(torch.cat(parts))
    h = layer.norm1(h + attention.out_proj(torch.stack(found)))
    return layer.norm2(h + layer.linear2(torch.relu(layer.linear1(h))))
