"""Whisper's encoder (Radford et al. 2023, §2.2) as a network of torch, on windows of any length up to 30 s."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emofuse.encoders.ctranslate2_weights import read_ctranslate2
from emofuse.errors import EmofuseError

# Our names of a layer's parts, which are transformers', and CTranslate2's.
_NORMS = (("self_attn_layer_norm", "self_attention/layer_norm"), ("final_layer_norm", "ffn/layer_norm"))
_LINEAR = (
    ("self_attn.out_proj", "self_attention/linear_1"),
    ("fc1", "ffn/linear_0"),
    ("fc2", "ffn/linear_1"),
)


@dataclass(frozen=True)
class WhisperShape:
    """Sizes of an encoder; names as transformers has them."""

    d_model: int
    num_mel_bins: int
    encoder_layers: int
    encoder_attention_heads: int
    encoder_ffn_dim: int
    max_source_positions: int


class WhisperNetwork(nn.Module):
    """The parts that `hidden_states` runs, by the names of transformers' ``WhisperEncoder``, whose import takes longer.

    Args:
        config: see `WhisperShape`.
    """

    def __init__(self, config: WhisperShape) -> None:
        super().__init__()
        self.config, d = config, config.d_model
        self.conv1 = nn.Conv1d(config.num_mel_bins, d, 3, padding=1)
        self.conv2 = nn.Conv1d(d, d, 3, stride=2, padding=1)
        # Drawn at random on the meta device it would import torch's compiler, for numbers that are thrown away.
        places = torch.empty(config.max_source_positions, d)
        self.embed_positions = nn.Embedding.from_pretrained(places, freeze=False)
        self.layers = nn.ModuleList(WhisperLayer(config) for _ in range(config.encoder_layers))
        self.layer_norm = nn.LayerNorm(d)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.conv1.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights."""
        return self.conv1.weight.dtype


class WhisperLayer(nn.Module):
    """Attention and a feed-forward network on what is normalised, each added to what it reads."""

    def __init__(self, config: WhisperShape) -> None:
        super().__init__()
        d, wide = config.d_model, config.encoder_ffn_dim
        names = ("q_proj", "k_proj", "v_proj", "out_proj")
        self.self_attn = nn.ModuleDict({name: nn.Linear(d, d, bias=name != "k_proj") for name in names})
        self.self_attn_layer_norm, self.final_layer_norm = nn.LayerNorm(d), nn.LayerNorm(d)
        self.fc1, self.fc2 = nn.Linear(d, wide), nn.Linear(wide, d)
        self.heads = config.encoder_attention_heads

    def forward(self, x: Tensor, mask: None = None) -> Tensor:
        """(B, T, d) of (B, T, d); every step sees every other."""
        normalised = self.self_attn_layer_norm(x)
        q, k, v = (
            self.self_attn[name](normalised).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for name in ("q_proj", "k_proj", "v_proj")
        )
        found = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.self_attn["out_proj"](found)
        added: Tensor = x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))
        return added


def hidden_states(network: Any, features: Tensor) -> list[Tensor]:
    """What every layer of the encoder says: L + 1 states (B, T / 2, d), from what they read to the last, normalised.

    The library's own forward takes windows of 30 s alone. Positions count from the start, so a shorter window is the start
    of a longer one.

    Args:
        network: a `WhisperNetwork`, or transformers' ``WhisperEncoder``.
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


def from_ctranslate2(file: Path) -> WhisperNetwork:
    """The encoder of a Whisper that CTranslate2 keeps, in float32 and evaluation mode.

    Raises:
        EmofuseError: the file holds another model, or is damaged.
    """
    arrays = read_ctranslate2(file)
    try:
        config = _config(arrays)
        with torch.device("meta"):
            network = WhisperNetwork(config)
        network.load_state_dict(_state(arrays, config.encoder_layers), assign=True)
    except (KeyError, RuntimeError, ValueError) as error:
        line = str(error).splitlines()[0]
        raise EmofuseError(
            f"{file}: not the encoder of a Whisper ({line}); install its package again"
        ) from None
    return network.eval().requires_grad_(False)


def _config(arrays: dict[str, np.ndarray]) -> WhisperShape:
    width, bands, _ = arrays["encoder/conv1/weight"].shape
    layers = 0
    while f"encoder/layer_{layers}/ffn/linear_0/weight" in arrays:
        layers += 1
    return WhisperShape(
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
