"""Delimited text, whatever it holds."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emofuse.data import raw_table
from emofuse.data.manifest_io import read_manifest_file
from emofuse.data.raw_table import parse_csv, parse_jsonl, read_bytes, read_parquet
from emofuse.errors import EmofuseError


@pytest.mark.timeout(60)  # in time that grows with the square of the columns it would take ten minutes
def test_tables_of_very_many_columns() -> None:
    names = [f"c{number}" for number in range(100_000)]
    table = parse_csv(",".join(names) + "\n" + ",".join("1" * 100_000) + "\n", "t.csv")
    assert list(table.frame) == names
    assert table.frame.to_numpy().tolist() == [["1"] * 100_000]


def test_a_parquet_file_that_stands_for_very_many_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_table, "_MOST_CELLS", 50_000)
    pq.write_table(pa.table({"id": pa.array(["a"] * 60_000)}), tmp_path / "t.parquet")
    assert (tmp_path / "t.parquet").stat().st_size < 5_000
    with pytest.raises(EmofuseError, match="states more cells than its size can stand for"):
        read_parquet(tmp_path / "t.parquet")


@pytest.mark.timeout(20)  # who opens a pipe waits
@pytest.mark.parametrize("read", [read_bytes, read_parquet])
def test_a_pipe_in_the_place_of_a_table(tmp_path: Path, read) -> None:
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(EmofuseError, match="is no regular file"):
        read(tmp_path / "t.csv")


@pytest.mark.timeout(30)  # column by column it would take a minute and more
def test_a_table_of_a_million_columns_is_refused_by_its_header(tmp_path: Path) -> None:
    many = 1_000_000
    text = ",".join(f"c{number}" for number in range(many)) + "\n" + ",".join("1" * many) + "\n"
    with pytest.raises(EmofuseError, match=r"t\.csv: has 1,000,000 columns, and at most 100,000 are read"):
        parse_csv(text, "t.csv")


def test_keys_and_columns_of_other_formats_are_counted_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_table, "_MOST_COLUMNS", 2)
    with pytest.raises(EmofuseError, match=r"t\.jsonl: has 3 columns"):
        parse_jsonl('{"a": 1, "b": 2}\n{"c": 3}\n', "t.jsonl")
    pq.write_table(pa.table({name: [1] for name in "abc"}), tmp_path / "t.parquet")
    with pytest.raises(EmofuseError, match=r"t\.parquet: has 3 columns"):
        read_parquet(tmp_path / "t.parquet")


def test_a_manifest_has_fewer_columns_than_a_table_may_have(tmp_path: Path) -> None:
    names = ["id", *(f"c{number}" for number in range(5_000))]
    (tmp_path / "m.csv").write_text(",".join(names) + "\n" + ",".join("1" * len(names)) + "\n")
    with pytest.raises(EmofuseError, match=r"m\.csv: has 5,001 columns, and a manifest has at most 5,000"):
        read_manifest_file(tmp_path / "m.csv")
