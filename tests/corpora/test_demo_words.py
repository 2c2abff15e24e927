"""Sentences: readable by a simple model, varied, and of much the same length for every emotion."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression

from emofuse.corpora.demo import EMOTIONS, words
from emofuse.corpora.demo.cast import FILLERS
from emofuse.corpora.demo.syllables import syllables


def _sentences(fillers, n, seed):
    rng = np.random.default_rng(seed)
    emotions = [EMOTIONS[i % 6] for i in range(n)]
    pairs = [tuple(fillers[j] for j in rng.choice(len(fillers), 2, replace=False)) for _ in emotions]
    return [words.compose(e, pair, rng) for e, pair in zip(emotions, pairs, strict=True)], emotions


def test_a_simple_model_reads_the_emotion_of_unheard_speakers():
    texts, emotions = _sentences(FILLERS[:8], 480, 0)
    unheard, truth = _sentences(FILLERS[8:], 480, 1)
    vectors = HashingVectorizer(ngram_range=(1, 2), n_features=2**12)
    model = LogisticRegression(C=10, max_iter=1000).fit(vectors.transform(texts), emotions)
    assert model.score(vectors.transform(unheard), truth) >= 0.97


def test_fillers_and_marks_say_nothing_of_the_emotion():
    texts, emotions = _sentences(FILLERS, 1200, 2)
    ends = np.array([text[-1] for text in texts])
    opens = np.array(
        [text.split(",")[0].split(" ")[0] in {f.split(" ")[0] for f in FILLERS} for text in texts]
    )
    for emotion in EMOTIONS:
        mine = np.array(emotions) == emotion
        assert np.mean(opens[mine]) == pytest.approx(np.mean(opens), abs=0.12)
        assert np.mean(ends[mine] == "!") == pytest.approx(np.mean(ends == "!"), abs=0.12)


def test_number_of_syllables_hardly_tells_the_emotion():
    texts, emotions = _sentences(FILLERS, 3000, 3)
    counts = np.array([len(syllables(text)) for text in texts])
    means = np.array([counts[np.array(emotions) == e].mean() for e in EMOTIONS])
    assert np.ptp(means) < 0.8 * counts.std()


def test_many_texts_some_of_them_repeated_and_some_not_ascii():
    texts, _ = _sentences(FILLERS, 720, 4)
    assert words.distinct_texts() > 100_000
    assert 0.7 * len(texts) < len(set(texts)) < len(texts)
    assert any(not text.isascii() for text in texts)
    assert not any("{" in text or "  " in text or text != text.strip() for text in texts)


def test_each_emotion_has_at_least_twelve_phrases():
    for emotion in EMOTIONS:
        assert len(set(words._PHRASES[emotion])) >= 12
        assert all(phrase.count("{}") == 1 for phrase in words._PHRASES[emotion])


def test_distinct_texts_counts_what_can_be_composed(monkeypatch):
    monkeypatch.setattr(words, "TOPICS", ("the car", "the dog"))
    monkeypatch.setattr(words, "FILLERS", ("Well",))
    monkeypatch.setattr(words, "_PHRASES", dict.fromkeys(EMOTIONS, ("{} is here",)))
    monkeypatch.setattr(words, "_INTERJECTIONS", {e: (e,) for e in EMOTIONS})
    monkeypatch.setattr(words, "_STOCK", {e: (f"{e}.",) for e in EMOTIONS})
    rng = np.random.default_rng(0)
    seen = {words.compose(EMOTIONS[i % 6], ("Well", "Well"), rng) for i in range(6000)}
    assert len(seen) == words.distinct_texts()
