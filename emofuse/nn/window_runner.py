"""Which Swin blocks are run window by window on a processor (`window_block`), and how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from emofuse.nn.exporting import exporting
from emofuse.nn.swin_plan import BlockPlan
from emofuse.nn.window_attention import logit_scale, relative_position_bias
from emofuse.nn.window_block import BlockForm, BlockMasks, BlockWeights, run_block_in_place, windows_at_once
from emofuse.nn.window_block_gradient import WindowBlock

if TYPE_CHECKING:
    from transformers.models.swinv2.modeling_swinv2 import Swinv2Layer, Swinv2SelfAttention

CHUNK_TOKENS = 4096
_EXACT = (torch.float32, torch.float64)


class WindowRunner:
    """Runs blocks of a Swin V2 over tokens that lie window by window.

    Args:
        config: of the Swin.
        chunk_tokens: how many tokens each thread takes at once; 0 for no block at all.
    """

    def __init__(self, config: Any, chunk_tokens: int) -> None:
        self.chunk_tokens = chunk_tokens
        self._right_form = config.model_type == "swinv2" and config.hidden_act == "gelu"
        self._drops = max(config.hidden_dropout_prob, config.attention_probs_dropout_prob) > 0.0
        self._epsilon = float(config.layer_norm_eps)

    def takes(self, plan: BlockPlan, values: Tensor, training: bool) -> bool:
        """Whether it can run a block over these tokens.

        It does so on a processor alone, where chunks pay; an export and torch.compile want plain operations. Under
        autocast it can infer and not train.
        """
        learns = training or torch.is_grad_enabled()
        return (
            self.chunk_tokens > 0
            and self._right_form
            and values.device.type == "cpu"
            and (not learns if torch.is_autocast_enabled("cpu") else values.dtype in _EXACT)
            and not any(plan.geometry.padding)
            and not (training and self._drops)
            and not (exporting() or torch.compiler.is_compiling() or torch.jit.is_tracing())
        )

    def infer(
        self, layer: Swinv2Layer, plan: BlockPlan, values: Tensor, bias: Tensor, alive: Tensor | None
    ) -> Tensor:
        """A block without a gradient over tokens (B, N, C) in the order of its windows, which are overwritten.

        Args:
            layer: the block's weights.
            plan: its grid and windows.
            values: the tokens.
            bias: see `attention_bias`.
            alive: (B, N) bool, row by row; or None.
        """
        if values.dtype not in _EXACT:
            # Autocast hands over bfloat16; the sums of residuals are kept finer.
            values = values.float()
        reduced = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else values.dtype
        form, tokens = self._form(layer, plan, values), _windows(plan, values)
        with torch.autocast("cpu", enabled=False):
            masks = BlockMasks(bias.to(values.dtype), _by_window(plan, alive), None)
            weights = block_weights(layer, bias[0]).in_type(reduced)
            return run_block_in_place(tokens, weights, form, masks).view_as(values)

    def train(
        self,
        layer: Swinv2Layer,
        plan: BlockPlan,
        values: Tensor,
        alive: Tensor | None,
        keep: bool,
    ) -> Tensor:
        """A block with its gradient; as `infer`, and ``keep=False`` computes it again in the backward pass."""
        attention = layer.attention.self
        position = relative_position_bias(attention, plan.geometry.window, plan.pretrained_window)
        mask = plan.geometry.shift_mask(values.device)
        shift = position.detach().unsqueeze(0)
        if mask is not None:
            shift = shift + mask.unsqueeze(1).to(shift.dtype)
        count = plan.geometry.count
        masks = BlockMasks(shift, _by_window(plan, alive), _paths(layer.drop_path, values, count))
        weights = block_weights(layer, position)
        arguments = (self._form(layer, plan, values), masks, _windows(plan, values), *weights)
        done: Tensor = (
            WindowBlock.apply(*arguments)
            if keep
            else checkpoint(WindowBlock.apply, *arguments, use_reentrant=False)
        )
        return done.view_as(values)

    def _form(self, layer: Swinv2Layer, plan: BlockPlan, values: Tensor) -> BlockForm:
        geometry = plan.geometry
        chunk = windows_at_once(
            geometry.count, geometry.window**2, self.chunk_tokens * torch.get_num_threads()
        )
        return BlockForm(layer.attention.self.num_attention_heads, self._epsilon, geometry.count, chunk)


def block_weights(layer: Swinv2Layer, position: Tensor) -> BlockWeights:
    """The weights of a layer of the library's; ``position`` (heads, n, n) is its position bias."""
    attention, out = layer.attention.self, layer.attention.output.dense
    up, down = layer.intermediate.dense, layer.output.dense
    before, after = layer.layernorm_before, layer.layernorm_after
    return BlockWeights(
        qkv=torch.cat([attention.query.weight, attention.key.weight, attention.value.weight]),
        qkv_bias=_qkv_bias(attention),
        scale=logit_scale(attention).flatten(),
        position=position,
        out=out.weight,
        out_bias=out.bias,
        norm1=before.weight,
        norm1_bias=before.bias,
        up=up.weight,
        up_bias=up.bias,
        down=down.weight,
        down_bias=down.bias,
        norm2=after.weight,
        norm2_bias=after.bias,
    )


def _qkv_bias(attention: Swinv2SelfAttention) -> Tensor | None:
    """Keys have no bias, and the others may have none."""
    query, value = attention.query.bias, attention.value.bias
    return None if query is None else torch.cat([query, torch.zeros_like(query), value])


def _windows(plan: BlockPlan, values: Tensor) -> Tensor:
    return values.reshape(-1, plan.geometry.window**2, values.shape[-1])


def _by_window(plan: BlockPlan, alive: Tensor | None) -> Tensor | None:
    flags = plan.geometry.partition_flags(alive)
    return None if flags is None else flags.flatten(0, 1)


def _paths(drop_path: nn.Module, values: Tensor, count: int) -> tuple[Tensor, Tensor] | None:
    """What stochastic depth makes of each residual branch of each image, drawn as the library draws it."""
    if isinstance(drop_path, nn.Identity) or not drop_path.training:
        return None
    ones = values.new_ones(values.shape[0], 1, 1)
    first, second = (drop_path(ones).repeat_interleave(count, dim=0) for _ in range(2))
    return first, second
