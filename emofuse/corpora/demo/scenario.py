"""Who feels what, which cues show it and which mislead: the demo corpus as a generative model.

For one utterance of speaker s:

1. the emotion y is drawn from the speaker's own prior, which favours two of the six emotions; over all
   speakers every emotion is equally likely;
2. a subset S of the modalities is drawn from :attr:`Scenario.truthful`, whatever y and s are;
3. every modality in S shows y, every other one shows an emotion drawn evenly among the five wrong ones,
   independently of the others.

So an utterance *on its own* has an exact Bayes ceiling for each subset of the modalities, found by
enumerating the 6·6³ cases (:func:`ceilings`). For the default scenario, as accuracies:

=================  ===============  =============
modalities         speaker unknown  speaker known
=================  ===============  =============
text               0.780            0.780
audio              0.780            0.780
video              0.780            0.780
text+audio         0.780            0.908
text+video         0.780            0.908
audio+video        0.780            0.908
text+audio+video   0.978            0.987
=================  ===============  =============

*Speaker unknown* is what a system can reach on speakers whom it never met: two cues that disagree cannot be
told apart, so a second modality adds nothing, while the third one breaks the tie: only the three together
decide. *Speaker known* is what a system can reach if it recognises the speaker and has learnt the habits of
that speaker, as a split that shares speakers between training and test lets it do. The weighted F1 of the
same rule equals its accuracy, since over all speakers the classes are interchangeable.

What the figures leave out: an emotion persists from one own turn to the next with probability
:attr:`Scenario.inertia`, so a system that reads the dialogue may go beyond them; and they count one cue per
modality, though a voice also carries the syllables of the sentence and lips move with the sound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np

from emofuse.data.modality import MODALITIES, Modality
from emofuse.errors import EmofuseError

EMOTIONS: tuple[str, ...] = ("neutral", "joy", "sadness", "anger", "fear", "surprise")
"""The classes, in the order in which the generator counts them."""

VALENCE: Mapping[str, float] = MappingProxyType(
    {"neutral": 0.0, "joy": 2.5, "sadness": -2.0, "anger": -2.5, "fear": -1.5, "surprise": 1.0}
)
"""Valence of each emotion on the [-3, 3] scale of sentiment corpora; a fixed mapping, no further noise."""

_TRUTHFUL: Mapping[frozenset[Modality], float] = MappingProxyType(
    {
        frozenset({"text", "audio", "video"}): 0.37,
        frozenset({"text", "audio"}): 0.20,
        frozenset({"text", "video"}): 0.20,
        frozenset({"audio", "video"}): 0.20,
        frozenset({"text"}): 0.01,
        frozenset({"audio"}): 0.01,
        frozenset({"video"}): 0.01,
    }
)


class Ceiling(NamedTuple):
    """Score of the Bayes rule on single utterances, without and with knowledge of who speaks."""

    speaker_unknown: float
    speaker_known: float


class Cues(NamedTuple):
    """The emotion that each modality of one utterance shows, whether or not it is the true one."""

    text: str
    audio: str
    video: str

    @classmethod
    def same_emotion(cls, emotion: str) -> Cues:
        """Cues of which none misleads."""
        return cls(emotion, emotion, emotion)


@dataclass(frozen=True)
class Scenario:
    """Parameters of the generative model.

    Attributes:
        truthful: Probability of each set of modalities that show the true emotion; sums to 1.
        favoured: Probability of each of a speaker's two favoured emotions; the other four share the rest.
        inertia: Probability that an emotion is kept from one own turn to the next. Otherwise a new one is
            drawn from the speaker's prior, which therefore stays the stationary distribution.
    """

    truthful: Mapping[frozenset[Modality], float] = field(default_factory=lambda: _TRUTHFUL)
    favoured: float = 0.42
    inertia: float = 0.35

    def __post_init__(self) -> None:
        chances = list(self.truthful.values())
        if min(chances, default=-1.0) < 0 or abs(sum(chances) - 1) > 1e-9:
            raise EmofuseError("the chances of the truthful subsets must be at least 0 and sum to 1")
        if not 1 / len(EMOTIONS) <= self.favoured <= 0.5 or not 0 <= self.inertia < 1:
            raise EmofuseError("favoured must lie in [1/6, 1/2] and inertia in [0, 1)")

    def prior(self, favourites: Sequence[int]) -> np.ndarray:
        """Emotion prior, shape (6,), of a speaker with these two favourite emotions (indices)."""
        prior = np.full(len(EMOTIONS), (1 - 2 * self.favoured) / (len(EMOTIONS) - 2))
        prior[list(favourites)] = self.favoured
        return prior

    def emotions_of_dialogue(
        self, favourites: Sequence[int], turns: int, rng: np.random.Generator
    ) -> list[str]:
        """Emotions of one speaker's successive own turns in a dialogue: a chain with inertia."""
        prior, chain = self.prior(favourites), []
        for turn in range(turns):
            if turn == 0 or rng.random() >= self.inertia:
                current = int(rng.choice(len(EMOTIONS), p=prior))
            chain.append(EMOTIONS[current])
        return chain

    def assign_modality_subsets(self, n: int, rng: np.random.Generator) -> list[frozenset[Modality]]:
        """Truthful subsets for n utterances, in random order.

        They are dealt by systematic sampling: each utterance has the chances of :attr:`truthful`, and among
        the n every subset comes up within one of its expected count, so that even a small held-out part
        meets the ceilings closely.
        """
        subsets = list(self.truthful)
        edges = np.cumsum([self.truthful[subset] for subset in subsets])
        edges[-1] = 1.0
        points = (rng.random() + np.arange(n)) / n
        return [subsets[i] for i in rng.permutation(np.searchsorted(edges, points, side="right"))]


