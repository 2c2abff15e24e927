import re
import zlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.murmurhash import murmurhash3_32

from emofuse.encoders.hashed_text import HashedTextEncoder, normalise_text


def slow_reference(text: str, dim: int) -> np.ndarray:
    """The vector from its definition: n-grams listed one by one, hashed, damped, scaled."""
    text = normalise_text(text)
    tokens = re.findall(r"\w+|[^\w\s]", text)
    words = tokens + [f"{a} {b}" for a, b in pairwise(tokens)]
    characters = []
    for word in text.split():
        padded = f" {word} "
        for n in (3, 4, 5):
            if len(padded) <= n:
                characters.append(padded)
                break
            characters += [padded[i : i + n] for i in range(len(padded) - n + 1)]
    halves = []
    for grams, size in ((words, dim // 2), (characters, dim - dim // 2)):
        counts = np.zeros(size)
        for gram in grams:
            code = murmurhash3_32(gram, seed=0)
            counts[abs(code) % size] += 1.0 if code >= 0 else -1.0
        damped = np.sign(counts) * np.log(1.0 + np.abs(counts))
        norm = np.sqrt((damped**2).sum())
        halves.append(damped / norm if norm > 0 else damped)
    return np.concatenate(halves) / np.sqrt(2.0)


TEXTS = [
    "You're kidding, right?! You're kidding!",
    "ich bin so müde … ach",
    "今日はとても嬉しいです",
    "Я так злюсь!!",
    "أنا سعيد جدا",
    "😀😀 ok 👩‍👩‍👧",
    "a",
    "?!",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("dim", [1024, 33])
def test_equals_the_definition(text, dim):
    np.testing.assert_allclose(HashedTextEncoder(dim).encode([text])[0], slow_reference(text, dim), atol=1e-6)


def test_texts_in_any_script_are_told_apart():
    vectors = HashedTextEncoder().encode(TEXTS)
    assert vectors.shape == (8, 1024)
    assert vectors.dtype == np.float32
    likeness = vectors @ vectors.T
    np.testing.assert_allclose(np.diag(likeness), 1.0, atol=1e-6)
    assert (likeness - np.eye(8)).max() < 0.5


@pytest.mark.parametrize("text", ["", " ", "\n\t  "])
def test_nothing_said_is_zero(text):
    assert not HashedTextEncoder().encode([text]).any()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Straße", "STRASSE"),
        ("café", "cafe\u0301"),
        ("ｈｅｌｌｏ", "Hello"),
        ("ﬁne", "fine"),
        ("ΟΔΟΣ", "οδος"),
        ("so  glad", "so glad"),
    ],
)
def test_spellings_that_read_the_same_are_the_same(one, other):
    first, second = HashedTextEncoder().encode([one, other])
    np.testing.assert_array_equal(first, second)


def test_one_emoji_or_exclamation_mark_changes_the_vector():
    base, emoji, mark = HashedTextEncoder().encode(["fine", "fine 😡", "fine!"])
    assert not np.allclose(base, emoji)
    assert not np.allclose(base, mark)


def test_half_a_surrogate_pair_is_survived():
    assert np.isfinite(HashedTextEncoder().encode(["broken \ud83d emoji"])).all()


def test_no_texts_give_no_rows():
    assert HashedTextEncoder(64).encode([]).shape == (0, 64)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=6))
def test_neighbours_and_order_change_nothing(texts):
    encoder = HashedTextEncoder(128)
    together = encoder.encode(texts)
    assert np.isfinite(together).all()
    assert (np.linalg.norm(together, axis=1) <= 1.0 + 1e-5).all()
    np.testing.assert_array_equal(together[::-1], encoder.encode(texts[::-1]))
    np.testing.assert_array_equal(together[0], encoder.encode(texts[:1])[0])


def test_the_same_text_has_the_same_vector_on_every_machine():
    vector = HashedTextEncoder().encode(["Could I BE any more excited?"])[0]
    places = np.flatnonzero(vector).astype("<i8").tobytes()
    assert zlib.crc32(places) == 1421877121  # as identity revision "1" promises


def test_identity_says_the_size():
    assert HashedTextEncoder(64).identity.dim == HashedTextEncoder(64).dim == 64
    assert HashedTextEncoder(64).identity.digest != HashedTextEncoder(128).identity.digest
