"""DialogueRNN (Majumder et al. 2019): a global state, a state per party and an emotion state, both ways."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.models.dialogue_system import Dialogues, DialogueSystem
from emofuse.models.output import DialogueOutput
from emofuse.models.registry import register_system
from emofuse.models.system_config import DialogueSystemConfig
from emofuse.nn.exporting import exporting, run_over_time
from emofuse.nn.matching_attention import MatchingAttention, MatchingKind
from emofuse.nn.recurrent import gather_steps, reversed_positions


class DialogueRNNConfig(DialogueSystemConfig):
    """Settings of `DialogueRNN`; the defaults are those of the authors' published code on IEMOCAP.

    Attributes:
        global_dim: of the global state g.
        party_dim: of a party's state q.
        emotion_dim: of the emotion state e.
        dense: units of the layer before the classifier.
        listener: the others' states change too, when somebody speaks (the listener update, Eq. 8).
        context_attention: how the history of g is attended to.
        alpha_dim: hidden size of the attention "concat".
        bidirectional: a second network reads the dialogue backwards (BiDialogueRNN).
        emotion_attention: each utterance attends to all emotion states of its dialogue (BiDialogueRNN+Att).
        recurrent_dropout: on the states within the recurrence.
        state_dropout: on the emotion states that come of it.
    """

    global_dim: int = Field(default=150, ge=1)
    party_dim: int = Field(default=150, ge=1)
    emotion_dim: int = Field(default=100, ge=1)
    dense: int = Field(default=100, ge=1)
    listener: bool = False
    context_attention: MatchingKind = "general"
    alpha_dim: int = Field(default=100, ge=1)
    bidirectional: bool = True
    emotion_attention: bool = True
    recurrent_dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    state_dropout: float = Field(default=0.25, ge=0.0, lt=1.0)
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)

    @classmethod
    def tiny(cls, num_classes: int | None = None, **overrides: Any) -> DialogueRNNConfig:
        """A size for tests, without the attention over emotion states, which can collapse on a handful of utterances."""
        sizes: dict[str, Any] = {
            "emotion_attention": False,
            "global_dim": 16,
            "party_dim": 16,
            "emotion_dim": 16,
            "dense": 16,
            "alpha_dim": 8,
        }
        return cls(num_classes=num_classes, **{**sizes, **overrides})


class DialogueRNNCell(nn.Module):
    """One direction over B dialogues at once.

    Source: §3.3 of the paper. With u_t the utterance, s its speaker, q_s the speaker's state before it:

    - g_t = GRU_G(g_{t-1}, [u_t; q_s]), Eq. 3
    - c_t, the history g_1 … g_{t-1} attended to by u_t, Eq. 4-6; 0 for the first utterance
    - q_s = GRU_P(q_s, [u_t; c_t]), Eq. 7
    - q_i = GRU_L(q_i, [u_t; q_s]) of the listeners i, where there is the listener update, Eq. 8; else they stay
    - e_t = GRU_E(e_{t-1}, q_s), Eq. 9
    """

    def __init__(self, utterance_dim: int, config: DialogueRNNConfig) -> None:
        super().__init__()
        c = config
        self.global_cell = nn.GRUCell(utterance_dim + c.party_dim, c.global_dim)
        self.party_cell = nn.GRUCell(utterance_dim + c.global_dim, c.party_dim)
        self.listener_cell = nn.GRUCell(utterance_dim + c.party_dim, c.party_dim) if c.listener else None
        self.emotion_cell = nn.GRUCell(c.party_dim, c.emotion_dim)
        self.attention = MatchingAttention(c.global_dim, utterance_dim, c.context_attention, c.alpha_dim)
        self.sizes = (c.global_dim, c.party_dim, c.emotion_dim)
        self.dropout = nn.Dropout(c.recurrent_dropout)

    def forward(self, x: Tensor, parties: Tensor) -> Tensor:
        """Emotion states (B, N, emotion_dim) of utterances (B, N, d) by parties (B, N, P), one-hot; 0 rows at padding."""
        batch, count, _ = x.shape
        number = parties.shape[-1]
        global_dim, party_dim, emotion_dim = self.sizes
        g, e = x.new_zeros(batch, global_dim), x.new_zeros(batch, emotion_dim)
        q = x.new_zeros(batch, number, party_dim)
        if exporting():
            return self._scan(x, parties, (g, q, e))
        history: list[Tensor] = []
        emotions = []
        for t in range(count):
            g, q, e = self._step(x[:, t], parties[:, t], self._context(history, x[:, t]), (g, q, e))
            history.append(g)
            emotions.append(e)
        return torch.stack(emotions, dim=1)

    def _step(
        self, u: Tensor, party: Tensor, context: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """g, q and e after an utterance (B, d) of a party (B, P), one-hot, with its context c."""
        g, q, e = state
        rows, said = torch.arange(u.shape[0], device=u.device), party.argmax(dim=-1)
        g = self.dropout(self.global_cell(torch.cat([u, q[rows, said]], dim=-1), g))
        spoken = self._spread(self.party_cell, torch.cat([u, context], dim=-1), q)
        if self.listener_cell is not None:
            heard = torch.cat([u, spoken[rows, said]], dim=-1)
            listening = self._spread(self.listener_cell, heard, q)
        else:
            listening = q
        is_speaker = party.unsqueeze(-1)
        q = listening * (1 - is_speaker) + spoken * is_speaker
        return g, q, self.dropout(self.emotion_cell(q[rows, said], e))

    def _scan(self, x: Tensor, parties: Tensor, state: tuple[Tensor, ...]) -> Tensor:
        """As `forward`, with a history of a fixed place for each utterance, as a program's loop carries it."""
        places = torch.arange(x.shape[1], device=x.device)
        history = x.new_zeros(x.shape[0], x.shape[1], self.sizes[0])

        def step(carried: tuple[Tensor, ...], at: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], Tensor]:
            (u, party, t), held = at, carried[3]
            seen = (places < t) | (places == 0)  # a softmax over nothing is not a number
            context = self.attention(held, u.unsqueeze(1), seen.expand(u.shape[0], 1, -1)).squeeze(1)
            g, q, e = self._step(u, party, torch.where(t > 0, context, 0.0), carried[:3])
            held = torch.where((places == t).unsqueeze(-1), g.unsqueeze(1), held)
            return (g, q, e, held), e

        inputs = (x.transpose(0, 1), parties.transpose(0, 1), places)
        return run_over_time(step, (*state, history), inputs)[1].transpose(0, 1)

    def _context(self, history: list[Tensor], u: Tensor) -> Tensor:
        if not history:
            return u.new_zeros(u.shape[0], self.sizes[0])
        memory = torch.stack(history, dim=1)
        seen = torch.ones(u.shape[0], 1, len(history), dtype=torch.bool, device=u.device)
        return self.attention(memory, u.unsqueeze(1), seen).squeeze(1)

    def _spread(self, cell: nn.GRUCell, given: Tensor, q: Tensor) -> Tensor:
        """What all parties' states would become, had each been the one that the cell is for: (B, P, party_dim)."""
        every = given.unsqueeze(1).expand(-1, q.shape[1], -1)
        return self.dropout(cell(every.flatten(0, 1), q.flatten(0, 1))).view_as(q)


