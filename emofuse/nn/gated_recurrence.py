"""A gated recurrent unit whose reset gate acts on the state before its matrix does."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from emofuse.nn.exporting import run_over_time


class GatedRecurrence(nn.Module):
    """The GRU of CM-MSF Eq. 15-18, which is that of Cho et al. (2014).

        r_t = σ(W_r [x_t, h_{t−1}] + b_r)                   (15)
        z_t = σ(W_z [x_t, h_{t−1}] + b_z)                   (16)
        h̃_t = tanh(W_h [x_t, r_t ⊙ h_{t−1}] + b_h)          (17)
        h_t = (1 − z_t) ⊙ h_{t−1} + z_t ⊙ h̃_t               (18)

    torch.nn.GRU computes another one: there the reset gate comes after the matrix, and z and 1 − z change
    places. The loop below is as fast on a CPU.

    Args:
        in_dim: size of x.
        hidden: size of h.
    """

    def __init__(self, in_dim: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.input = nn.Linear(in_dim, 3 * hidden)  # the columns of W_r, W_z, W_h for x, and all biases
        self.state_gates = nn.Linear(hidden, 2 * hidden, bias=False)
        self.state_candidate = nn.Linear(hidden, hidden, bias=False)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Run over whole sequences from an empty state.

        Args:
            x: (B, T, in_dim)
            mask: (B, T) bool; where False the state stays as it is.

        Returns:
            h, (B, T, hidden), at least float32.
        """
        dtype = torch.promote_types(x.dtype, torch.float32)
        with torch.autocast(x.device.type, enabled=False):
            from_input = self.input(x.to(dtype))
            reset, update, candidate = from_input.chunk(3, dim=-1)
            # z = 0 leaves the state alone.
            update = update.masked_fill(~mask.unsqueeze(-1), -torch.inf)
            gates = torch.cat([reset, update], dim=-1)
            gate_weight, candidate_weight = self.state_gates.weight.t(), self.state_candidate.weight.t()
            h = gates.new_zeros(x.shape[0], self.hidden)

            def step(state: tuple[Tensor, ...], at: tuple[Tensor, ...]) -> tuple[tuple[Tensor], Tensor]:
                (h,), (gate, new) = state, at
                r, z = torch.addmm(gate, h, gate_weight).sigmoid().chunk(2, dim=-1)
                h = torch.lerp(h, torch.addmm(new, r * h, candidate_weight).tanh(), z)
                return (h,), h

            _, states = run_over_time(step, (h,), (gates.transpose(0, 1), candidate.transpose(0, 1)))
        return states.transpose(0, 1).contiguous()
