"""The gradient of a Swin V2 block over windows, a few at a time; see `window_block`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from emofuse.nn.window_block import (
    BlockForm,
    BlockMasks,
    BlockWeights,
    Kept,
    branch,
    chunks,
    normalised,
    run_windows,
)

_NAMES = BlockWeights._fields


class WindowBlock(torch.autograd.Function):
    """`run_block_in_place` with a gradient: (form, masks, tokens (B·count, n, C), *`BlockWeights`) -> tokens."""

    @staticmethod
    def forward(ctx: Any, form: BlockForm, masks: BlockMasks, tokens: Tensor, *weights: Tensor) -> Tensor:
        """The block, with what its gradient needs kept."""
        given = BlockWeights(*weights)
        out = torch.empty_like(tokens)
        kept = [
            run_windows(tokens[here], given, form, masks, here, mask, out[here])
            for here, mask in chunks(form, masks, len(tokens))
        ]
        ctx.form, ctx.masks = form, masks
        ctx.save_for_backward(tokens, *weights, *(part for parts in kept for part in parts))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the tokens and of the weights that want one."""
        tokens, *saved = ctx.saved_tensors
        weights, saved = BlockWeights(*saved[: len(_NAMES)]), saved[len(_NAMES) :]
        sums = _Sums(weights, ctx.needs_input_grad[3:])
        into = torch.empty_like(tokens)
        gradient = gradient.contiguous()
        size = len(Kept._fields)
        for number, (here, mask) in enumerate(chunks(ctx.form, ctx.masks, len(tokens))):
            kept = Kept(*saved[number * size : (number + 1) * size])
            _Windows(tokens[here], weights, ctx.form, ctx.masks, here, kept, sums).backward(
                gradient[here], mask, into[here]
            )
        return (None, None, into, *sums.all())


class _Sums:
    """Gradients of the weights, which grow chunk by chunk; those that nobody asks for are not computed."""

    def __init__(self, weights: BlockWeights, wanted: Sequence[bool]) -> None:
        self.sums = {
            name: torch.zeros_like(weight) if want and weight is not None else None
            for name, weight, want in zip(_NAMES, weights, wanted, strict=True)
        }

    def layer(self, name: str, gradient: Tensor, rows: Tensor) -> None:
        """A linear layer: what came back to it (N, out) and what it was given (N, in)."""
        if (weight := self.sums[name]) is not None:
            weight.addmm_(gradient.t(), rows)
        if (bias := self.sums.get(f"{name}_bias")) is not None:
            bias.add_(gradient.sum(0))

    def norm(self, name: str, weight: Tensor, bias: Tensor) -> None:
        """A normalisation's two."""
        self.add(name, weight)
        self.add(f"{name}_bias", bias)

    def add(self, name: str, value: Tensor) -> None:
        """Any other."""
        if (total := self.sums[name]) is not None:
            total.add_(value)

    def all(self) -> list[Tensor | None]:
        """In the order of `BlockWeights`."""
        return [self.sums[name] for name in _NAMES]


