"""The script of the demo corpus: every dialogue, turn by turn, before anything is drawn or spoken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from emofuse.corpora.demo.cast import Speaker
from emofuse.corpora.demo.scenario import Cues, Scenario, show
from emofuse.corpora.demo.words import compose

SHORTEST_DIALOGUE, LONGEST_DIALOGUE = 6, 12
"""Limits of the number of turns in a dialogue."""

Split = Literal["train", "val", "test"]


@dataclass(frozen=True)
class Line:
    """One utterance as it is to be acted.

    Attributes:
        id: Dialogue and turn.
        dialogue: Name of the dialogue.
        turn: Place in it, from 0.
        speaker: Who speaks.
        text: What is said.
        emotion: What the speaker feels: the label.
        cues: What words, voice and face show.
        split: Part of the official split, the same for all utterances of a pair of speakers.
    """

    id: str
    dialogue: str
    turn: int
    speaker: Speaker
    text: str
    emotion: str
    cues: Cues
    split: Split


def write_script(scenario: Scenario, cast: Sequence[Speaker], clips: int, seed: int) -> list[Line]:
    """Write all dialogues.

    Args:
        scenario: How feelings come and show.
        cast: Speakers, those of a pair side by side.
        clips: Number of utterances, at least :data:`SHORTEST_DIALOGUE` for each pair.
        seed: Another seed, another script.

    Returns:
        The lines, dialogue by dialogue; each pair has as many as any other, give or take one.
    """
    pairs = len(cast) // 2
    lines: list[Line] = []
    for pair in range(pairs):
        rng = np.random.default_rng([seed, 3, pair])
        turns = clips // pairs + (pair < clips % pairs)
        lines += _pair_lines(scenario, cast[2 * pair : 2 * pair + 2], turns, _split_of(pair, pairs), rng)
    return lines


def _split_of(pair: int, pairs: int) -> Split:
    """Two of every twelve pairs for testing, two for validation.

    Each three pairs share out the favourite emotions evenly (:func:`~emofuse.corpora.demo.cast.make_cast`).
    The held-out ones are the last two of their threes, who have all six emotions among their favourites; of
    six pairs in all, the last one.
    """
    trios = pairs // 3
    kept, held = (1, max(1, trios // 4)) if trios >= 4 else (2, 1)
    trio, place = divmod(pair, 3)
    if place < kept or trio < trios - 2 * held:
        return "train"
    return "test" if trio >= trios - held else "val"


def _pair_lines(
    scenario: Scenario, speakers: Sequence[Speaker], turns: int, split: Split, rng: np.random.Generator
) -> list[Line]:
    subsets = iter(scenario.assign_modality_subsets(turns, rng))
    lines = []
    for number, length in enumerate(_dialogue_lengths(turns, rng), start=1):
        dialogue = f"{speakers[0].pair}_d{number:02d}"
        opener = int(rng.integers(2))
        emotions_of_dialogue = [
            iter(scenario.emotions_of_dialogue(s.favourites, length, rng)) for s in speakers
        ]
        for turn in range(length):
            who = (opener + turn) % 2
            emotion = next(emotions_of_dialogue[who])
            cues = show(emotion, next(subsets), rng)
            text = compose(cues.text, speakers[who].fillers, rng)
            line_id = f"{dialogue}_{turn:02d}"
            lines.append(Line(line_id, dialogue, turn, speakers[who], text, emotion, cues, split))
    return lines


def _dialogue_lengths(turns: int, rng: np.random.Generator) -> list[int]:
    """Cut the turns of a pair into dialogues of permitted length, about 9 turns each."""
    fewest, most = -(-turns // LONGEST_DIALOGUE), turns // SHORTEST_DIALOGUE
    lengths = np.full(min(max(round(turns / 9), fewest), most), SHORTEST_DIALOGUE)
    for _ in range(turns - int(lengths.sum())):
        lengths[rng.choice(np.flatnonzero(lengths < LONGEST_DIALOGUE))] += 1
    return [int(length) for length in lengths]
