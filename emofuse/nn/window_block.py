"""One Swin V2 block over tokens that lie window by window, a few windows at a time, and its gradient.

The equations are those of `run_v2_block`: scaled cosine attention (Swin V2, Eq. 2), residual-post-norm (section 3.2). What
differs is where numbers lie. All that a few windows need stays in a processor's cache, nothing is copied to cut windows,
and for the gradient what is cheap is computed again: attention, GELU and the sum of the first residual.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from emofuse.nn.shortest import SHORTEST


class BlockWeights(NamedTuple):
    """The weights of a `Swinv2Layer`, (out, in) of C features.

    ``qkv`` (3·C, C) are those of queries, keys and values, one below the other; their bias may be absent.
    ``scale`` (heads,) multiplies the cosines, ``position`` (heads, n, n) is added to them.
    """

    qkv: Tensor
    qkv_bias: Tensor | None
    scale: Tensor
    position: Tensor
    out: Tensor
    out_bias: Tensor
    norm1: Tensor
    norm1_bias: Tensor
    up: Tensor
    up_bias: Tensor
    down: Tensor
    down_bias: Tensor
    norm2: Tensor
    norm2_bias: Tensor

    def in_type(self, dtype: torch.dtype) -> BlockWeights:
        """With the linear layers in another type; scale and normalisations stay what they are."""
        stay = {"scale", "position", "norm1", "norm1_bias", "norm2", "norm2_bias"}
        moved = {
            name: weight.to(dtype)
            for name, weight in self._asdict().items()
            if weight is not None and name not in stay
        }
        return self._replace(**moved)


@dataclass(frozen=True)
class BlockForm:
    """What is no number of a block.

    Attributes:
        heads: of its attention.
        epsilon: of its normalisation.
        count: windows of an image.
        chunk: windows that are taken at once, a divisor of `count` or a multiple.
    """

    heads: int
    epsilon: float
    count: int
    chunk: int


class BlockMasks(NamedTuple):
    """What hides tokens and residual branches; none of it learns.

    Attributes:
        shift: (count or 1, heads, n, n), position bias and shift together.
        alive: (B·count, n) bool or None; tokens that are False are seen by none and stay zero.
        paths: (B·count, 1, 1) of each residual branch, 0 where stochastic depth drops it; or None.
    """

    shift: Tensor
    alive: Tensor | None
    paths: tuple[Tensor, Tensor] | None

    def paths_of(self, here: slice) -> tuple[Tensor, Tensor] | tuple[None, None]:
        """Of some windows."""
        return (None, None) if self.paths is None else (self.paths[0][here], self.paths[1][here])


class Kept(NamedTuple):
    """What the gradient of a few windows needs besides their tokens, (windows·n, ...) each."""

    qkv: Tensor  # (windows·n, 3, C), queries and keys scaled to what is multiplied
    factors: Tensor  # (windows, n, 2, heads), by which queries and keys were scaled
    projected: Tensor
    mean1: Tensor
    rstd1: Tensor
    hidden: Tensor  # before GELU
    refined: Tensor
    mean2: Tensor
    rstd2: Tensor


def windows_at_once(count: int, length: int, tokens: int) -> int:
    """How many windows of ``length`` to take so that there are about so many tokens, fitting `BlockForm.chunk`."""
    fitting = max(1, tokens // length)
    if fitting >= count:
        return fitting // count * count
    return max(size for size in range(1, fitting + 1) if count % size == 0)


def chunks(form: BlockForm, masks: BlockMasks, total: int) -> Iterator[tuple[slice, Tensor]]:
    """Windows that are taken together, and what is added to their logits, (windows, heads, n, n)."""
    shift = masks.shift
    if shift.shape[0] > 1 and form.chunk > form.count:
        shift = shift.repeat(form.chunk // form.count, 1, 1, 1)
    for start in range(0, total, form.chunk):
        here = slice(start, min(start + form.chunk, total))
        size = here.stop - start
        if shift.shape[0] == 1:
            mask = shift.expand(size, -1, -1, -1)
        else:
            first = start % shift.shape[0]
            mask = shift[first : first + size]
        if masks.alive is not None:
            mask = mask + hidden_logits(masks.alive[here], mask.dtype)[:, None, None, :]
        yield here, mask


def hidden_logits(alive: Tensor, dtype: torch.dtype) -> Tensor:
    """What is added to the logits of keys: 0, or enough to hide those that are not alive."""
    return torch.zeros_like(alive, dtype=dtype).masked_fill(~alive, -1e4)


def attend(
    tokens: Tensor, weights: BlockWeights, form: BlockForm, mask: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Cosine attention within windows: `Kept.qkv`, `Kept.factors`, and what is attended to, (windows·n, C)."""
    windows, length, width = tokens.shape
    rows = tokens.flatten(0, 1)
    qkv = (
        F.linear(rows, weights.qkv, weights.qkv_bias).to(weights.scale.dtype).view(windows * length, 3, width)
    )
    by_head = qkv.view(windows, length, 3, form.heads, -1)
    compared = by_head[:, :, :2]
    factors = torch.linalg.vector_norm(compared, dim=-1).clamp_(min=SHORTEST).reciprocal_()
    factors[:, :, 0].mul_(weights.scale)
    compared.mul_(factors.unsqueeze(-1))
    query, key, value = by_head.permute(2, 0, 3, 1, 4).unbind(0)
    attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=1.0)
    return qkv, factors, attended.transpose(1, 2).reshape(windows * length, width)


