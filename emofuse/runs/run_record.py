"""run.json: what a run was made of, where and how."""

from __future__ import annotations

import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from emofuse.data import Modality
from emofuse.encoders import EncoderSpec
from emofuse.encoders.end_to_end import EndToEndSettings
from emofuse.features import EncoderIdentity
from emofuse.models.system_info import Task

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
