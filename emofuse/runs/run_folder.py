"""The run folder: all that a prediction, a report and a repetition of the run need, read and written.

Where each of its files lies is in :mod:`emofuse.runs.run_files`, what run.json holds in :mod:`emofuse.runs.run_record`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from emofuse.data import Modality
from emofuse.data.atomic import write_text_aside, written_aside
from emofuse.data.stored_files import DamagedFileError, stored_json
from emofuse.data.wording import counted, first_few
from emofuse.encoders import EncoderSpec
from emofuse.errors import EmofuseError
from emofuse.evaluation import Split
from emofuse.models import model_info
from emofuse.runs.linear_record import LinearRecord, read_linear_record
from emofuse.runs.record_checks import check_parts_of_split, check_record
from emofuse.runs.run_files import RunFiles
from emofuse.runs.run_record import EncoderRecord, RunRecord
from emofuse.runs.settings import RunSettings

if TYPE_CHECKING:
    from torch import nn

    from emofuse.nn.linear_model import LinearModel


@dataclass(frozen=True)
class RunFolder(RunFiles):
    """One run: its files, read and written."""

    @classmethod
    def open(cls, path: Path | str) -> RunFolder:
        """An existing run that has been trained.

        Raises:
            EmofuseError: ``path`` is no run folder, or its training has not finished.
        """
        folder = cls(Path(path))
        if not folder.path.is_dir():
            above = folder.path.parent
            held = "" if above == Path() else runs_below(above, levels=1)
            advice = f"{above}: {held}" if held else "`emofuse train` makes one"
            raise EmofuseError(f"{path}: there is no such run folder; {advice}")
        if (folder.path / "ensemble.json").exists():
            raise EmofuseError(
                f"{path}: holds an ensemble, which `emofuse predict` and `emofuse evaluate` take; here, name one of its runs, "
                f"such as {Path(path) / 'seed-0'}"
            )
        if not folder.record_file.exists():
            raise EmofuseError(f"{path}: not a run folder, run.json is missing; {_to_name(folder.path)}")
        if not folder.weights_file.exists() and (folder.path / "export.json").exists():
            raise EmofuseError(f"{path}: is an exported run, which only predicts; name the run itself")
        if not folder.weights_file.exists():
            raise EmofuseError(f"{path}: its training has not finished; repeat its command with --resume")
        return folder

    def read_settings(self) -> RunSettings:
        """The settings the run was made with."""
        return RunSettings.from_yaml(self.path / "config.yaml")

    def write_settings(self, settings: RunSettings) -> None:
        """Write config.yaml."""
        write_text_aside(self.path / "config.yaml", settings.to_yaml())

    def read_record(self) -> RunRecord:
        """Read run.json; a damaged one is one clear line."""
        content = stored_json(self.record_file, "train again")
        try:
            record = RunRecord.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "run.json"
            raise DamagedFileError(
                self.record_file, f"edited, or another version's: {where}: {first['msg']}", "train again"
            ) from None
        check_record(record, self.record_file)
        return record

    def write_record(self, record: RunRecord) -> None:
        """Write run.json."""
        write_text_aside(self.record_file, record.model_dump_json(by_alias=True, indent=2) + "\n")

    def read_split(self) -> Split:
        """The ids of the three parts; a damaged file is one clear line."""
        file = self.path / "split.json"
        parts = stored_json(file, "train again")
        return Split(**check_parts_of_split(parts, file))

    def write_split(self, split: Split) -> None:
        """Write split.json."""
        parts = {"train": split.train, "val": split.val, "test": split.test}
        write_text_aside(self.path / "split.json", json.dumps(parts, ensure_ascii=False, indent=1) + "\n")

    def save_weights(self, model: nn.Module) -> None:
        """Write the weights, contiguous and on the CPU, as safetensors."""
        from safetensors.torch import save

        state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
        with written_aside(self.weights_file) as aside:
            aside.write_bytes(
                save(state)
            )  # the library's own writer makes a file that its owner alone may read

    def load_model(self, record: RunRecord) -> nn.Module:
        """The system as recorded, with its weights, pooled with a linear model where the run has one.

        Nothing is downloaded. See `load_stored_model`.

        Raises:
            EmofuseError: as there; or the settings ask for a linear model, and it is not there.
        """
        system = self.load_system(record)
        if self.linear_file.exists():
            from emofuse.runs.stored_linear import load_pooled

            return load_pooled(system, record, self.linear_file, self.linear_weights_file)
        if self.read_settings().linear_pool:
            raise EmofuseError(
                f"{self.path}: linear.json is missing; repeat its `emofuse train` with --resume, which makes it"
            )
        return system

    def load_system(self, record: RunRecord) -> nn.Module:
        """The system alone, whether the run is a pool or not."""
        from emofuse.runs.stored_model import load_stored_model

        return load_stored_model(record, self.record_file, self.weights_file)

    def read_linear(self) -> LinearRecord | None:
        """linear.json; None of a run that is no pool.

        Raises:
            EmofuseError: it is damaged.
        """
        return read_linear_record(self.linear_file) if self.linear_file.exists() else None

    def write_linear(self, record: LinearRecord, model: LinearModel) -> None:
        """Keep the linear model that the system is pooled with."""
        from emofuse.runs.stored_linear import write_linear

        write_linear(self.linear_file, self.linear_weights_file, record, model)

    def title(self, record: RunRecord) -> str:
        """What made the run's predictions, in print: ``MFCRE``, or ``MFCRE + linear`` of a pool."""
        return model_info(record.model_name).title + self._pooled

    def model_name(self, record: RunRecord) -> str:
        """The same by the system's name."""
        return record.model_name + self._pooled

    @property
    def _pooled(self) -> str:
        return " + linear" if self.linear_file.exists() else ""

    def encoder_spec(self, record: EncoderRecord, modality: Modality) -> EncoderSpec:
        """How to make an encoder again: from the copy in this folder where one was kept."""
        copy = self.encoder_folder(modality)
        return record.spec.model_copy(update={"name": str(copy)}) if copy.is_dir() else record.spec


def _to_name(folder: Path) -> str:
    return runs_below(folder) or "name one that `emofuse train` made"


def runs_below(folder: Path, levels: int = 2) -> str:
    """What to name in the place of a folder that is no run: a finished run of it, such as one of all folds.

    Args:
        folder: is looked through.
        levels: how deep.

    Returns:
        Empty where there is none.
    """
    below = [file for level in range(levels) for file in sorted(folder.glob("*/" * (level + 1) + "run.json"))]
    runs = [file.parent for file in below if RunFolder(file.parent).weights_file.exists()]
    if not runs:
        return ""
    names = first_few([run.relative_to(folder).as_posix() for run in runs], 3)
    return f"it holds {counted(len(runs), 'run')} ({names}): name one of them, such as {runs[0]}"


def fingerprints_below(folder: Path) -> set[str]:
    """The data fingerprints on record in the run folders below a folder."""
    return {RunFolder(file.parent).read_record().data_fingerprint for file in folder.rglob("run.json")}
