import pytest

from emofuse.encoders.dialogue_tokens import arrange

BEFORE, OWN, AFTER = [11, 12, 13, 14], [21, 22, 23], [31, 32]


def laid(before, own, after, longest):
    ids, (first, end) = arrange(before, own, after, first=1, between=2, longest=longest)
    assert ids[0] == 1
    assert ids[-1] == 2
    assert len(ids) <= longest
    assert ids[first - 1] in (1, 2)
    assert ids[end] == 2
    assert ids[first:end] == own[: end - first]
    return ids


def test_there_is_room_for_all():
    assert laid(BEFORE, OWN, AFTER, 99) == [1, 11, 12, 13, 14, 2, 21, 22, 23, 2, 31, 32, 2]


@pytest.mark.parametrize(
    ("before", "own", "after", "expected"),
    [
        ([], OWN, AFTER, [1, 21, 22, 23, 2, 31, 32, 2]),
        (BEFORE, OWN, [], [1, 11, 12, 13, 14, 2, 21, 22, 23, 2]),
        ([], OWN, [], [1, 21, 22, 23, 2]),
        ([], [], [], [1, 2]),
        (BEFORE, [], AFTER, [1, 11, 12, 13, 14, 2, 2, 31, 32, 2]),
    ],
)
def test_parts_that_are_empty_have_no_separator(before, own, after, expected):
    assert laid(before, own, after, 99) == expected


@pytest.mark.parametrize(
    ("longest", "expected"),
    [
        (11, [1, 13, 14, 2, 21, 22, 23, 2, 31, 32, 2]),  # what is far is lost first
        (10, [1, 14, 2, 21, 22, 23, 2, 31, 32, 2]),
        (9, [1, 14, 2, 21, 22, 23, 2, 31, 2]),
        (8, [1, 21, 22, 23, 2, 31, 2]),  # one place is left over: it takes a separator with it
        (5, [1, 21, 22, 23, 2]),
        (4, [1, 21, 22, 2]),  # and then the utterance's own end
        (3, [1, 21, 2]),
    ],
)
def test_the_context_gives_way_and_the_utterance_last(longest, expected):
    assert laid(BEFORE, OWN, AFTER, longest) == expected


def test_room_that_one_side_does_not_need_goes_to_the_other():
    ids = laid(list(range(100, 150)), OWN, AFTER, 20)
    assert len(ids) == 20
    assert ids[:13] == [1, *range(139, 150), 2]
    ids = laid(BEFORE, OWN, list(range(100, 150)), 20)
    assert len(ids) == 20
    assert ids[-10:] == [*range(100, 109), 2]
