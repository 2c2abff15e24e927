"""The script that is prepared for an accelerator, on a CPU at a small size."""

from __future__ import annotations

import re

import pytest

from benchmarks import gpu

pytestmark = pytest.mark.usefixtures("quickly_spawned")


def test_it_measures_every_variant_and_two_ranks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["gpu", "--device", "cpu", "--tiny", "--no-compile"])
    gpu.main()
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    assert [row.split("|")[1].strip() for row in rows] == [
        *(variant.name for variant in gpu.VARIANTS if not variant.compiled),
        "bf16 autocast, two ranks",
    ]
    for row in rows:
        step = re.fullmatch(r"\|[^|]+\|[^|]+\| ([\d.]+) \|[^|]+\|", row)
        assert step is not None
        assert float(step[1]) > 0
