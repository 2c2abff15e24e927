"""Who speaks: utterances of one voice are given one name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from emofuse.data.sampling_rate import RATE
from emofuse.data.sound_blocks import sound_blocks, sounds_of_spans
from emofuse.recordings.spoken import Progress, Spoken

# Cosine distance of two voices' mean vectors from which they are two; measured, see docs/recordings.md.
APART = 0.09
# Added for each of the two, divided by its pieces of 1.6 s: a mean of little speech lies beside the voice's own.
LITTLE_SPEECH, PIECE = 0.4, 1.6
SAME = 0.01  # cosine distance below which two utterances are one that is repeated, a jingle or the same line played again
MOST_FOUND = 8  # voices that are found without being told how many there are
LONG_ENOUGH = 1.0  # seconds; shorter utterances choose no groups, and join the nearest
LONGEST = 12.0  # seconds of an utterance that are listened to
LEAST_SHARE = (
    0.02  # of the speech: what is said by less than that is a noise or a short word, and joins the nearest
)
_MOST_COMPARED = 3000  # utterances that are compared with each other; the distances of these take 36 MB
_SHORTEST = 0.15  # seconds in which a voice can be heard at all

Embed = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def name_speakers(
    recording: Path,
    spoken: Sequence[Spoken],
    speakers: int | Literal["auto"],
    progress: Progress | None = None,
    embed: Embed | None = None,
    apart: float = APART,
) -> list[Spoken]:
    """Say of each utterance whose voice it is; names that are known already stay.

    Args:
        recording: with sound.
        spoken: in order of time.
        speakers: how many people speak, or ``"auto"``.
        progress: called after each utterance.
        embed: in the place of :class:`~emofuse.recordings.voice_embedding.VoiceEmbedding`.
        apart: cosine distance from which two voices are two.

    Returns:
        The same utterances, their speaker ``"speaker 1"`` (who speaks first), ``"speaker 2"`` ... or the name that most
        of a voice's utterances have. An utterance in which no voice can be heard keeps what it had.

    Raises:
        EmofuseError: the weights are not installed, or the sound cannot be read.
    """
    if embed is None:
        from emofuse.recordings.voice_embedding import VoiceEmbedding

        embed = VoiceEmbedding().embed
    vectors: list[NDArray[np.float32] | None] = []
    spans = [(one.start, min(one.end, one.start + LONGEST)) for one in spoken]
    for sound in sounds_of_spans(sound_blocks(recording, rate=RATE), spans, RATE):
        is_heard = len(sound) >= _SHORTEST * RATE and float(np.abs(sound).max()) > 1e-4
        vectors.append(embed(sound) if is_heard else None)
        if progress is not None:
            progress(len(vectors), len(spans), "telling voices apart")
    known = [place for place, vector in enumerate(vectors) if vector is not None]
    if not known:
        return list(spoken)
    found = np.stack([vector for vector in vectors if vector is not None])
    groups = group_voices(found, np.array([spoken[place].seconds for place in known]), speakers, apart)
    return _named(spoken, dict(zip(known, groups.tolist(), strict=True)))


def group_voices(
    vectors: NDArray[np.float32],
    seconds: NDArray[np.float64],
    speakers: int | Literal["auto"],
    apart: float = APART,
) -> NDArray[np.int64]:
    """Which utterances have one voice: Ward's clustering of their vectors.

    Between vectors of length 1, the squared distances that Ward's criterion adds up are twice their cosine distances. What is
    repeated counts once: a line that is played ten times would be a voice of its own.

    Args:
        vectors: (n, d), of length 1.
        seconds: (n,) how long the utterances are.
        speakers: how many voices there are, or ``"auto"`` for the most, up to :data:`MOST_FOUND`, whose means lie as far from
            each other as means of so little speech must.
        apart: cosine distance of the means of two voices that speak for long.

    Returns:
        (n,) numbers of voices from 0, in the order in which they are first heard.
    """
    from scipy.cluster.hierarchy import linkage

    chosen = np.flatnonzero(seconds >= LONG_ENOUGH)
    wanted = 2 if speakers == "auto" else speakers
    if len(chosen) < wanted:
        chosen = np.arange(len(vectors))
    if len(chosen) > _MOST_COMPARED:
        chosen = np.sort(chosen[np.argsort(-seconds[chosen], kind="stable")[:_MOST_COMPARED]])
    distinct, which = _distinct(vectors[chosen])
    if len(distinct) < wanted:
        distinct = which = np.arange(len(chosen))
    if len(distinct) < 2 or speakers == 1:
        return np.zeros(len(vectors), np.int64)
    compared = vectors[chosen[distinct]]
    tree = linkage(compared.astype(np.float64), "ward")
    if speakers == "auto":
        labels = _found(tree, compared, np.minimum(seconds[chosen[distinct]], LONGEST), apart)
        spoken = np.bincount(which, weights=seconds[chosen]).astype(np.float64)
        labels = _without_strays(labels, spoken)
    else:
        labels = _cut(tree, min(speakers, len(distinct)))
    kept = [label for label in np.unique(labels) if label >= 0]
    centres = np.stack([_centre(compared[labels == label]) for label in kept])
    return _in_order((vectors @ centres.T).argmax(axis=1))


def _distinct(vectors: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of vectors of which none is another repeated, and for each vector which of these it is."""
    places: list[int] = []
    found = np.empty_like(vectors)
    which = np.zeros(len(vectors), np.int64)
    for place, vector in enumerate(vectors):
        likeness = found[: len(places)] @ vector
        if places and likeness.max() > 1 - SAME:
            which[place] = likeness.argmax()
        else:
            which[place], found[len(places)] = len(places), vector
            places.append(place)
    return np.array(places, np.int64), which


