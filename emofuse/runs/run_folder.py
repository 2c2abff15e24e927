"""The run folder: all that a prediction, a report and a repetition of the run need.

config.yaml          the settings, complete
run.json             what was made: versions, seed, labels, model, encoders, data fingerprint, status
split.json           the ids of the training, validation and test part
corpus.parquet       a digest of every row of the corpus that the run belongs to
model.safetensors    the best weights
linear.safetensors, linear.json  the linear model that the system is pooled with, where the settings ask for it
normalisation.safetensors  the training part's mean and spread, where features are standardised per speaker
encoders/<modality>  copies of encoders that were given as local folders, and encoders that have learnt in the run
history.csv          one line per epoch
test-epochs.csv      scores of the test part after every epoch, where they were asked for: optimistic
predictions.parquet  validation and test predictions with probabilities
pool.parquet         what the system and the linear model of a pool say alone of the test part
metrics.json, report.html, report.md, figures/
familiarity.safetensors  what the training features look like, to know what is unlike them
calibration.json     the temperature of the probabilities, where it was asked for
features/            features that were made while the finished run was scored
quarantine.csv       media that could not be decoded, with reasons
checkpoints/         only while the run is under way
"""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emofuse.data import Modality
from emofuse.data.atomic import write_text_aside, written_aside
from emofuse.data.stored_files import DamagedFileError, stored_json
from emofuse.encoders import EncoderSpec
from emofuse.encoders.end_to_end import EndToEndSettings
from emofuse.errors import EmofuseError
from emofuse.evaluation import Split
from emofuse.features import EncoderIdentity
from emofuse.models import model_info
from emofuse.models.registry import Task
from emofuse.runs.linear_record import LinearRecord, read_linear_record
from emofuse.runs.record_checks import check_parts_of_split, check_record
from emofuse.runs.settings import RunSettings

if TYPE_CHECKING:
    from torch import nn

    from emofuse.nn.linear_model import LinearModel

RECORDED_PACKAGES = ("torch", "transformers", "lightning", "av", "scikit-learn", "numpy", "pandas", "pyarrow")


class EndToEndRecord(BaseModel):
    """What an encoder was that has learnt together with the run's system.

    Attributes:
        base: the model that it was made of.
        base_revision: SHA-256 of its files, or the hub's commit.
        settings: how it learnt.
        learnt_parameters: how many of its numbers did.
        parameters: how many it has.
    """

    base: str
    base_revision: str
    settings: EndToEndSettings
    learnt_parameters: int
    parameters: int

    @property
    def line(self) -> str:
        """The same for a person."""
        return (
            f"{self.base}, {self.learnt_parameters:,} of its {self.parameters:,} parameters, at a rate of "
            f"{self.settings.learning_rate:g} that falls by {self.settings.layer_decay:g} from layer to layer"
        )


class EncoderRecord(BaseModel):
    """Which encoder made a modality's features, and how to make it again.

    Attributes:
        spec: its settings.
        identity: what keys its features.
        cross_fit: where the training part was cross-fitted, how much surer an encoder is of what it has seen.
        end_to_end: where it has learnt together with the system, what it was before, and how it learnt.
    """

    spec: EncoderSpec
    identity: EncoderIdentity
    cross_fit: str | None = None
    end_to_end: EndToEndRecord | None = None


class RunRecord(BaseModel):
    """run.json."""

    model_config = ConfigDict(protected_namespaces=())

    emofuse: str
    python: str
    platform: str
    packages: dict[str, str]
    command: list[str]
    started: str
    seed: int
    threads: int | None = None
    task: Task = "classification"
    labels: list[str]
    model_name: str
    model_config_: dict[str, Any] = Field(alias="model_config", serialization_alias="model_config")
    parameters: int
    encoders: dict[Modality, EncoderRecord]
    data_fingerprint: str
    protocol: str
    optimistic: bool
    synthetic: bool = False
    status: Literal["created", "fitted", "evaluated"] = "created"
    best_epoch: int | None = None
    fit_seconds: float | None = None


