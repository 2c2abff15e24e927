"""What a network does differently during an export (torch.export), where sizes cannot depend on values.

The numbers are the same: what would be cut to the longest sequence of a batch keeps its padding, which is masked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def exporting() -> bool:
    """Whether the network is being exported; torch.compile, which may break its graphs, does not count."""
    told = getattr(torch.compiler, "is_exporting", None)  # of torch 2.7 and later
    return told is not None and bool(told())


def longest(counts: Tensor, size: int) -> int:
    """The longest of counts (B,), at least 1; all that there is, ``size``, in an export."""
    return size if exporting() else max(1, int(counts.max()))


def best_first(scores: Tensor) -> Tensor:
    """The places of scores (B, N), the largest first and equal ones as they stand."""
    if exporting():  # programs have no stable sort, and ONNX's TopK leaves equal ones as they stand
        return scores.topk(scores.shape[1], dim=1).indices
    return torch.argsort(scores, dim=1, descending=True, stable=True)


def run_over_time(
    step: Callable[[tuple[Tensor, ...], tuple[Tensor, ...]], tuple[tuple[Tensor, ...], Tensor]],
    state: tuple[Tensor, ...],
    inputs: tuple[Tensor, ...],
) -> tuple[tuple[Tensor, ...], Tensor]:
    """A recurrence over the first axis: the last state, and (T, ...) of what each step gives; in an export a scan.

    Args:
        step: (state, inputs at t) -> (state, output).
        state: before the first step.
        inputs: (T, ...) each.
    """
    if exporting():
        return _scanned(step, state, inputs)
    given = []
    for at in zip(*(x.unbind(0) for x in inputs), strict=True):
        state, output = step(state, at)
        given.append(output)
    return state, torch.stack(given)


def _scanned(
    step: Callable[..., Any], state: tuple[Tensor, ...], inputs: tuple[Tensor, ...]
) -> tuple[tuple[Tensor, ...], Tensor]:
    from torch._higher_order_ops.scan import scan

    def combine(carried: Any, at: Any) -> Any:
        after, output = step(tuple(carried), tuple(at))
        # A program's loop may hand back no tensor twice.
        return tuple(after), output.clone()

    last, given = scan(combine, state, inputs, dim=0)
    return tuple(last), given


def run_padded_lstm(cell: nn.LSTM | nn.GRU, x: Tensor, mask: Tensor, parts: Tensor | None = None) -> Tensor:
    """The states (B, T, directions · hidden) of a whole `nn.LSTM` or `nn.GRU` over padded sequences, without packing.

    The backward direction runs over each sequence turned round within its own length. Padding comes last. Where ``parts``
    (B, T) change, another sequence of the same row begins, from an empty state.
    """
    from emofuse.nn.recurrent import gather_steps, reversed_positions

    turned = reversed_positions(mask)
    begins = None if parts is None else _changes(parts)
    begins_back = None if parts is None else _changes(parts.gather(1, turned))
    for layer in range(cell.num_layers):
        ahead = _one_direction(cell, x, f"l{layer}", begins)
        if not cell.bidirectional:
            x = ahead
            continue
        back = _one_direction(cell, gather_steps(x, turned), f"l{layer}_reverse", begins_back)
        x = torch.cat([ahead, gather_steps(back, turned)], dim=-1)
    return x


def run_recurrent(cell: nn.LSTM | nn.GRU, x: Tensor) -> Tensor:
    """The states (B, T, hidden) of a layer that runs in one direction over (B, T, d)."""
    if exporting():
        return _one_direction(cell, x, "l0")
    states: Tensor = cell(x)[0]
    return states


def _changes(parts: Tensor) -> Tensor:
    places = torch.arange(parts.shape[1], device=parts.device)
    before = parts[:, (places - 1).clamp_min(0)]  # slices of T − 1 would ask whether that is 1
    return (parts != before) | (places == 0)


def _one_direction(cell: nn.LSTM | nn.GRU, x: Tensor, suffix: str, begins: Tensor | None = None) -> Tensor:
    """By the equations in torch's documentation of either cell: its own kernel takes no length that varies."""
    weights = [getattr(cell, f"{name}_{suffix}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    from_input = torch.nn.functional.linear(x, weights[0], weights[2]).transpose(0, 1)
    empty = x.new_zeros(x.shape[0], cell.hidden_size)
    lstm = isinstance(cell, nn.LSTM)
    step, state = (_lstm_step(weights), (empty, empty.clone())) if lstm else (_gru_step(weights), (empty,))
    if begins is None:
        return run_over_time(step, state, (from_input,))[1].transpose(0, 1)
    afresh = begins.transpose(0, 1).unsqueeze(-1)
    return run_over_time(_forgetful(step), state, (from_input, afresh))[1].transpose(0, 1)


def _forgetful(step: Callable[..., Any]) -> Callable[..., Any]:
    """The step from an empty state, where the second input says so."""

    def forget(state: tuple[Tensor, ...], at: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], Tensor]:
        kept = tuple(each.masked_fill(at[1], 0.0) for each in state)
        after: tuple[tuple[Tensor, ...], Tensor] = step(kept, at[:1])
        return after

    return forget


def _lstm_step(weights: list[Tensor]) -> Callable[..., Any]:
    def step(state: tuple[Tensor, ...], at: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], Tensor]:
        h, c = state
        i, f, g, o = (at[0] + torch.nn.functional.linear(h, weights[1], weights[3])).chunk(4, dim=-1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        return (h, c), h

    return step


def _gru_step(weights: list[Tensor]) -> Callable[..., Any]:
    def step(state: tuple[Tensor, ...], at: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], Tensor]:
        (h,) = state
        reset, update, new = at[0].chunk(3, dim=-1)
        reset_h, update_h, new_h = torch.nn.functional.linear(h, weights[1], weights[3]).chunk(3, dim=-1)
        z = (update + update_h).sigmoid()
        h = (1.0 - z) * (new + (reset + reset_h).sigmoid() * new_h).tanh() + z * h
        return (h,), h

    return step
