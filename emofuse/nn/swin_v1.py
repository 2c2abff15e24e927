"""The blocks of Swin V1 (Liu et al. 2021, section 3), for any window up to the one that they were made for.

As in `window_attention`, the functions take the modules of the transformers library and read their weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from emofuse.nn.swin_plan import BlockPlan
from emofuse.nn.window_attention import WindowGeometry, attend, relative_index

if TYPE_CHECKING:
    from transformers.models.swin.modeling_swin import SwinAttention, SwinLayer

_MASKED_BY_SHIFT = -100.0


def table_bias(attention: SwinAttention, window: int) -> Tensor:
    """Relative position bias (heads, window², window²) from the table of a `SwinAttention`.

    The table has an entry for each offset between two tokens of its own window M, from -(M - 1) to M - 1 in both
    directions. Those of a smaller window are its middle.

    Raises:
        ValueError: the window is larger than the table's.
    """
    table = attention.relative_position_bias.relative_position_bias_table
    made_for = attention.relative_position_bias.window_size[0]
    if window > made_for:
        raise ValueError(f"a bias table for windows of {made_for} cannot serve one of {window}")
    side, margin = 2 * made_for - 1, made_for - window
    inner = table.unflatten(0, (side, side))[margin : side - margin, margin : side - margin]
    by_pair = inner.flatten(0, 1).index_select(0, relative_index(window, table.device))
    return by_pair.T.unflatten(1, (window**2, window**2))


def table_attention_bias(layer: SwinLayer, geometry: WindowGeometry) -> Tensor:
    """What is added to a block's logits, (windows or 1, heads, window², window²): position and shift."""
    bias = table_bias(layer.attention, geometry.window).unsqueeze(0)
    mask = geometry.shift_mask(bias.device, _MASKED_BY_SHIFT)
    return bias if mask is None else bias + mask.unsqueeze(1).to(bias.dtype)


def run_v1_block(
    layer: SwinLayer, plan: BlockPlan, values: Tensor, bias: Tensor, alive: Tensor | None
) -> Tensor:
    """One Swin V1 block: normalisation before each residual branch (Eq. 3); dead tokens stay zero."""
    geometry = plan.geometry
    seen = geometry.partition_flags(alive)
    attended = _dot_attention(layer.attention, geometry.partition(layer.layernorm_before(values)), bias, seen)
    values = values + layer.drop_path(geometry.merge(layer.dropout(attended)))
    values = values + layer.dropout(layer.mlp(layer.layernorm_after(values)))
    return values if alive is None else values.masked_fill(~alive.unsqueeze(-1), 0.0)


def _dot_attention(attention: SwinAttention, windows: Tensor, bias: Tensor, alive: Tensor | None) -> Tensor:
    """Eq. 4 within windows: (B, windows, n, C) -> (B, windows, n, C), after the output projection."""
    query, key, value = (
        project(windows).unflatten(-1, (attention.num_attention_heads, -1)).transpose(2, 3)
        for project in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    dropout = attention.attention_dropout if attention.training else 0.0
    attended: Tensor = attention.o_proj(
        attend(query, key, value, bias, alive, scale=attention.scaling, dropout=dropout)
    )
    return attended