def installed_versions() -> dict[str, str]:
    """Versions of the packages that decide numbers."""
    versions = {}
    for package in RECORDED_PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def environment() -> dict[str, Any]:
    """The part of a run record that describes where and how it was made."""
    return {
        "emofuse": version("emofuse"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": installed_versions(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


@dataclass(frozen=True)
class RunFolder:
    """Paths, reading and writing of one run."""

    path: Path

    @classmethod
    def open(cls, path: Path | str) -> RunFolder:
        """An existing run that has been trained.

        Raises:
            EmofuseError: ``path`` is no run folder, or its training has not finished.
        """
        folder = cls(Path(path))
        if not folder.path.is_dir():
            raise EmofuseError(f"{path}: there is no such run folder; `emofuse train` makes one")
        if (folder.path / "ensemble.json").exists():
            raise EmofuseError(
                f"{path}: holds an ensemble, which `emofuse predict` and `emofuse evaluate` take; here, name one of its runs, "
                f"such as {Path(path) / 'seed-0'}"
            )
        if not folder.record_file.exists():
            raise EmofuseError(
                f"{path}: not a run folder, run.json is missing; name one that `emofuse train` made"
            )
        if not folder.weights_file.exists() and (folder.path / "export.json").exists():
            raise EmofuseError(f"{path}: is an exported run, which only predicts; name the run itself")
        if not folder.weights_file.exists():
            raise EmofuseError(f"{path}: its training has not finished; repeat its command with --resume")
        return folder

    @property
    def record_file(self) -> Path:
        """run.json."""
        return self.path / "run.json"

    @property
    def weights_file(self) -> Path:
        """model.safetensors."""
        return self.path / "model.safetensors"

    @property
    def normalisation_file(self) -> Path:
        """normalisation.safetensors."""
        return self.path / "normalisation.safetensors"

    @property
    def checkpoints(self) -> Path:
        """Where an interrupted run can be taken up."""
        return self.path / "checkpoints"

    @property
    def history_file(self) -> Path:
        """history.csv."""
        return self.path / "history.csv"

    @property
    def test_epochs_file(self) -> Path:
        """Scores of the test part after every epoch, where the settings ask for them; nothing is chosen by them."""
        return self.path / "test-epochs.csv"

    @property
    def predictions_file(self) -> Path:
        """predictions.parquet."""
        return self.path / "predictions.parquet"

    @property
    def baselines_file(self) -> Path:
        """What linear models on the same features say of the held-out parts."""
        return self.path / "baselines.parquet"

    @property
    def linear_file(self) -> Path:
        """linear.json, which is there where the system is pooled with a linear model."""
        return self.path / "linear.json"

    @property
    def linear_weights_file(self) -> Path:
        """linear.safetensors."""
        return self.path / "linear.safetensors"

    @property
    def pool_file(self) -> Path:
        """What the parts of a pool say alone of the test part."""
        return self.path / "pool.parquet"

    @property
    def quarantine_file(self) -> Path:
        """quarantine.csv."""
        return self.path / "quarantine.csv"

    @property
    def features(self) -> Path:
        """Features that were made while the finished run was scored."""
        return self.path / "features"

    def inside(self, *names: str) -> Path:
        """A place below this folder that is written to.

        Raises:
            EmofuseError: a link leads from there to somewhere else.
        """
        place = self.path.joinpath(*names)
        if not place.resolve().is_relative_to(self.path.resolve()):
            raise EmofuseError(f"{place}: leads out of the run folder; remove the link")
        return place

    def encoder_folder(self, modality: Modality) -> Path:
        """Where a copy of a local encoder is kept."""
        return self.path / "encoders" / modality

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


def fingerprints_below(folder: Path) -> set[str]:
    """The data fingerprints on record in the run folders below a folder."""
    return {RunFolder(file.parent).read_record().data_fingerprint for file in folder.rglob("run.json")}
