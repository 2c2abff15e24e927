"""Delimited text, whatever it holds."""

import pytest

from emofuse.data.raw_table import parse_csv


@pytest.mark.timeout(60)  # in time that grows with the square of the columns it would take ten minutes
def test_tables_of_very_many_columns() -> None:
    names = [f"c{number}" for number in range(100_000)]
    table = parse_csv(",".join(names) + "\n" + ",".join("1" * 100_000) + "\n", "t.csv")
    assert list(table.frame) == names
    assert table.frame.to_numpy().tolist() == [["1"] * 100_000]
