"""Members of an ensemble whose probabilities have no mean are refused."""

import shutil
from pathlib import Path

import pytest

from emofuse.errors import EmofuseError
from emofuse.runs.ensemble_folder import is_ensemble, members_of, write_ensemble

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


LISTS = {
    "twice": ('["seed-0", "seed-0"]', "seed-0 is a member twice"),
    "a link to another": ('["seed-0", "link"]', "link is seed-0 by another name"),
    "a link to itself": ('["seed-0", "loop"]', "loop.* there is no such run folder"),
    "half a character": (r'["seed-0", "\ud800"]', r"'\\ud800' is no name of a folder"),
    "a line break": (r'["seed-0", "a\nb\u001b[2J"]', r"'a\\nb\\x1b\[2J' is no name of a folder"),
    "nothing": ('["seed-0", ""]', "'' is no name of a folder"),
    "long": (f'["seed-0", "{"a" * 1000}"]', "a' is no name of a folder"),
    "elsewhere": ('["seed-0", "../elsewhere"]', "elsewhere lies outside of the folder"),
    "absolute": ('["seed-0", "/elsewhere"]', "/elsewhere lies outside of the folder"),
    "large": (f'["seed-0", "{"a" * (2 << 20)}"]', "bytes, and at most 1,048,576 make sense"),
    "no file": (None, "ensemble.json: cannot be read .it is no regular file"),
}


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_that_nobody_has_written_for_averaging_is_one_line(tmp_path: Path, kind: str) -> None:
    names, line = LISTS[kind]
    shutil.copytree(EARLIER, tmp_path / "seed-0")
    (tmp_path / "link").symlink_to("seed-0")
    (tmp_path / "loop").symlink_to("loop")
    if names is None:
        (tmp_path / "ensemble.json").mkdir()
    else:
        (tmp_path / "ensemble.json").write_text(f'{{"runs": {names}}}')
    assert is_ensemble(tmp_path)
    with pytest.raises(EmofuseError, match=line) as told:
        members_of(tmp_path)
    assert str(told.value).isprintable()
    assert len(str(told.value)) < 400 + len(str(tmp_path))
