"""An ensemble on disk: a folder of finished runs of one task, whose answers are averaged.

ensemble.json        which runs
seed-0, seed-1, ...  the runs, each complete in itself
predictions.parquet  the mean of what they said of the validation and the test part
metrics.json         how that scores, and what the ensemble costs
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emofuse.data.atomic import write_text_aside
from emofuse.data.paths import real_path
from emofuse.data.stored_files import DamagedFileError, is_there, stored_json
from emofuse.data.wording import is_name
from emofuse.errors import EmofuseError
from emofuse.runs.run_folder import RunFolder

ENSEMBLE_FILE = "ensemble.json"
_MOST_BYTES = 1 << 20  # a thousand names of folders
_LONGEST_NAME = 255


class EnsembleRecord(BaseModel):
    """ensemble.json.

    Attributes:
        runs: folders of the members, each a name inside of the ensemble's folder.
    """

    model_config = ConfigDict(extra="forbid")

    runs: list[str] = Field(min_length=2, max_length=1000)


def is_ensemble(folder: Path) -> bool:
    """Whether a folder says that it is one."""
    return is_there(folder / ENSEMBLE_FILE)


def write_ensemble(folder: Path, runs: list[str]) -> None:
    """Say which runs below a folder are its members."""
    record = EnsembleRecord(runs=runs)
    write_text_aside(folder / ENSEMBLE_FILE, record.model_dump_json(indent=1) + "\n")


def names_of(folder: Path) -> list[str]:
    """The runs that an ensemble's folder names; none where it is no ensemble.

    Raises:
        EmofuseError: the file is damaged.
    """
    return _read(folder).runs if is_ensemble(folder) else []


def members_of(folder: Path) -> list[RunFolder]:
    """The runs of an ensemble, finished and of one task.

    Raises:
        EmofuseError: the file is damaged, a member is named twice, lies elsewhere, is not finished, or tells other labels
            or values; or some members are calibrated and others are not.
    """
    file, record = folder / ENSEMBLE_FILE, _read(folder)
    _check_places(folder, record.runs)
    members = [RunFolder.open(folder / name) for name in record.runs]
    first_record = members[0].read_record()
    for member in members[1:]:
        other = member.read_record()
        if (other.task, other.labels) != (first_record.task, first_record.labels):
            raise EmofuseError(
                f"{member.path}: says something else than {members[0].path} ({other.task}, {len(other.labels)} labels); "
                f"the runs of an ensemble are of one task: take it out of {file}"
            )
    _check_calibrated_alike(folder, members)
    return members


def _check_places(folder: Path, names: Sequence[str]) -> None:
    """See that members are folders inside of this one, each another."""
    file, inside = folder / ENSEMBLE_FILE, real_path(folder)
    seen: dict[Path, str] = {}
    for name in names:
        if not is_name(name) or len(name) > _LONGEST_NAME:
            raise DamagedFileError(file, f"runs: {name[:40]!r} is no name of a folder", "train it again")
        place = real_path(folder / name)
        if Path(name).name != name or not place.is_relative_to(inside):
            raise EmofuseError(
                f"{file}: {name} lies outside of the folder; a member is a folder inside of it"
            )
        if place in seen:
            what = "a member twice" if seen[place] == name else f"{seen[place]} by another name"
            raise EmofuseError(f"{file}: {name} is {what}; take it out, or train it again")
        seen[place] = name


def _read(folder: Path) -> EnsembleRecord:
    file = folder / ENSEMBLE_FILE
    try:
        return EnsembleRecord.model_validate(stored_json(file, "train it again", _MOST_BYTES))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or ENSEMBLE_FILE
        raise DamagedFileError(file, f"{where}: {first['msg']}", "train it again") from None


def _check_calibrated_alike(folder: Path, members: Sequence[RunFolder]) -> None:
    """A mean of calibrated and of bare probabilities is neither."""
    calibrated = [member for member in members if member.calibration_file.exists()]
    bare = [member for member in members if member not in calibrated]
    if calibrated and bare:
        raise EmofuseError(
            f"{folder}: {calibrated[0].path} is calibrated and {bare[0].path} is not, so their probabilities have no mean; "
            f"run `emofuse evaluate {bare[0].path} --calibrate` (or {calibrated[0].path} with --no-calibrate), and then "
            f"`emofuse evaluate {folder}`"
        )
