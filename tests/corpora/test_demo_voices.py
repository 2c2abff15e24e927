"""Voices: legible prosody, honest lengths, and no words to be heard in them."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from emofuse.corpora.demo import EMOTIONS
from emofuse.corpora.demo.cast import make_cast
from emofuse.corpora.demo.prosody import PROSODIES, emotional_prosody, pitch_curve
from emofuse.corpora.demo.syllables import babble, syllables
from emofuse.corpora.demo.voices import LONGEST, RATE, SHORTEST, speak
from emofuse.corpora.demo.words import compose

CAST = make_cast(12, 0)


def _functionals(samples):
    """Pitch by autocorrelation, level and bands of 25 ms frames, and how they are spread: (30,)."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, 640)[::320] * np.hanning(640)
    power = np.abs(np.fft.rfft(frames, 1024)) ** 2
    similarity = np.fft.irfft(power)[:, 27:229]
    voiced = power.sum(1) > 0.01 * power.sum(1).max()
    pitch = 12 * np.log2(RATE / (similarity.argmax(1)[voiced] + 27))
    level = 10 * np.log10(power.sum(1) + 1e-8)
    bands = np.stack([10 * np.log10(b.sum(1) + 1e-9) for b in np.array_split(power[:, 3:400], 8, axis=1)], 1)
    third = len(pitch) // 3
    changes = np.diff(pitch)
    moves = [
        np.abs(changes).mean(),
        np.abs(np.diff(changes)).mean(),
        pitch[-third:].mean() - pitch[:third].mean(),
    ]
    levels = [level.mean(), level.std(), np.abs(np.diff(level)).mean(), voiced.mean(), len(samples) / RATE]
    return np.array(
        [
            *np.percentile(pitch, (5, 25, 50, 75, 95)),
            pitch.std(),
            *moves,
            *levels,
            *bands.mean(0),
            *bands.std(0),
        ]
    )


def _spoken(speakers, n, seed):
    """Voices and words that show emotions drawn independently of each other."""
    rng = np.random.default_rng(seed)
    rows, shown, said = [], [], []
    for i in range(n):
        speaker, emotion = speakers[rng.integers(len(speakers))], EMOTIONS[i % 6]
        said.append(EMOTIONS[rng.integers(6)])
        text = compose(said[-1], speaker.fillers, rng)
        rows.append(_functionals(speak(text, emotion, speaker.voice, rng).samples))
        shown.append(emotion)
    return np.array(rows), shown, said


@pytest.fixture(scope="module")
def heard():
    return _spoken(CAST[:16], 150, 0), _spoken(CAST[16:], 90, 1)


def test_a_simple_model_hears_the_emotion_of_unheard_speakers(heard):
    (rows, shown, _), (unheard, truth, _) = heard
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(rows, shown)
    assert model.score(unheard, truth) >= 0.93


def test_the_emotion_of_the_words_is_not_in_the_voice(heard):
    (rows, _, said), (unheard, _, truth) = heard
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000)).fit(rows, said)
    assert model.score(unheard, truth) <= 0.30  # chance is 0.17, give or take 0.03


@pytest.mark.parametrize("emotion", EMOTIONS)
@pytest.mark.parametrize(
    "text", ["No.", "Well, oh dear, I am scared and afraid of the phone call in São Paulo, really!"]
)
def test_length_and_level_of_speech(emotion, text):
    speech = speak(text, emotion, CAST[3].voice, np.random.default_rng(0))
    assert speech.samples.dtype == np.float32
    assert SHORTEST - 0.01 <= speech.duration <= LONGEST + 0.01
    assert np.isfinite(speech.samples).all()
    assert 0.05 < np.abs(speech.samples).max() < 1
    assert speech.openness.min() >= 0
    assert speech.openness.max() == pytest.approx(1)
    assert len(speech.openness) == pytest.approx(speech.duration * 100, abs=1)


def test_loudness_follows_the_emotion():
    peaks = {
        e: np.mean(
            [
                np.abs(speak("I put it there.", e, CAST[5].voice, np.random.default_rng(s)).samples).max()
                for s in range(5)
            ]
        )
        for e in EMOTIONS
    }
    ordered = sorted(EMOTIONS, key=lambda e: PROSODIES[e].loudness)
    assert all(peaks[a] < peaks[b] for a, b in pairwise(ordered))


def test_same_seed_same_speech():
    one, two = (speak("Hello there.", "joy", CAST[0].voice, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(one.samples, two.samples)


@pytest.mark.parametrize("text", ["", "…?!", "123", "李娜さん", "Юрий", "hmm", "x" * 400])
def test_any_text_can_be_spoken(text):
    assert speak(text, "fear", CAST[1].voice, np.random.default_rng(0)).duration <= LONGEST + 0.01


def test_mouth_is_shut_before_and_after_the_words():
    speech = speak("Banana.", "neutral", CAST[2].voice, np.random.default_rng(0))
    shut_early, shut_late = speech.mouth(np.array([0.0, speech.duration]))
    assert shut_early < 0.05
    assert shut_late < 0.05
    assert speech.mouth(np.linspace(0, speech.duration, 50)).max() > 0.9


def test_syllables_follow_the_letters():
    assert [s.vowel for s in syllables("banana")] == ["a", "a", "a"]
    assert len(syllables("I am so happy")) == 5
    assert [s.onset for s in syllables("see me at two")] == ["fricative", "sonorant", "none", "sonorant"]
    assert [s.ends_word for s in syllables("happy dog")] == [False, True, True]


def test_babble_renames_sounds_throughout_the_utterance():
    parts = syllables("banana potato banana")
    changed = babble(parts, np.random.default_rng(3))
    assert [(s.coda, s.opens_word, s.ends_word) for s in changed] == [
        (s.coda, s.opens_word, s.ends_word) for s in parts
    ]
    names = {(a.vowel, b.vowel) for a, b in zip(parts, changed, strict=True)}
    assert len(names) == len({a.vowel for a in parts})
    assert any(babble(parts, np.random.default_rng(s)) != parts for s in range(3))


def test_pitch_rises_at_the_end_of_surprise_and_falls_in_sadness():
    position = np.linspace(0, 1, 300)
    for emotion, sign in (("surprise", 1), ("sadness", -1)):
        line = pitch_curve(
            PROSODIES[emotion], position, np.full(300, 0.5), np.zeros(300, int), position * 1.5
        )
        assert sign * (line[-30:].mean() - line[:30].mean()) > 3


def test_manner_varies_a_little():
    one, two = (emotional_prosody("anger", np.random.default_rng(s)) for s in (0, 1))
    assert one != two
    assert one.tempo == pytest.approx(PROSODIES["anger"].tempo, rel=0.3)