class _Windows:
    """Some windows on the way back."""

    def __init__(
        self,
        tokens: Tensor,
        weights: BlockWeights,
        form: BlockForm,
        masks: BlockMasks,
        here: slice,
        kept: Kept,
        sums: _Sums,
    ) -> None:
        self.tokens, self.weights, self.form, self.kept, self.sums = tokens, weights, form, kept, sums
        self.alive = None if masks.alive is None else masks.alive[here].unsqueeze(-1)
        paths: tuple[Tensor | None, Tensor | None] = masks.paths_of(here)
        self.path1, self.path2 = paths

    def backward(self, gradient: Tensor, mask: Tensor, into: Tensor) -> None:
        """From the gradient of the block's output to that of its input, which goes ``into`` its place."""
        if self.alive is not None:
            gradient = gradient.masked_fill(~self.alive, 0.0)
        between = self._refinement(gradient)
        kept, weights = self.kept, self.weights
        projected = self._norm("norm1", between, kept.projected, kept.mean1, kept.rstd1, self.path1)
        qkv, attended = self._attention(projected @ weights.out, mask)
        self.sums.layer("out", projected, attended)
        qkv = qkv.flatten(1)
        self.sums.layer("qkv", qkv, self.tokens.flatten(0, 1))
        torch.addmm(between.flatten(0, 1), qkv, weights.qkv, out=into.flatten(0, 1))

    def _refinement(self, gradient: Tensor) -> Tensor:
        """The second residual, with the sum of the first computed again."""
        kept, weights = self.kept, self.weights
        refined = self._norm("norm2", gradient, kept.refined, kept.mean2, kept.rstd2, self.path2)
        self.sums.layer("down", refined, F.gelu(kept.hidden))
        hidden = torch.ops.aten.gelu_backward(refined @ weights.down, kept.hidden)
        first = normalised(kept.projected, weights.norm1, weights.norm1_bias, self.form)[0]
        between = branch(first.view_as(self.tokens), self.path1).add_(self.tokens)
        self.sums.layer("up", hidden, between.flatten(0, 1))
        return torch.addmm(gradient.flatten(0, 1), hidden, weights.up).view_as(gradient)

    def _norm(
        self, name: str, gradient: Tensor, rows: Tensor, mean: Tensor, rstd: Tensor, path: Tensor | None
    ) -> Tensor:
        if path is not None:
            gradient = gradient * path
        weight, bias = getattr(self.weights, name), getattr(self.weights, f"{name}_bias")
        back, of_weight, of_bias = torch.ops.aten.native_layer_norm_backward(
            gradient.flatten(0, 1), rows, (rows.shape[-1],), mean, rstd, weight, bias, (True, True, True)
        )
        self.sums.norm(name, of_weight, of_bias)
        return back

    def _attention(self, gradient: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Back through attention: (windows·n, C) -> (windows·n, 3, C) of queries, keys and values.

        Gives what was attended to as well, (windows·n, C), computed again.
        """
        windows, length, width = self.tokens.shape
        heads = self.form.heads
        shape = (windows, length, 3, heads, width // heads)
        query, key, value = self.kept.qkv.view(shape).permute(2, 0, 3, 1, 4).contiguous().flatten(1, 2)
        from_heads = gradient.view(windows, length, heads, -1).transpose(1, 2).flatten(0, 1)
        logits = gradient.new_empty(windows, heads, length, length).copy_(mask).flatten(0, 1)
        torch.baddbmm(logits, query, key.transpose(1, 2), out=logits)
        attention = logits.softmax(dim=-1)
        attended = torch.bmm(attention, value).view(windows, heads, length, -1).transpose(1, 2)
        torch.bmm(from_heads, value.transpose(1, 2), out=logits)
        scores = torch.ops.aten._softmax_backward_data(logits, attention, -1, logits.dtype)
        self.sums.add("position", scores.view(windows, heads, length, length).sum(0))
        compared = gradient.new_empty(2, windows * heads, length, width // heads)
        torch.bmm(scores, key, out=compared[0])
        torch.bmm(scores.transpose(1, 2), query, out=compared[1])
        back = torch.empty_like(self.kept.qkv)
        by_head = back.view(shape).permute(2, 0, 3, 1, 4)
        by_head[2].copy_(torch.bmm(attention.transpose(1, 2), from_heads).view(windows, heads, length, -1))
        self._directions(compared.view(2, windows, heads, length, -1), query, key, by_head[:2])
        return back, attended.reshape(windows * length, width)

    def _directions(self, gradient: Tensor, query: Tensor, key: Tensor, into: Tensor) -> None:
        """Back through the scaling of queries and keys to a length: what lies along them makes no difference."""
        squares = self.weights.scale.square().view(-1, 1)
        factors = self.kept.factors.permute(2, 0, 3, 1)
        for number, scaled in enumerate((query, key)):
            scaled = scaled.view_as(gradient[number])
            along = torch.linalg.vecdot(gradient[number], scaled)
            if number == 0:
                self.sums.add("scale", along.sum(dim=(0, 2)) / self.weights.scale)
                along = along / squares
            gradient[number].addcmul_(scaled, along.unsqueeze(-1), value=-1.0)
        torch.mul(gradient, factors.unsqueeze(-1), out=into)
