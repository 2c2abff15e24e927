"""Which known name is meant by a misspelt one."""

from __future__ import annotations

import pytest

from emofuse.data.nearest_names import is_meant, nearest, none_of

SYSTEMS = ["deepmsi-mer", "graph-cfc", "graph-smile", "tfn"]


@pytest.mark.parametrize(
    ("name", "known", "line"),
    [
        ("lable", ["id", "label"], "; perhaps 'label'"),
        ("ident", ["id", "dialogue"], "; perhaps 'id'"),
        (" LABEL", ["Label"], "; perhaps 'Label'"),
        ("graph", SYSTEMS, "; perhaps 'graph-cfc' or 'graph-smile'"),
        ("zzz", SYSTEMS, ""),
        ("a", ["anger"], ""),
        ("anger", [], ""),
    ],
)
def test_the_nearest_name_is_asked_for(name: str, known: list[str], line: str) -> None:
    assert is_meant(name, known, most=3) == line


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("vda", "--by: 'vda' is none of auto, vad, a number; perhaps 'vad'"),
        ("magic", "--by: 'magic' is none of auto, vad, a number"),
    ],
)
def test_a_name_that_is_none_of_a_choice_is_told_with_all_of_them(given: str, line: str) -> None:
    assert none_of("--by", given, ["auto", "vad"], also="a number") == line


def test_a_hint_can_be_left_out() -> None:
    assert none_of("--device", "gpu", ["cpu", "cuda"], hint=False) == "--device: 'gpu' is none of cpu, cuda"


def test_short_codes_are_not_near_by_their_beginning() -> None:
    assert nearest("swedish", ["sv", "sw"], beginnings=False) == []
    assert nearest("eng", ["de", "en"], beginnings=False) == ["en"]
