"""DialogueCRN: contextual reasoning over a dialogue with an xLSTM and SimAM attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from emofuse.nn.initialisation import xavier_
from emofuse.nn.mlstm import MLSTM, MLSTMState
from emofuse.nn.simam import SimAM
from emofuse.nn.stream_memory import StreamMemory


class DialogueCRN(nn.Module):
    """T reasoning steps over the utterances of one modality.

    Source: MFCRE §3.2, Eq. 1-3 and Fig. 3; `dim` is the paper's 2·d_u. With c the features of the utterances,

        q⁽⁰⁾ = W_q c + b_q,   h⁽⁰⁾ = 0
        q̃⁽ᵗ⁻¹⁾, h⁽ᵗ⁾ = xLSTM(q⁽ᵗ⁻¹⁾, h⁽ᵗ⁻¹⁾)            (1)
        r⁽ᵗ⁻¹⁾ = SimAM(q̃⁽ᵗ⁻¹⁾)                          (2)
        q⁽ᵗ⁾ = [q̃⁽ᵗ⁻¹⁾ ; r⁽ᵗ⁻¹⁾]                         (3)

    The xLSTM runs forward along the dialogue with an empty matrix memory at its first utterance. It is the mLSTM
    layer alone in a residual branch, not the whole mLSTM block of Beck et al., which has an up-projection, a
    convolution and a gated second branch besides: x = W_x q + W_h h, h⁽ᵗ⁾ = mLSTM(LayerNorm(x)), q̃ = x + h⁽ᵗ⁾. Thus h,
    each utterance's working memory, is what the last step read from the dialogue, and guides the next. All
    steps share their weights.

    Args:
        dim: size of c, q̃, r and h.
        steps: T.
        heads: mLSTM heads.
        attention: without it r = q̃ (the ablation "w/o SimAM").
        causal: no utterance learns of later ones.
        dropout: on what each step reads from the dialogue.
        energy_lambda: λ of SimAM.
    """

    def __init__(
        self,
        dim: int,
        steps: int = 2,
        heads: int = 4,
        attention: bool = True,
        causal: bool = False,
        dropout: float = 0.0,
        energy_lambda: float = 1e-4,
    ) -> None:
        super().__init__()
        self.steps = steps
        self.query = nn.Linear(dim, 2 * dim)
        self.enter = nn.Linear(2 * dim, dim)
        self.recall = nn.Linear(dim, dim, bias=False)
        xavier_(self.query, self.enter, self.recall)
        self.norm = nn.LayerNorm(dim)
        self.mlstm = MLSTM(dim, heads)
        self.attention = SimAM(energy_lambda, causal) if attention else None
        self.dropout = nn.Dropout(dropout)

    def forward(self, c: Tensor, mask: Tensor | None = None, memory: StreamMemory | None = None) -> Tensor:
        """Reason.

        Args:
            c: (B, N, dim) features of the utterances of each dialogue.
            mask: (B, N) bool, False where there is no utterance; nothing is read from there, and 0 given.
            memory: what came before, for streams.

        Returns:
            q⁽ᵀ⁾, (B, N, 2·dim)
        """
        q = self.query(c)
        h = torch.zeros_like(c)
        for t in range(self.steps):
            scope = memory.scope(t) if memory is not None else None
            x = self.enter(q) + self.recall(h)
            h = self.dropout(self._read_dialogue(self.norm(x), mask, scope))
            q_tilde = x + h
            r = self.attention(q_tilde, mask, scope) if self.attention is not None else q_tilde
            q = torch.cat([q_tilde, r], dim=-1)
        return q if mask is None else q.masked_fill(~mask.unsqueeze(-1), 0.0)

    def _read_dialogue(self, x: Tensor, mask: Tensor | None, memory: StreamMemory | None) -> Tensor:
        held = memory.read(self) if memory is not None else None
        state = None if held is None else MLSTMState(*held)
        if memory is not None and x.shape[1] == 1:
            stepped, state = self.mlstm.step(x[:, 0], state, None if mask is None else mask[:, 0])
            h = stepped.unsqueeze(1)
        else:
            h, state = self.mlstm(x, mask, state)
        if memory is not None:
            memory.write(self, *state)
        return h
