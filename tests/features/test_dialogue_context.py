from pathlib import Path

import pandas as pd
import pytest

from emofuse.data.manifest import Manifest
from emofuse.features import ContextWindow, TextInContext, texts_in_context

ROWS = [
    # Out of order, two dialogues interleaved, a turn without words, a speaker without a name.
    ("b1", "B", 1, "Ann", "four"),
    ("a2", "A", 2, "Bob", "three"),
    ("a0", "A", 0, "Ann", "one"),
    ("b0", "B", 0, None, "zero"),
    ("a1", "A", 1, "Bob", "two"),
    ("a3", "A", 3, "Ann", None),
    ("a4", "A", 4, "Ann", "five"),
    ("lone", None, None, "Cy", "alone"),
]


@pytest.fixture
def rows():
    frame = pd.DataFrame(ROWS, columns=["id", "dialogue", "turn", "speaker", "text"])
    return list(Manifest.from_frame(frame, Path()).rows())


def slow(rows, utterance, before: int, after: int) -> TextInContext:
    """The definition, row by row."""
    dialogue = sorted(
        (row for row in rows if row.dialogue == utterance.dialogue and row.text), key=lambda r: r.turn
    )
    earlier = [row.text for row in dialogue if row.turn < utterance.turn]
    later = [row.text for row in dialogue if row.turn > utterance.turn]
    return TextInContext(utterance.text, tuple(earlier[len(earlier) - before :][-before:] if before else ()),
                         tuple(later[:after]))  # fmt: skip


@pytest.mark.parametrize(("before", "after"), [(0, 0), (1, 0), (0, 1), (2, 3), (99, 99)])
def test_neighbours_are_those_of_the_own_dialogue_in_order(rows, before, after):
    found = texts_in_context(rows, ContextWindow(before, after))
    assert set(found) == {row.id for row in rows if row.text}
    for row in rows:
        if row.text:
            assert found[row.id] == slow(rows, row, before, after)


def test_names_stand_in_front_of_every_text_where_they_are_known(rows):
    found = texts_in_context(rows, ContextWindow(1, 1, speaker_names=True))
    assert found["b1"] == TextInContext("Ann: four", ("zero",), ())
    assert found["a1"] == TextInContext("Bob: two", ("Ann: one",), ("Bob: three",))
    assert found["lone"] == TextInContext("Cy: alone")


def test_nothing_is_taken_from_a_neighbour_but_what_was_said(rows):
    from dataclasses import replace

    other = [replace(row, label="joy", valence=3.0, split="test", group="x", start=1.0) for row in rows]
    window = ContextWindow(2, 2, speaker_names=True)
    assert texts_in_context(other, window) == texts_in_context(rows, window)
