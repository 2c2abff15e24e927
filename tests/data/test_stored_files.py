import math
import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from emofuse.data.stored_files import (
    DamagedFileError,
    check_numbers,
    stored_bytes,
    stored_csv,
    stored_json,
    stored_table,
    stored_yaml,
)

_READERS: list[Callable[..., object]] = [stored_bytes, stored_json, stored_yaml, stored_table, stored_csv]


@pytest.mark.parametrize("read", _READERS, ids=lambda read: read.__name__)
def test_what_is_no_regular_file_is_refused_at_once(read: Callable[..., object], tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe", "missing", "na\0me", "x" * 300, "folder/../pipe/below"):
        with pytest.raises(DamagedFileError, match="mend it") as told:
            read(tmp_path / name, "mend it")
        assert "\n" not in str(told.value)
        assert "\0" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "Expecting value"),
        ("[1]", "holds a list and no object"),
        ('{"a": NaN}', "NaN"),
        ('{"a": 1e999}', "inf"),
        ('{"a": "x\\u0000y"}', "NUL"),
        ('{"x\\u0000y": 1}', "NUL"),
        ('{"a": ' + "[" * 100 + "]" * 100 + "}", "nests"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "nests"),
        ('{"a": ' + "9" * 5000 + "}", "a number of 5,000 digits; at most 4,300 are read"),
        ("\udcff", "UTF-8"),
    ],
)
def test_json_that_nothing_can_be_made_of_is_refused(text: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DamagedFileError, match=told):
        stored_json(file, "mend it")


_BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 30))
_MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}\n" for i in range(1, 30))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (_BOMB, "unfolds"),
        (_MERGES, "unfolds"),
        ("&a [*a]", "nests"),
        ("[" * 5000, "nests|expected"),
        ("a: 2020-99-99", "month"),
        ("a: .inf", "inf"),
        ('a: "x\\0y"', "NUL"),
        ("a: [1, 2", "expected|while parsing"),
        ("? [a]\n: b", "unhashable|while constructing"),
        ("!!python/object/apply:os.system [echo]", "could not determine a constructor"),
    ],
)
def test_yaml_that_nothing_can_be_made_of_is_refused(text: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DamagedFileError, match=told):
        stored_yaml(file, "mend it")


def test_references_and_merges_of_a_sensible_size_are_read(tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text("base: &base {rate: 1.0}\nother: {<<: *base, dim: 2}\n", encoding="utf-8")
    assert stored_yaml(file, "") == {"base": {"rate": 1.0}, "other": {"rate": 1.0, "dim": 2}}
    file.write_text("", encoding="utf-8")
    assert stored_yaml(file, "") is None


def test_a_file_above_its_limit_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(1 << 40)  # a sparse file
    with pytest.raises(DamagedFileError, match="at most"):
        stored_json(tmp_path / "large.json", "mend it")


def test_tables_lack_no_column_and_hold_numbers(tmp_path: Path) -> None:
    file = tmp_path / "table.parquet"
    pd.DataFrame({"id": ["a", "b"], "p": [0.5, math.inf]}).to_parquet(file)
    table = stored_table(file, "mend it", ["id", "p"])
    with pytest.raises(DamagedFileError, match="row 2, p"):
        check_numbers(table, ["p"], file, "mend it")
    with pytest.raises(DamagedFileError, match="no column 'q'"):
        stored_table(file, "mend it", ["q"])
    file.write_bytes(b"PAR1")
    with pytest.raises(DamagedFileError, match="mend it"):
        stored_table(file, "mend it")
    (tmp_path / "t.csv").write_text("a,b\n1,\nx,2\n", encoding="utf-8")
    gaps = stored_csv(tmp_path / "t.csv", "mend it")
    check_numbers(gaps, ["b"], file, "mend it", gaps=True)
    with pytest.raises(DamagedFileError, match="row 2, a: 'x'"):
        check_numbers(gaps, ["a"], file, "mend it", gaps=True)
