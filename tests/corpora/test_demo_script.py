"""Casts and scripts: who talks with whom, how evenly, and what is kept apart."""

from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest

from emofuse.corpora.demo import EMOTIONS, Scenario
from emofuse.corpora.demo.cast import NAMES, make_cast, make_unseen_speaker
from emofuse.corpora.demo.script import LONGEST_DIALOGUE, SHORTEST_DIALOGUE, write_script
from emofuse.data.modality import MODALITIES

SCENARIO = Scenario()


def _script(clips, seed=0, pairs=None):
    return write_script(SCENARIO, make_cast(pairs or (12 if clips >= 144 else 6), seed), clips, seed)


@pytest.mark.parametrize("pairs", [6, 9, 12, 24])
def test_favourites_are_shared_out_evenly(pairs):
    cast = make_cast(pairs, 3)
    counts = Counter(i for speaker in cast for i in speaker.favourites)
    assert set(counts.values()) == {2 * pairs // 3}
    prior = np.mean([SCENARIO.prior(speaker.favourites) for speaker in cast], axis=0)
    assert prior == pytest.approx(np.full(6, 1 / 6))


def test_speakers_are_persons_of_their_own():
    cast = make_cast(24, 0)
    assert len({s.name for s in cast}) == 48 == len(set(NAMES))
    assert len({s.look for s in cast}) == 48
    assert sum(not name.isascii() for name in NAMES) >= 8
    pitches = sorted(s.voice.pitch for s in cast)
    assert pitches[0] >= 90
    assert pitches[-1] <= 260
    assert pitches[-1] > 2 * pitches[0]
    assert all(s.fillers[0] != s.fillers[1] and s.favourites[0] != s.favourites[1] for s in cast)


def test_another_seed_is_another_cast_and_strangers_are_in_none():
    assert make_cast(6, 0) == make_cast(6, 0)
    assert make_cast(6, 0) != make_cast(6, 1)
    assert make_unseen_speaker(4) == make_unseen_speaker(4)
    assert make_unseen_speaker(4).look != make_unseen_speaker(5).look
    assert make_unseen_speaker(0).look not in {s.look for s in make_cast(12, 0)}


@pytest.mark.parametrize("clips", [36, 37, 100, 143, 144, 145, 719, 720, 1111])
def test_dialogues_have_permitted_lengths_and_two_speakers_by_turns(clips):
    lines = _script(clips)
    assert len(lines) == clips == len({line.id for line in lines})
    dialogues = defaultdict(list)
    for line in lines:
        dialogues[line.dialogue].append(line)
    for turns in dialogues.values():
        assert SHORTEST_DIALOGUE <= len(turns) <= LONGEST_DIALOGUE
        assert [line.turn for line in turns] == list(range(len(turns)))
        assert len({line.speaker.pair for line in turns}) == 1
        names = [line.speaker.name for line in turns]
        assert len(set(names)) == 2
        assert all(a != b for a, b in pairwise(names))
    assert len({line.speaker.name for line in lines}) >= 8


@pytest.mark.parametrize(("clips", "pairs", "held"), [(36, 6, 1), (720, 12, 2), (720, 15, 2), (720, 24, 4)])
def test_the_official_split_keeps_speakers_apart(clips, pairs, held):
    lines, parts = _script(clips, pairs=pairs), defaultdict(set)
    for line in lines:
        parts[line.split].add(line.speaker.pair)
    assert set(parts) == {"train", "val", "test"}
    assert not parts["train"] & parts["val"]
    assert not parts["test"] & (parts["train"] | parts["val"])
    assert len(parts["val"]) == len(parts["test"]) == held
    assert len(parts["train"]) == pairs - 2 * held


def test_the_held_out_parts_of_the_default_corpus_know_every_favourite():
    for seed in range(5):
        lines = _script(720, seed)
        for part in ("val", "test"):
            assert len({i for line in lines if line.split == part for i in line.speaker.favourites}) == 6


def test_cues_follow_the_scenario():
    lines = [line for seed in range(5) for line in _script(720, seed)]
    for at, m in enumerate(MODALITIES):
        expected = sum(p for subset, p in SCENARIO.truthful.items() if m in subset)
        assert np.mean([line.cues[at] == line.emotion for line in lines]) == pytest.approx(
            expected, abs=0.005
        )
        wrong = Counter(
            (EMOTIONS.index(line.cues[at]) - EMOTIONS.index(line.emotion)) % 6
            for line in lines
            if line.cues[at] != line.emotion
        )
        assert np.array(list(wrong.values())) / wrong.total() == pytest.approx(np.full(5, 0.2), abs=0.04)


def test_speakers_feel_what_they_favour():
    lines = [line for seed in range(5) for line in _script(720, seed)]
    favoured = np.mean([EMOTIONS.index(line.emotion) in line.speaker.favourites for line in lines])
    assert favoured == pytest.approx(2 * SCENARIO.favoured, abs=0.03)
    shares = np.array(list(Counter(line.emotion for line in lines).values())) / len(lines)
    assert shares == pytest.approx(np.full(6, 1 / 6), abs=0.03)


def test_emotions_last_within_a_dialogue():
    lines = [line for seed in range(3) for line in _script(720, seed)]
    own = [a.emotion == b.emotion for a, b in zip(lines, lines[2:], strict=False) if a.dialogue == b.dialogue]
    prior = SCENARIO.prior((0, 1))
    alone = float(prior @ prior)
    assert np.mean(own) == pytest.approx(SCENARIO.inertia + (1 - SCENARIO.inertia) * alone, abs=0.04)


def test_some_texts_stand_in_several_dialogues():
    dialogues = defaultdict(set)
    for line in _script(720):
        dialogues[line.text].add(line.dialogue)
    assert sum(len(found) > 1 for found in dialogues.values()) >= 5
