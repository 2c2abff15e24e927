"""Small networks of transformers' Swins, and the VSC-Swin against them."""

from __future__ import annotations

from typing import Any

import torch

from emofuse.nn import VSCSwin
from emofuse.nn.swin_versions import version_of

SIZES: dict[str, Any] = {
    "image_size": 64,
    "patch_size": 4,
    "embed_dim": 12,
    "depths": [2, 4],
    "num_heads": [2, 3],
    "window_size": 4,
    "mlp_ratio": 2.0,
    "drop_path_rate": 0.0,
}


def jitter(model: torch.nn.Module) -> torch.nn.Module:
    """Fresh networks have biases of zero and equal logit scales, which would hide mistakes."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def pair_of(config: Any) -> tuple[torch.nn.Module, VSCSwin]:
    """The library's network and ours with the same weights."""
    library = jitter(version_of(config).model(config))
    ours = VSCSwin(config)
    ours.load_state_dict(library.state_dict())
    return library, ours


def compare_with_library(config: Any, side: tuple[int, int] | None = None) -> None:
    library, ours = (network.eval() for network in pair_of(config))
    height, width = side or (config.image_size, config.image_size)
    pixels = torch.randn(2, 3, height, width)
    with torch.no_grad():
        expected, got = library(pixels), ours(pixels)
    torch.testing.assert_close(got.last_hidden_state, expected.last_hidden_state, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(got.pooled, expected.pooler_output, atol=1e-5, rtol=1e-5)
    assert got.kept == []


def compare_gradients_with_library(config: Any) -> None:
    library, ours = pair_of(config)
    width = library.config.hidden_size
    pixels, weights = torch.randn(2, 3, 64, 64), torch.randn(2, width)
    (library(pixels).pooler_output * weights).sum().backward()
    (ours(pixels).pooled * weights).sum().backward()
    for (name, expected), (same, got) in zip(
        library.named_parameters(), ours.named_parameters(), strict=True
    ):
        assert name == same
        torch.testing.assert_close(got.grad, expected.grad, atol=2e-4, rtol=1e-3)
