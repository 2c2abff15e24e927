"""What lies where a manifest is to be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from emofuse.data.replaced_manifest import replaced_manifest
from emofuse.errors import EmofuseError


def test_a_manifest_is_read_and_anything_else_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "manifest.csv"
    assert replaced_manifest(target, "--out") is None
    target.write_text("id,text\na,Hello.\n", "utf-8")
    held = replaced_manifest(target, "--out")
    assert held is not None
    assert held.ids == ["a"]
    target.write_text("my notes\n", "utf-8")
    with pytest.raises(
        EmofuseError, match=r"manifest\.csv: is there already and is no manifest; name another file with -o"
    ):
        replaced_manifest(target, "-o")