def branch(values: Tensor, path: Tensor | None) -> Tensor:
    """A residual branch (windows, n, C), in place, where stochastic depth lets it through."""
    return values if path is None else values.mul_(path)


def normalised(rows: Tensor, weight: Tensor, bias: Tensor, form: BlockForm) -> tuple[Tensor, Tensor, Tensor]:
    """Layer normalisation with its means and inverse deviations."""
    return torch.native_layer_norm(rows, (rows.shape[-1],), weight, bias, form.epsilon)


def run_windows(
    tokens: Tensor,
    weights: BlockWeights,
    form: BlockForm,
    masks: BlockMasks,
    here: slice,
    mask: Tensor,
    out: Tensor,
) -> Kept:
    """Some windows (windows, n, C) through the block, into ``out``, with what the gradient needs."""
    path1, path2 = masks.paths_of(here)
    qkv, factors, attended = attend(tokens, weights, form, mask)
    projected = torch.addmm(weights.out_bias, attended, weights.out.t())
    first, mean1, rstd1 = normalised(projected, weights.norm1, weights.norm1_bias, form)
    between = branch(first.view_as(tokens), path1).add_(tokens)
    hidden = torch.addmm(weights.up_bias, between.flatten(0, 1), weights.up.t())
    refined = torch.addmm(weights.down_bias, F.gelu(hidden), weights.down.t())
    second, mean2, rstd2 = normalised(refined, weights.norm2, weights.norm2_bias, form)
    torch.add(between, branch(second.view_as(tokens), path2), out=out)
    if masks.alive is not None:
        out.masked_fill_(~masks.alive[here].unsqueeze(-1), 0.0)
    return Kept(qkv, factors, projected, mean1, rstd1, hidden, refined, mean2, rstd2)


def run_block_in_place(tokens: Tensor, weights: BlockWeights, form: BlockForm, masks: BlockMasks) -> Tensor:
    """The block over tokens (B·count, n, C) where no gradient is wanted; they are overwritten.

    Linear layers compute in the type of the weights; attention, sums and normalisations in that of the tokens.
    """
    dtype = weights.qkv.dtype
    for here, mask in chunks(form, masks, len(tokens)):
        part = tokens[here]
        rows = part.flatten(0, 1)
        attended = attend(part.to(dtype), weights, form, mask)[2].to(dtype)
        projected = torch.addmm(weights.out_bias, attended, weights.out.t())
        rows.add_(_normed(projected.to(rows.dtype), weights.norm1, weights.norm1_bias, form))
        hidden = torch.addmm(weights.up_bias, rows.to(dtype), weights.up.t())
        torch.ops.aten.gelu_(hidden)
        torch.addmm(weights.down_bias, hidden, weights.down.t(), out=projected)
        rows.add_(_normed(projected.to(rows.dtype), weights.norm2, weights.norm2_bias, form))
        if masks.alive is not None:
            part.masked_fill_(~masks.alive[here].unsqueeze(-1), 0.0)
    return tokens


def _normed(rows: Tensor, weight: Tensor, bias: Tensor, form: BlockForm) -> Tensor:
    return F.layer_norm(rows, (rows.shape[-1],), weight, bias, form.epsilon)
