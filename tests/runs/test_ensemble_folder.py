"""Members of an ensemble whose probabilities have no mean are refused."""

import shutil
from pathlib import Path

import pytest

from emofuse.errors import EmofuseError
from emofuse.runs.ensemble_folder import members_of, write_ensemble

EARLIER = Path(__file__).parent / "earlier_run"


def test_calibrated_and_bare_members_are_not_averaged(tmp_path: Path) -> None:
    for name in ("seed-0", "seed-1"):
        shutil.copytree(EARLIER, tmp_path / name)
    write_ensemble(tmp_path, ["seed-0", "seed-1"])
    assert len(members_of(tmp_path)) == 2
    (tmp_path / "seed-1" / "calibration.json").write_text("{}")
    with pytest.raises(
        EmofuseError, match=r"seed-1 is calibrated and .*seed-0 is not.*seed-0 --calibrate`"
    ) as told:
        members_of(tmp_path)
    assert "\n" not in str(told.value)
    (tmp_path / "seed-0" / "calibration.json").write_text("{}")
    assert len(members_of(tmp_path)) == 2
