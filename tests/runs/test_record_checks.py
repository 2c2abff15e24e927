"""What is read of a run's record is fit to be shown."""

import json
import shutil
from pathlib import Path

import pytest

from emofuse.errors import EmofuseError
from emofuse.runs.run_folder import RunFolder

EARLIER = Path(__file__).parent / "earlier_run"


@pytest.mark.parametrize("label", ["joy\n", "\x1b[2J", "\ud800"])
def test_a_label_that_no_corpus_has_is_one_line(tmp_path: Path, label: str) -> None:
    folder = RunFolder(Path(shutil.copytree(EARLIER, tmp_path / "run")))
    record = json.loads(folder.record_file.read_text())
    record["labels"][0] = label
    folder.record_file.write_text(json.dumps(record))
    with pytest.raises(EmofuseError, match=r"run\.json: damaged .its label .* holds a character") as told:
        folder.read_record()
    assert str(told.value).isprintable()


def test_a_split_without_a_test_part_is_one_line(tmp_path: Path) -> None:
    folder = RunFolder(Path(shutil.copytree(EARLIER, tmp_path / "run")))
    split = json.loads((folder.path / "split.json").read_text())
    (folder.path / "split.json").write_text(json.dumps({**split, "test": []}))
    with pytest.raises(EmofuseError, match=r"split\.json: damaged .its part test is empty"):
        folder.read_split()
