"""Swin V2's window attention (Liu et al. 2022, section 3) for any window, through fused kernels.

The functions take the modules of transformers' Swin V2 and read their weights, so that a checkpoint's names
stay what they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:  # the library takes seconds to load, and only a Swin needs it
    from transformers.models.swinv2.modeling_swinv2 import Swinv2SelfAttention

# The library adds its -100 twice. With logits of ±100 and a bias of up to 16 once would not be the same.
_MASKED_BY_SHIFT = -200.0
_MASKED_AS_ABSENT = -1e4
_LARGEST_LOG_SCALE = math.log(100.0)


@dataclass(frozen=True)
class WindowGeometry:
    """How a block cuts its grid into windows.

    Attributes:
        grid: tokens (height, width).
        window: side of a window.
        shift: how far the windows are moved down and right; 0 in non-shifted blocks.
    """

    grid: tuple[int, int]
    window: int
    shift: int

    @property
    def padding(self) -> tuple[int, int]:
        """Rows and columns of zeros that complete the last windows."""
        return (-self.grid[0] % self.window, -self.grid[1] % self.window)

    @property
    def windows(self) -> tuple[int, int]:
        """Windows (down, across)."""
        return (-(-self.grid[0] // self.window), -(-self.grid[1] // self.window))

    @property
    def count(self) -> int:
        """Windows of an image."""
        return self.windows[0] * self.windows[1]

    def partition(self, tokens: Tensor) -> Tensor:
        """(B, H·W, C) -> (B, windows, window², C), after padding and shifting."""
        x = tokens.unflatten(1, self.grid)
        down, right = self.padding
        if down or right:
            x = F.pad(x, (0, 0, 0, right, 0, down))
        if self.shift:
            x = torch.roll(x, (-self.shift, -self.shift), dims=(1, 2))
        rows, columns = self.windows
        x = x.unflatten(2, (columns, self.window)).unflatten(1, (rows, self.window))
        return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)

    def partition_flags(self, flags: Tensor | None) -> Tensor | None:
        """(B, H·W) bool -> (B, windows, window²), False in the padding; None stays None."""
        return None if flags is None else self.partition(flags.unsqueeze(-1)).squeeze(-1)

    def merge(self, windows: Tensor) -> Tensor:
        """The reverse of `partition`: (B, windows, window², C) -> (B, H·W, C)."""
        x = windows.unflatten(2, (self.window, self.window)).unflatten(1, self.windows)
        x = x.transpose(2, 3).flatten(3, 4).flatten(1, 2)
        if self.shift:
            x = torch.roll(x, (self.shift, self.shift), dims=(1, 2))
        if any(self.padding):
            x = x[:, : self.grid[0], : self.grid[1]]
        return x.flatten(1, 2)

    def shift_mask(
        self, device: torch.device | None = None, value: float = _MASKED_BY_SHIFT
    ) -> Tensor | None:
        """(windows, window², window²), ``value`` where only the shift made two tokens neighbours, 0 elsewhere."""
        if not self.shift:
            return None
        regions = [
            _shift_regions(count * self.window, self.window, self.shift, device) for count in self.windows
        ]
        region = (regions[0].unsqueeze(1) * 3 + regions[1]).flatten()[None, :, None]
        cut = WindowGeometry(self._padded, self.window, 0).partition(region).squeeze(-1).squeeze(0)
        separated = cut.unsqueeze(1) != cut.unsqueeze(2)
        return torch.zeros(separated.shape, device=device).masked_fill(separated, value)

    @property
    def _padded(self) -> tuple[int, int]:
        return (self.windows[0] * self.window, self.windows[1] * self.window)


def _shift_regions(length: int, window: int, shift: int, device: torch.device | None) -> Tensor:
    position = torch.arange(length, device=device)
    return (position >= length - window).long() + (position >= length - shift).long()


def relative_coordinates(window: int, pretrained_window: int, device: torch.device | None = None) -> Tensor:
    """Log-spaced offsets between two tokens of a window, ((2·window - 1)², 2); Swin V2, Eq. 4.

    Offsets are counted in units of the pretrained window, so that a step between neighbours means the same
    to the position bias network whatever the window it now serves.
    """
    offsets = torch.arange(-(window - 1), window, dtype=torch.float32, device=device)
    offsets = offsets * (8.0 / max(pretrained_window - 1, 1))
    offsets = offsets.sign() * torch.log2(offsets.abs() + 1.0) / 3.0
    return torch.cartesian_prod(offsets, offsets)


def relative_index(window: int, device: torch.device | None = None) -> Tensor:
    """Row of `relative_coordinates` for every (query, key) of a window, (window⁴,)."""
    row, column = (
        torch.arange(window**2, device=device) // window,
        torch.arange(window**2, device=device) % window,
    )
    down = row.unsqueeze(1) - row + window - 1
    right = column.unsqueeze(1) - column + window - 1
    return (down * (2 * window - 1) + right).flatten()


def relative_position_bias(attention: Swinv2SelfAttention, window: int, pretrained_window: int) -> Tensor:
    """Continuous relative position bias (heads, window², window²) of a `Swinv2SelfAttention`."""
    network = attention.continuous_position_bias_mlp
    weight = network[0].weight
    coordinates = relative_coordinates(window, pretrained_window, weight.device).to(weight.dtype)
    table = 16.0 * torch.sigmoid(network(coordinates))
    by_pair = table.index_select(0, relative_index(window, weight.device))
    # Attention reads it once for every window, and would lay it out anew each time.
    return by_pair.T.contiguous().unflatten(1, (window**2, window**2))


def attention_bias(
    attention: Swinv2SelfAttention, geometry: WindowGeometry, pretrained_window: int
) -> Tensor:
    """What is added to a block's logits, (windows or 1, heads, window², window²): position and shift."""
    bias = relative_position_bias(attention, geometry.window, pretrained_window).unsqueeze(0)
    mask = geometry.shift_mask(bias.device)
    return bias if mask is None else bias + mask.unsqueeze(1).to(bias.dtype)


