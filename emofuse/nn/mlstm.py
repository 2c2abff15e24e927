"""The mLSTM of xLSTM: a recurrent layer whose memory is a matrix and whose input gate is exponential."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.nn.exporting import exporting
from emofuse.nn.initialisation import RESIDUAL_GAIN, xavier_


class MLSTMState(NamedTuple):
    """What an mLSTM carries from one step to the next; its size does not depend on the past.

    C is the matrix memory (B, heads, d_head, d_head), stored as Σ k vᵀ; n the normaliser (B, heads, d_head);
    m the stabiliser (B, heads). C and n are held scaled by exp(−m).
    """

    C: Tensor
    n: Tensor
    m: Tensor


class MLSTM(nn.Module):
    """A layer of mLSTM cells over a sequence, one cell per head.

    Source: Beck et al., "xLSTM: Extended Long Short-Term Memory" (2024), Eq. 19-27, in the stabilised form of
    its appendix A; the xLSTM of MFCRE §3.2. With q, k, v, the gates ĩ, f̃ (one number per head) and õ linear
    in the input x, and k scaled by d_head^(−1/2):

        m_t = max(log σ(f̃_t) + m_{t−1}, ĩ_t)
        C_t = exp(log σ(f̃_t) + m_{t−1} − m_t) C_{t−1} + exp(ĩ_t − m_t) k_t v_tᵀ      (n_t alike, with k_t)
        h_t = C_tᵀ q_t / max(|n_tᵀ q_t|, exp(−m_t)),   y_t = W (σ(õ_t) ⊙ norm_head(h_t)) + b

    Eq. 19-27 allow a sigmoid or an exponential forget gate; this is the sigmoid. They have no norm_head and no W;
    these stand where the layer of xLSTM-7B has them, which transformers carries.

    Two forms give the same numbers: `forward` takes whole sequences, in parallel within a chunk and
    recurrently from chunk to chunk, so memory grows linearly with the length; `step` takes one element.

    Args:
        dim: size of input and output; a multiple of `heads`.
        heads: number of cells.
        chunk_size: longest segment handled in parallel. Results do not depend on it.
        eps: least value of the denominator of h, for input gates so large that exp(−m) vanishes.
    """

    def __init__(self, dim: int, heads: int = 4, chunk_size: int = 64, eps: float = 1e-6) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"dim {dim} is not a multiple of heads {heads}")
        self.dim, self.heads, self.head_dim = dim, heads, dim // heads
        self.chunk_size = chunk_size
        self.eps = eps
        self.query_key_value = nn.Linear(dim, 3 * dim)
        self.gates = nn.Linear(dim, 2 * heads)
        self.output_gate = nn.Linear(dim, dim)
        self.head_norm = nn.GroupNorm(heads, dim, eps=1e-5)
        self.out = nn.Linear(dim, dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start with little output, and gates that do not look at the input and forget slowly, each head at its own pace."""
        xavier_(self.query_key_value, self.output_gate)
        xavier_(self.out, gain=RESIDUAL_GAIN)
        nn.init.zeros_(self.gates.weight)
        with torch.no_grad():
            self.gates.bias[: self.heads] = 0.0
            self.gates.bias[self.heads :] = torch.linspace(3.0, 6.0, self.heads)

    def initial_state(self, batch: int, device: torch.device, dtype: torch.dtype) -> MLSTMState:
        """An empty memory for `batch` sequences."""
        d = self.head_dim
        return MLSTMState(
            torch.zeros(batch, self.heads, d, d, device=device, dtype=dtype),
            torch.zeros(batch, self.heads, d, device=device, dtype=dtype),
            torch.zeros(batch, self.heads, device=device, dtype=dtype),
        )

    def forward(
        self, x: Tensor, mask: Tensor | None = None, state: MLSTMState | None = None
    ) -> tuple[Tensor, MLSTMState]:
        """Run over whole sequences.

        Args:
            x: (B, N, dim)
            mask: (B, N) bool; where False the memory stays as it is and the output is 0.
            state: the memory to start from; empty by default.

        Returns:
            (B, N, dim), and the memory after the last element.
        """
        q, k, v, input_gate, log_forget = self._project(x, mask)
        if state is None:
            state = self.initial_state(x.shape[0], x.device, q.dtype)
        hidden = []
        with torch.autocast(x.device.type, enabled=False):
            length = x.shape[1] if exporting() else self.chunk_size
            for start in [0] if exporting() else range(0, x.shape[1], length):
                part = slice(start, start + length)
                h, state = self._chunk(
                    q[:, :, part],
                    k[:, :, part],
                    v[:, :, part],
                    input_gate[..., part],
                    log_forget[..., part],
                    state,
                )
                hidden.append(h)
        return self._emit(x, torch.cat(hidden, dim=2), mask), state

    def step(
        self, x: Tensor, state: MLSTMState | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, MLSTMState]:
        """Run over one element of each sequence.

        Args:
            x: (B, dim)
            state: the memory before it; empty by default.
            mask: (B,) bool; where False the memory stays as it is and the output is 0.

        Returns:
            (B, dim), and the memory after it.
        """
        x, mask = x.unsqueeze(1), None if mask is None else mask.unsqueeze(1)
        q, k, v, input_gate, log_forget = (part.squeeze(2) for part in self._project(x, mask))
        if state is None:
            state = self.initial_state(x.shape[0], x.device, q.dtype)
        with torch.autocast(x.device.type, enabled=False):
            h, state = self._recur(q, k, v, input_gate, log_forget, state)
        return self._emit(x, h.unsqueeze(2), mask).squeeze(1), state

    def _project(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """q, k, v (B, heads, N, d_head), input gate and log forget gate (B, heads, N), at least float32."""
        batch, length, _ = x.shape
        qkv = self.query_key_value(x).view(batch, length, 3, self.heads, self.head_dim)
        gates = self.gates(x)
        dtype = torch.promote_types(qkv.dtype, torch.float32)
        q, k, v = qkv.to(dtype).permute(2, 0, 3, 1, 4)
        input_gate, forget_gate = gates.to(dtype).transpose(1, 2).chunk(2, dim=1)
        log_forget = F.logsigmoid(forget_gate)
        if mask is not None:
            absent = ~mask.unsqueeze(1)
            input_gate = input_gate.masked_fill(absent, -torch.inf)
            log_forget = log_forget.masked_fill(absent, 0.0)
        return q, k * self.head_dim**-0.5, v, input_gate, log_forget

    def _chunk(
        self, q: Tensor, k: Tensor, v: Tensor, input_gate: Tensor, log_forget: Tensor, state: MLSTMState
    ) -> tuple[Tensor, MLSTMState]:
        """The stabilised parallel form over one chunk that follows on `state`."""
        length = q.shape[2]
        log_decay = log_forget.cumsum(-1)
        log_weight = log_decay.unsqueeze(-1) - log_decay.unsqueeze(-2) + input_gate.unsqueeze(-2)
        future = torch.ones(length, length, dtype=torch.bool, device=q.device).triu(1)
        log_weight = log_weight.masked_fill(future, -torch.inf)
        log_carried = log_decay + state.m.unsqueeze(-1)
        # The stabiliser cancels in h, so no gradient needs to pass through it.
        m = torch.maximum(log_weight.amax(-1), log_carried).detach()
        weight = torch.exp(log_weight - m.unsqueeze(-1))
        carried = torch.exp(log_carried - m)

        score = weight * (q @ k.transpose(-1, -2))
        numerator = score @ v + carried.unsqueeze(-1) * (q @ state.C)
        normaliser = score.sum(-1) + carried * (q @ state.n.unsqueeze(-1)).squeeze(-1)
        h = numerator / self._denominator(normaliser, m).unsqueeze(-1)

        written = weight[..., -1, :].unsqueeze(-1) * k
        kept = carried[..., -1:]
        after = MLSTMState(
            kept.unsqueeze(-1) * state.C + written.transpose(-1, -2) @ v,
            kept * state.n + written.sum(-2),
            m[..., -1],
        )
        return h, after

    def _recur(
        self, q: Tensor, k: Tensor, v: Tensor, input_gate: Tensor, log_forget: Tensor, state: MLSTMState
    ) -> tuple[Tensor, MLSTMState]:
        """The recurrent form: one step from `state`."""
        m = torch.maximum(log_forget + state.m, input_gate).detach()
        forget = torch.exp(log_forget + state.m - m).unsqueeze(-1)
        written = torch.exp(input_gate - m).unsqueeze(-1) * k
        C = forget.unsqueeze(-1) * state.C + written.unsqueeze(-1) * v.unsqueeze(-2)
        n = forget * state.n + written
        numerator = (q.unsqueeze(-2) @ C).squeeze(-2)
        normaliser = (q * n).sum(-1)
        return numerator / self._denominator(normaliser, m).unsqueeze(-1), MLSTMState(C, n, m)

    def _denominator(self, normaliser: Tensor, m: Tensor) -> Tensor:
        return torch.maximum(normaliser.abs(), torch.exp(-m)).clamp_min(self.eps)

    def _emit(self, x: Tensor, h: Tensor, mask: Tensor | None) -> Tensor:
        """Normalise each head, gate, project: (B, heads, N, d_head) to (B, N, dim)."""
        batch, _, length, _ = h.shape
        flat = h.transpose(1, 2).reshape(batch * length, self.dim)
        normed = self.head_norm(flat.to(self.head_norm.weight.dtype)).view(batch, length, self.dim)
        y = self.out(torch.sigmoid(self.output_gate(x)) * normed)
        return y if mask is None else y.masked_fill(~mask.unsqueeze(-1), 0.0)
