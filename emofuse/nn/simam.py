"""SimAM: attention without parameters, from the energy of each neuron."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from emofuse.nn.stream_memory import StreamMemory


class SimAM(nn.Module):
    """Weigh each value of a sequence by how far it stands out from the rest of its channel.

    Source: MFCRE Eq. 2; the energy is that of Yang et al., "SimAM" (ICML 2021), Eq. 5. The neurons of a
    channel are the values of one feature over the utterances of one dialogue, with mean μ and variance σ²
    (over all N of them, so N = 1 is defined):

        1/E = (x − μ)² / (4 (σ² + λ)) + 1/2,        y = sigmoid(1/E) ⊙ x

    Args:
        energy_lambda: λ of the energy, keeps a constant channel finite.
        causal: take μ and σ² over the utterances up to and with the current one, so that nothing that comes
            later changes a result.
    """

    def __init__(self, energy_lambda: float = 1e-4, causal: bool = False) -> None:
        super().__init__()
        self.energy_lambda = energy_lambda
        self.causal = causal

    def forward(self, x: Tensor, mask: Tensor | None = None, memory: StreamMemory | None = None) -> Tensor:
        """Attend.

        Args:
            x: (B, N, d), one sequence per row.
            mask: (B, N) bool, False where there is no utterance; such places count in no mean and give 0.
            memory: running mean and variance of what came before `x`; causal only.

        Returns:
            (B, N, d)
        """
        # Sums over a dialogue lose too much in half precision.
        values = x.to(torch.promote_types(x.dtype, torch.float32))
        valid = torch.ones_like(values[..., :1]) if mask is None else mask.unsqueeze(-1).to(values.dtype)
        values = values.masked_fill(valid == 0, 0.0)
        if self.causal:
            mean, variance = self._running_moments(values, valid, memory)
        else:
            count = valid.sum(1, keepdim=True).clamp_min(1)
            mean = values.sum(1, keepdim=True) / count
            variance = ((values - mean).square() * valid).sum(1, keepdim=True) / count
        inverse_energy = (values - mean).square() / (4 * (variance + self.energy_lambda)) + 0.5
        return (torch.sigmoid(inverse_energy) * values).to(x.dtype)

    def _running_moments(
        self, values: Tensor, valid: Tensor, memory: StreamMemory | None
    ) -> tuple[Tensor, Tensor]:
        """Mean and variance over the past and the present: Welford's update, written as running sums."""
        start = memory.read(self) if memory is not None else None
        if start is None:
            zeros = values.new_zeros(values.shape[0], 1, values.shape[2])
            start = zeros[..., :1], zeros, zeros
        count_before, mean_before, spread_before = start
        count = count_before + valid.cumsum(1)
        mean = (mean_before * count_before + values.cumsum(1)) / count.clamp_min(1)
        previous_mean = torch.cat([mean_before, mean[:, :-1]], dim=1)
        spread = spread_before + (valid * (values - previous_mean) * (values - mean)).cumsum(1)
        if memory is not None:
            memory.write(self, count[:, -1:], mean[:, -1:], spread[:, -1:])
        return mean, spread / count.clamp_min(1)

    def extra_repr(self) -> str:
        """Settings, for printing."""
        return f"energy_lambda={self.energy_lambda}, causal={self.causal}"
