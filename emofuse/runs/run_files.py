"""Where each file of a run folder lies.

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

from dataclasses import dataclass
from pathlib import Path

from emofuse.data import Modality
from emofuse.data.paths import real_path
from emofuse.errors import EmofuseError


@dataclass(frozen=True)
class RunFiles:
    """The paths in a run folder, whether they are there or not."""

    path: Path

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
    def calibration_file(self) -> Path:
        """calibration.json."""
        return self.path / "calibration.json"

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
        if not real_path(place).is_relative_to(real_path(self.path)):
            raise EmofuseError(f"{place}: leads out of the run folder; remove the link")
        return place

    def encoder_folder(self, modality: Modality) -> Path:
        """Where a copy of a local encoder is kept."""
        return self.path / "encoders" / modality
