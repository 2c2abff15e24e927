"""A run that is calibrated anew leaves no scores of the old temperature in the folders above it."""

import shutil
import warnings
from pathlib import Path

import pytest

from emofuse.errors import EmofuseWarning
from emofuse.inference.calibration import Calibration, set_calibration
from emofuse.runs.ensemble_folder import write_ensemble
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.scored_together import SCORES

EARLIER = Path(__file__).parent.parent / "runs" / "earlier_run"
NEW = Calibration(temperature=2.0, utterances=9, nll_before=1, nll_after=0.9, ece_before=0.2, ece_after=0.1)


def runs_at(*places: Path) -> list[RunFolder]:
    return [RunFolder(Path(shutil.copytree(EARLIER, place))) for place in places]


def score(folder: Path) -> None:
    for name in SCORES:
        (folder / name).write_text("scores", encoding="utf-8")


def test_those_of_an_ensemble_go_once_a_member_is_calibrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    member, stranger = runs_at(tmp_path / "two" / "seed-0", tmp_path / "two" / "other")
    write_ensemble(tmp_path / "two", ["seed-0", "seed-1"])
    score(tmp_path / "two")
    set_calibration(stranger, NEW)
    assert (tmp_path / "two" / "metrics.json").exists(), "it is no member"
    monkeypatch.chdir(member.path)
    with pytest.warns(
        EmofuseWarning, match=r"two: its scores are .* were removed; `emofuse evaluate .*two` makes them"
    ):
        set_calibration(RunFolder(Path()), NEW)
    assert [file.name for file in (tmp_path / "two").iterdir() if file.is_file()] == ["ensemble.json"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        set_calibration(member, None)  # nothing is left to be removed


@pytest.mark.parametrize("seeds", [True, False])
def test_those_of_a_cross_validation_go_too(tmp_path: Path, seeds: bool) -> None:
    folds = tmp_path / "all" / "seed-0" if seeds else tmp_path / "all"
    [fold] = runs_at(folds / "fold-00")
    for folder in {folds, tmp_path / "all"}:
        (folder / "config.yaml").write_text("{}", encoding="utf-8")
        score(folder)
    score(tmp_path)
    with pytest.warns(EmofuseWarning, match="its `emofuse train` with --resume makes them again"):
        set_calibration(fold, NEW)
    for folder in {folds, tmp_path / "all"}:
        assert [file.name for file in folder.iterdir() if file.is_file()] == ["config.yaml"]
    assert (tmp_path / "metrics.json").exists(), "what only lies above is not touched"
