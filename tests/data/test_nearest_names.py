"""Which known name is meant by a misspelt one."""

from __future__ import annotations

import pytest

from emofuse.data.nearest_names import is_meant, nearest

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


def test_short_codes_are_not_near_by_their_beginning() -> None:
    assert nearest("swedish", ["sv", "sw"], beginnings=False) == []
    assert nearest("eng", ["de", "en"], beginnings=False) == ["en"]