def show(emotion: str, truthful: frozenset[Modality], rng: np.random.Generator) -> Cues:
    """Draw the cues of an utterance: the emotion where truthful, one of the five others elsewhere."""
    wrong = [other for other in EMOTIONS if other != emotion]
    return Cues(*(emotion if m in truthful else wrong[rng.integers(len(wrong))] for m in MODALITIES))


def ceilings(
    scenario: Scenario, metric: Literal["accuracy", "weighted_f1"] = "accuracy"
) -> dict[frozenset[Modality], Ceiling]:
    """Exact Bayes ceilings of every non-empty subset of the modalities, for utterances on their own.

    The rule is the one of least error (argmax of the posterior, ties broken evenly), whichever metric it is
    scored by: ``weighted_f1`` is what that rule gets, not the best weighted F1 that any rule could get.

    Args:
        scenario: The generative model.
        metric: ``accuracy`` or ``weighted_f1``.

    Returns:
        For each subset the expected score with the speaker unknown and known.
    """
    likelihood = _likelihood(scenario)
    priors = [scenario.prior(pair) for pair in ((0, 1), (2, 3), (4, 5))]  # every emotion favoured once
    score = _accuracy if metric == "accuracy" else _weighted_f1
    result = {}
    for size in range(1, len(MODALITIES) + 1):
        for subset in combinations(MODALITIES, size):
            hidden = tuple(1 + i for i, m in enumerate(MODALITIES) if m not in subset)
            seen = likelihood.sum(axis=hidden).reshape(len(EMOTIONS), -1)
            joints = [prior[:, None] * seen for prior in priors]
            known = np.mean([_confusion(joint) for joint in joints], axis=0)
            unknown = _confusion(np.mean(joints, axis=0))
            result[frozenset(subset)] = Ceiling(score(unknown), score(known))
    return result


def _likelihood(scenario: Scenario) -> np.ndarray:
    """P(text cue, audio cue, video cue | emotion), shape (6, 6, 6, 6) with the emotion first."""
    k = len(EMOTIONS)
    truth = np.eye(k)
    wrong = (1 - truth) / (k - 1)
    table = np.zeros((k, k, k, k))
    for subset, chance in scenario.truthful.items():
        shown = [truth if m in subset else wrong for m in MODALITIES]
        table += chance * np.einsum("yt,ya,yv->ytav", *shown)
    return table


def _confusion(joint: np.ndarray) -> np.ndarray:
    """Confusion (truth, decision) of the Bayes rule for P(emotion, observation), shape (6, observations)."""
    best = np.isclose(joint, joint.max(axis=0), rtol=1e-9, atol=0)
    return joint @ (best / best.sum(axis=0)).T


def _accuracy(confusion: np.ndarray) -> float:
    return float(np.trace(confusion))


def _weighted_f1(confusion: np.ndarray) -> float:
    support = confusion.sum(axis=1)
    f1 = 2 * np.diag(confusion) / np.maximum(support + confusion.sum(axis=0), 1e-300)
    return float(support @ f1)