def logit_scale(attention: Swinv2SelfAttention) -> Tensor:
    """By what the cosines of each head are multiplied, (heads, 1, 1)."""
    scale: Tensor = attention.logit_scale.clamp(max=_LARGEST_LOG_SCALE).exp()
    return scale


def cosine_attention(
    attention: Swinv2SelfAttention, windows: Tensor, bias: Tensor, alive: Tensor | None = None
) -> Tensor:
    """Scaled cosine attention of a `Swinv2SelfAttention` within windows; Swin V2, Eq. 2.

    Args:
        attention: the module whose query, key, value and logit scale are used.
        windows: (B, windows, n, C).
        bias: (windows or 1, heads, n, n), from `attention_bias`.
        alive: (B, windows, n) bool; tokens that are False are seen by none.

    Returns:
        (B, windows, n, C), heads side by side, before the output projection.
    """
    heads = attention.num_attention_heads

    def split(x: Tensor) -> Tensor:
        return x.unflatten(-1, (heads, -1)).transpose(2, 3)

    query = F.normalize(split(attention.query(windows)), dim=-1) * logit_scale(attention)
    key = F.normalize(split(attention.key(windows)), dim=-1)
    value = split(attention.value(windows))
    dropout = attention.dropout.p if attention.training else 0.0
    return attend(query.to(value.dtype), key.to(value.dtype), value, bias, alive, scale=1.0, dropout=dropout)


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor,
    alive: Tensor | None,
    *,
    scale: float,
    dropout: float,
) -> Tensor:
    """Softmax attention within windows, through a fused kernel.

    Args:
        query: (B, windows, heads, n, C / heads), and so are ``key`` and ``value``.
        key: see above.
        value: see above.
        bias: (windows or 1, heads, n, n), added to the logits.
        alive: (B, windows, n) bool; tokens that are False are seen by none.
        scale: of the logits.
        dropout: probability.

    Returns:
        (B, windows, n, C), heads side by side.
    """
    count, heads, length = value.shape[1:4]
    bias = bias.to(value.dtype)
    if alive is not None:
        unseen = torch.zeros_like(alive, dtype=value.dtype).masked_fill(~alive, _MASKED_AS_ABSENT)
        bias = bias + unseen[:, :, None, None, :]
    # Torch's fused kernel on a CPU takes masks of two or four dimensions, and leaves any other to a slower path unasked.
    batch = bias.shape[:-4] or (1,)
    shape = (*batch, count, heads, length, length)
    attended = F.scaled_dot_product_attention(
        query.flatten(1, 2),
        key.flatten(1, 2),
        value.flatten(1, 2),
        attn_mask=bias.expand(shape).flatten(-4, -3),
        dropout_p=dropout,
        scale=scale,
    )
    return attended.unflatten(1, (count, heads)).transpose(2, 3).flatten(-2)
