"""Whisper's encoder (Radford et al. 2023, §2.2) as a network of torch, on windows of any length up to 30 s."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder as Network

from emofuse.encoders.ctranslate2_weights import read_ctranslate2
from emofuse.errors import EmofuseError

# transformers' names of a layer's parts, and CTranslate2's.
_NORMS = (("self_attn_layer_norm", "self_attention/layer_norm"), ("final_layer_norm", "ffn/layer_norm"))
_LINEAR = (
    ("self_attn.out_proj", "self_attention/linear_1"),
    ("fc1", "ffn/linear_0"),
    ("fc2", "ffn/linear_1"),
)


def hidden_states(network: Any, features: Tensor) -> list[Tensor]:
    """What every layer of the encoder says: L + 1 states (B, T / 2, d), from what they read to the last, normalised.

    The library's own forward takes windows of 30 s alone. Positions count from the start, so a shorter window is the start
    of a longer one.

    Args:
        network: transformers' ``WhisperEncoder``.
        features: (B, bands, T) log-mel spectrograms, T even and at most two steps for each position.
    """
    states = F.gelu(network.conv1(features))
    states = F.gelu(network.conv2(states)).transpose(1, 2)
    states = states + network.embed_positions.weight[: states.shape[1]]
    found = [states]
    for layer in network.layers:
        output = layer(found[-1], None)
        found.append(output[0] if isinstance(output, tuple) else output)
    return [*found[:-1], network.layer_norm(found[-1])]


def side_by_side(states: Sequence[Tensor], layers: Sequence[int]) -> Tensor:
    """(B, T, d × layers): the states of some layers, counted as Python counts."""
    return torch.cat([states[layer] for layer in layers], dim=-1)


def from_ctranslate2(file: Path) -> Any:
    """The encoder of a Whisper that CTranslate2 keeps, in float32 and evaluation mode.

    Raises:
        EmofuseError: the file holds another model, or is damaged.
    """
    arrays = read_ctranslate2(file)
    try:
        config = _config(arrays)
        network = Network(config)
        network.load_state_dict(_state(arrays, config.encoder_layers))
    except (KeyError, RuntimeError, ValueError) as error:
        line = str(error).splitlines()[0]
        raise EmofuseError(
            f"{file}: not the encoder of a Whisper ({line}); install its package again"
        ) from None
    return network.eval()


def _config(arrays: dict[str, np.ndarray]) -> WhisperConfig:
    width, bands, _ = arrays["encoder/conv1/weight"].shape
    layers = 0
    while f"encoder/layer_{layers}/ffn/linear_0/weight" in arrays:
        layers += 1
    return WhisperConfig(
        d_model=width,
        num_mel_bins=bands,
        encoder_layers=layers,
        encoder_attention_heads=int(arrays["encoder/num_heads"]),
        encoder_ffn_dim=arrays["encoder/layer_0/ffn/linear_0/weight"].shape[0],
        max_source_positions=len(arrays["encoder/position_encodings/encodings"]),
    )


def _state(arrays: dict[str, np.ndarray], layers: int) -> dict[str, Tensor]:
    def of(name: str) -> Tensor:
        return torch.from_numpy(arrays[f"encoder/{name}"].astype(np.float32))

    state = {"embed_positions.weight": of("position_encodings/encodings")}
    for conv in ("conv1", "conv2"):
        state |= {f"{conv}.{part}": of(f"{conv}/{part}") for part in ("weight", "bias")}
    norms = [("layer_norm", "layer_norm")]
    for number in range(layers):
        ours, theirs = f"layers.{number}", f"layer_{number}"
        norms += [(f"{ours}.{name}", f"{theirs}/{other}") for name, other in _NORMS]
        for name, other in _LINEAR:
            state |= {f"{ours}.{name}.{part}": of(f"{theirs}/{other}/{part}") for part in ("weight", "bias")}
        # Queries, keys and values are one matrix there. Whisper's keys have no bias.
        for part in ("weight", "bias"):
            for name, values in zip(
                "qkv", of(f"{theirs}/self_attention/linear_0/{part}").chunk(3), strict=True
            ):
                state[f"{ours}.self_attn.{name}_proj.{part}"] = values
        del state[f"{ours}.self_attn.k_proj.bias"]
    for name, other in norms:
        state |= {f"{name}.weight": of(f"{other}/gamma"), f"{name}.bias": of(f"{other}/beta")}
    return state