class DialogueRNNEncoder(nn.Module):
    """Both directions, and the attention over what they give.

    Args:
        utterance_dim: of an utterance.
        config: see `DialogueRNNConfig`.
    """

    def __init__(self, utterance_dim: int, config: DialogueRNNConfig) -> None:
        super().__init__()
        c = config
        self.dim = c.emotion_dim * (2 if c.bidirectional else 1)
        self.forwards = DialogueRNNCell(utterance_dim, c)
        self.backwards = DialogueRNNCell(utterance_dim, c) if c.bidirectional else None
        self.attention = MatchingAttention(self.dim, self.dim, "general2") if c.emotion_attention else None
        self.dropout = nn.Dropout(c.state_dropout)

    def forward(self, x: Tensor, parties: Tensor, mask: Tensor) -> Tensor:
        """Emotion states (B, N, dim) of utterances (B, N, d), see `DialogueRNNCell`; mask (B, N)."""
        states = [self.dropout(self.forwards(x, parties))]
        if self.backwards is not None:
            turned = reversed_positions(mask)
            behind = self.backwards(gather_steps(x, turned), gather_steps(parties, turned))
            states.append(self.dropout(gather_steps(behind, turned)))
        emotions = torch.cat(states, dim=-1)
        if self.attention is None:
            return emotions
        return self.attention(emotions, emotions, mask.unsqueeze(1))  # Eq. 10-12


def parties_of(speakers: Tensor, mask: Tensor, dtype: torch.dtype) -> Tensor:
    """(B, N, P), the speaker of each utterance one-hot; rows of zeros at padding."""
    number = mask.shape[1] if exporting() else int(speakers.max()) + 1  # no dialogue has more than utterances
    one_hot = speakers.unsqueeze(-1) == torch.arange(number, device=mask.device)
    return (one_hot & mask.unsqueeze(-1)).to(dtype)


@register_system(
    name="dialogue-rnn",
    title="DialogueRNN",
    paper="Majumder et al. 2019, DialogueRNN: An Attentive RNN for Emotion Detection in Conversations",
    summary="A global state, a state for each party and an emotion state, forwards and backwards, with attention.",
    scope="dialogue",
    inputs={"text": "vector", "audio": "vector", "video": "vector"},
    config=DialogueRNNConfig,
    speakers=True,
    tasks=("classification", "regression"),
    presets=("paper", "tiny"),
    citation="""
@inproceedings{majumder2019dialoguernn,
  title = {DialogueRNN: An Attentive RNN for Emotion Detection in Conversations},
  author = {Majumder, Navonil and Poria, Soujanya and Hazarika, Devamanyu and Mihalcea, Rada and Gelbukh, Alexander and
            Cambria, Erik},
  booktitle = {AAAI},
  year = {2019}
}""",
)
class DialogueRNN(DialogueSystem):
    """DialogueRNN on the concatenated modalities.

    Args:
        config: see `DialogueRNNConfig`.
    """

    def __init__(self, config: DialogueRNNConfig) -> None:
        super().__init__(config)
        c, dim = config, sum(config.input_dims.values())
        states = c.emotion_dim * (2 if c.bidirectional else 1)
        self.encoder = DialogueRNNEncoder(dim, c)
        self.dense = nn.Linear(states, c.dense)
        self.classifier = nn.Linear(c.dense, c.outputs)
        self.dropout = nn.Dropout(c.dropout)

    def recognise(self, dialogues: Dialogues) -> DialogueOutput:
        """Recognise the utterances of B dialogues."""
        inputs, mask, available, speakers = dialogues
        x = torch.cat(list(inputs.values()), dim=-1)
        emotions = self.encoder(x, parties_of(speakers, mask, x.dtype), mask)
        hidden = F.relu(self.dense(emotions))
        logits = self.classifier(self.dropout(hidden))
        return self._output(logits, inputs, hidden, mask, available)
