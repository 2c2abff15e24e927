"""The generative model against the definition of a Bayes rule, and against its own samples."""

import re
from itertools import pairwise, product

import numpy as np
import pytest

from emofuse.corpora.demo import EMOTIONS, VALENCE, Scenario, ceilings, scenario
from emofuse.corpora.demo.scenario import show
from emofuse.data.modality import MODALITIES
from emofuse.errors import EmofuseError

FAVOURITES = ((0, 1), (2, 3), (4, 5))
EVERY = frozenset(MODALITIES)


def _brute_force(model: Scenario, subset: frozenset[str], prior: np.ndarray) -> float:
    """Accuracy of the Bayes rule from sums over every emotion, truthful subset and cue, one by one."""
    shown = [m for m in MODALITIES if m in subset]
    total = 0.0
    for observed in product(EMOTIONS, repeat=len(shown)):
        joint = []
        for emotion, chance in zip(EMOTIONS, prior, strict=True):
            likelihood = 0.0
            for truthful, weight in model.truthful.items():
                p = weight
                for m, cue in zip(shown, observed, strict=True):
                    p *= float(cue == emotion) if m in truthful else (cue != emotion) / 5
                likelihood += p
            joint.append(chance * likelihood)
        total += max(joint)
    return total


@pytest.mark.parametrize(
    "subset", sorted(ceilings(Scenario()), key=sorted), ids=lambda s: "+".join(sorted(s))
)
def test_ceilings_are_those_of_the_bayes_rule(subset):
    model = Scenario()
    found = ceilings(model)[subset]
    assert found.speaker_unknown == pytest.approx(_brute_force(model, subset, np.full(6, 1 / 6)), abs=1e-12)
    known = np.mean([_brute_force(model, subset, model.prior(pair)) for pair in FAVOURITES])
    assert found.speaker_known == pytest.approx(known, abs=1e-12)


def test_only_the_three_together_decide():
    table = ceilings(Scenario())
    alone = [table[frozenset({m})].speaker_unknown for m in MODALITIES]
    assert max(alone) < 0.785
    # A second modality adds nothing for who does not know the speaker; the third one does.
    assert max(c.speaker_unknown for s, c in table.items() if len(s) == 2) == pytest.approx(max(alone))
    assert table[EVERY].speaker_unknown >= max(alone) + 0.19
    assert table[EVERY].speaker_unknown < table[EVERY].speaker_known < 1
    assert all(c.speaker_known >= c.speaker_unknown for c in table.values())


def test_ceilings_match_samples_of_the_scenario():
    model, rng, n = Scenario(), np.random.default_rng(0), 6000
    index = {emotion: i for i, emotion in enumerate(EMOTIONS)}
    truths, cues, speakers = [], [], []
    for i, subset in enumerate(model.assign_modality_subsets(n, rng)):
        speaker = i % 3
        emotion = EMOTIONS[rng.choice(6, p=model.prior(FAVOURITES[speaker]))]
        truths.append(index[emotion])
        cues.append([index[cue] for cue in show(emotion, subset, rng)])
        speakers.append(speaker)
    truths, cues, speakers = np.array(truths), np.array(cues), np.array(speakers)
    likelihood = scenario._likelihood(model)[:, *cues.T]
    assert np.mean(likelihood.argmax(axis=0) == truths) == pytest.approx(
        ceilings(model)[EVERY].speaker_unknown, abs=0.02
    )
    priors = np.stack([model.prior(FAVOURITES[s]) for s in speakers], axis=1)
    assert np.mean((likelihood * priors).argmax(axis=0) == truths) == pytest.approx(
        ceilings(model)[EVERY].speaker_known, abs=0.02
    )
    for at, m in enumerate(MODALITIES):
        expected = sum(p for subset, p in model.truthful.items() if m in subset)
        assert np.mean(cues[:, at] == truths) == pytest.approx(expected, abs=0.02)


def test_weighted_f1_of_the_rule_is_its_accuracy():
    accuracy, f1 = ceilings(Scenario()), ceilings(Scenario(), "weighted_f1")
    assert {s: pytest.approx(tuple(c), abs=1e-9) for s, c in accuracy.items()} == {
        s: tuple(c) for s, c in f1.items()
    }


def test_weighted_f1_of_a_lopsided_confusion():
    confusion = np.array([[0.5, 0.1], [0.2, 0.2]])
    first, second = 2 * 0.5 / (0.6 + 0.7), 2 * 0.2 / (0.4 + 0.3)
    assert scenario._weighted_f1(confusion) == pytest.approx(0.6 * first + 0.4 * second)


def test_docstring_states_the_ceilings():
    stated = {
        frozenset(names.split("+")): (float(unknown), float(known))
        for names, unknown, known in re.findall(
            r"^([a-z+]+) +(0\.\d{3}) +(0\.\d{3})$", scenario.__doc__, re.M
        )
    }
    computed = {s: (round(u, 3), round(k, 3)) for s, (u, k) in ceilings(Scenario()).items()}
    assert stated == computed


def test_a_modality_without_truth_tells_only_what_is_not():
    model = Scenario({frozenset({"text"}): 1.0}, favoured=1 / 6)
    table = ceilings(model)
    assert table[frozenset({"text"})].speaker_unknown == pytest.approx(1.0)
    assert table[frozenset({"audio"})].speaker_unknown == pytest.approx(1 / 5)
    assert table[frozenset({"audio", "video"})].speaker_unknown == pytest.approx(
        _brute_force(model, frozenset({"audio", "video"}), np.full(6, 1 / 6))
    )


def test_feelings_keep_the_prior_and_last():
    model, rng = Scenario(inertia=0.5), np.random.default_rng(1)
    chains = [model.emotions_of_dialogue((1, 4), 6, rng) for _ in range(3000)]
    prior = model.prior((1, 4))
    for turn in (0, 5):
        share = np.array([np.mean([c[turn] == e for c in chains]) for e in EMOTIONS])
        assert share == pytest.approx(prior, abs=0.03)
    kept = np.mean([a == b for c in chains for a, b in pairwise(c)])
    assert kept == pytest.approx(0.5 + 0.5 * float(prior @ prior), abs=0.02)


def test_dealt_subsets_keep_their_proportions():
    model = Scenario()
    counts = np.zeros(len(model.truthful))
    for seed in range(300):
        dealt = model.assign_modality_subsets(10, np.random.default_rng(seed))
        found = np.array([dealt.count(s) for s in model.truthful])
        assert np.all(np.abs(found - 10 * np.array(list(model.truthful.values()))) < 1 + 1e-9)
        counts += found
    assert counts / counts.sum() == pytest.approx(list(model.truthful.values()), abs=0.015)
    assert model.assign_modality_subsets(0, np.random.default_rng(0)) == []


@pytest.mark.parametrize(
    "settings",
    [
        {"truthful": {frozenset({"text"}): 0.5}},
        {"truthful": {frozenset({"text"}): 1.5, frozenset({"audio"}): -0.5}},
        {"truthful": {}},
        {"favoured": 0.1},
        {"favoured": 0.6},
        {"inertia": 1.0},
    ],
)
def test_impossible_parameters_are_refused(settings):
    with pytest.raises(EmofuseError):
        Scenario(**settings)


def test_valence_of_every_emotion_lies_on_the_scale():
    assert set(VALENCE) == set(EMOTIONS)
    assert all(-3 <= v <= 3 for v in VALENCE.values())
    assert VALENCE["neutral"] == 0
    assert VALENCE["joy"] > 0 > VALENCE["anger"]