def _cut(tree: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    from scipy.cluster.hierarchy import fcluster

    return np.asarray(fcluster(tree, count, "maxclust"), np.int64) - 1


def _found(
    tree: NDArray[np.float64], vectors: NDArray[np.float32], seconds: NDArray[np.float64], apart: float
) -> NDArray[np.int64]:
    """The cut with the most voices that are all far enough from each other; one voice where there is none."""
    for count in range(min(MOST_FOUND, len(vectors)), 1, -1):
        labels = _cut(tree, count)
        kept = np.unique(labels)
        centres = np.stack([_centre(vectors[labels == label]) for label in kept])
        pieces = np.array([seconds[labels == label].sum() / PIECE for label in kept])
        least = apart + LITTLE_SPEECH * (1 / pieces[:, None] + 1 / pieces[None])
        pairs = np.triu_indices(len(kept), 1)
        if len(kept) > 1 and ((1 - centres @ centres.T) >= least)[pairs].all():
            return labels
    return np.zeros(len(vectors), np.int64)


def _without_strays(labels: NDArray[np.int64], seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Labels with −1 for voices of too little speech, the largest always kept."""
    spoken = np.bincount(labels, weights=seconds)
    small = spoken < LEAST_SHARE * spoken.sum()
    small[spoken.argmax()] = False
    return np.where(small[labels], -1, labels)


def _centre(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    mean = vectors.mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)


def _in_order(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    order: dict[int, int] = {}
    return np.array([order.setdefault(int(label), len(order)) for label in labels], np.int64)


def _named(spoken: Sequence[Spoken], groups: dict[int, int]) -> list[Spoken]:
    """A voice takes the name that most of its named utterances have, if no other voice has it more often."""
    votes: dict[tuple[int, str], float] = {}
    for place, group in groups.items():
        name = spoken[place].speaker
        if name is not None:
            votes[group, name] = votes.get((group, name), 0.0) + spoken[place].seconds
    names: dict[int, str] = {}
    for (group, name), _ in sorted(votes.items(), key=lambda item: (-item[1], item[0])):
        if group not in names and name not in names.values():
            names[group] = name
    return [
        one
        if one.speaker is not None or place not in groups
        else replace(one, speaker=names.get(groups[place], f"speaker {groups[place] + 1}"))
        for place, one in enumerate(spoken)
    ]
