"""What differs between the two versions of the Swin Transformer that visual sequence compression works in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor, nn

from emofuse.nn.swin_plan import BlockPlan, BlockShape
from emofuse.nn.swin_v1 import run_v1_block, table_attention_bias
from emofuse.nn.window_attention import attention_bias, cosine_attention

if TYPE_CHECKING:
    from transformers.models.swinv2.modeling_swinv2 import Swinv2Layer

SwinNumber = Literal[1, 2]


@dataclass(frozen=True)
class SwinVersion:
    """A version of the Swin Transformer.

    Attributes:
        name: in print.
        library: the prefix of the library's classes, which are loaded when a Swin is built.
        block_shape: window and shift of a block, given it and its stage's grid.
        bias: (block, its plan) -> what is added to its logits, (windows or 1, heads, window², window²).
        bias_parameters: the parameters that the bias is made of.
        run_block: (block, its plan, tokens (B, N, d), bias, alive (B, N) or None) -> tokens.
    """

    name: str
    library: str
    block_shape: Callable[[nn.Module, tuple[int, int]], BlockShape]
    bias: Callable[[Any, BlockPlan], Tensor]
    bias_parameters: Callable[[Any], Iterable[nn.Parameter]]
    run_block: Callable[[Any, BlockPlan, Tensor, Tensor, Tensor | None], Tensor]

    @property
    def config(self) -> type[Any]:
        """The library's class of settings."""
        found: type[Any] = getattr(import_module("transformers"), f"{self.library}Config")
        return found

    @property
    def model(self) -> type[Any]:
        """The library's class, whose modules are used."""
        found: type[Any] = getattr(import_module("transformers"), f"{self.library}Model")
        return found


def version_of(config: Any) -> SwinVersion:
    """The version that a library's configuration is of."""
    return SWINS[1] if config.model_type == "swin" else SWINS[2]


def run_v2_block(
    layer: Swinv2Layer, plan: BlockPlan, values: Tensor, bias: Tensor, alive: Tensor | None
) -> Tensor:
    """One Swin V2 block, residual-post-norm (Swin V2, section 3.2); dead tokens stay zero."""
    geometry = plan.geometry
    seen = geometry.partition_flags(alive)
    attended = cosine_attention(layer.attention.self, geometry.partition(values), bias, seen)
    attended = layer.attention.output(geometry.merge(attended), None)
    values = values + layer.drop_path(layer.layernorm_before(attended))
    refined = layer.output(layer.intermediate(values))
    values = values + layer.drop_path(layer.layernorm_after(refined))
    return values if alive is None else values.masked_fill(~alive.unsqueeze(-1), 0.0)


def _v1_shape(layer: Any, grid: tuple[int, int]) -> BlockShape:
    """A grid that is no larger than a window is one window, which the library finds out when it runs."""
    side = min(grid)
    return (
        BlockShape(side, 0) if side <= layer.window_size else BlockShape(layer.window_size, layer.shift_size)
    )


SWINS: dict[SwinNumber, SwinVersion] = {
    1: SwinVersion(
        name="Swin V1",
        library="Swin",
        block_shape=_v1_shape,
        bias=lambda layer, plan: table_attention_bias(layer, plan.geometry),
        bias_parameters=lambda layer: layer.attention.relative_position_bias.parameters(),
        run_block=run_v1_block,
    ),
    2: SwinVersion(
        name="Swin V2",
        library="Swinv2",
        block_shape=lambda layer, grid: BlockShape(layer.window_size, layer.shift_size),  # type: ignore[arg-type]
        bias=lambda layer, plan: attention_bias(layer.attention.self, plan.geometry, plan.pretrained_window),
        bias_parameters=lambda layer: layer.attention.self.continuous_position_bias_mlp.parameters(),
        run_block=run_v2_block,
    ),
}
