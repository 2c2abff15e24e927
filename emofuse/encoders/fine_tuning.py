"""Stage 1: how a pretrained encoder is fine-tuned, and what a fine-tuned one says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from emofuse.data.modality import Modality
from emofuse.data.stored_files import stored_json
from emofuse.encoders.end_to_end import EndToEndSettings
from emofuse.errors import EmofuseError

RECORD_FILE = "emofuse.json"
"""Stands beside the weights of an encoder that emofuse fine-tuned, and travels with every copy of them."""


class FineTuneSettings(BaseModel):
    """How an encoder's weights are changed to tell emotions apart, on the training part of a split.

    Which model, its pooling and its context are settings of the encoder itself.

    Attributes:
        epochs: at most so many.
        epoch_size: utterances of an epoch; the whole training part by default. After a smaller one the validation
            part is asked, and an interrupted fine-tuning can be taken up, more often; epochs then go through
            the training part in turn.
        patience: epochs without a better ``monitor`` after which it stops.
        monitor: what chooses the epoch, on the validation part: the weighted F1, or ``"val_loss"``, the unweighted
            cross-entropy.
        learning_rate: of the encoder, at the end of the warm-up.
        head_learning_rate: of the classifier on top, which starts at random.
        weight_decay: of AdamW, on matrices alone.
        warmup_fraction: share of all steps in which the rate rises; it falls linearly to 0 afterwards.
        batch_size: utterances in memory at once.
        accumulate: batches whose gradients are summed for one step.
        gradient_clip: largest gradient norm; 0 clips nothing.
        class_weights: ``"balanced"`` weighs classes by their inverse frequency in the training part.
        label_smoothing: share of the target that is spread over all classes.
        dropout: probability in the encoder's layers and before the classifier; None keeps the model's own.
        freeze_layers: so many of the lowest transformer layers stay as they are.
        freeze_front: what stands before them stays as it is: the convolutional feature extractor of a speech
            model, the embeddings of a text or an image model. By default so for speech alone.
        layer_drop: speech: probability with which a whole layer is skipped in training; None keeps the
            model's own.
        spec_augment: speech: share of the time steps that are hidden in training.
        noise_snr: speech: lowest ratio in dB of the sound to white noise added to half of the utterances in
            training, drawn up to 20 dB above it; None adds none.
        gain: speech: largest change of loudness in training, in dB, either way.
        picture_changes: pictures: how far they are changed in training: 1 as far as
            `emofuse.training.finetuning.face_augmentation` says, 0 not at all, 0.5 half as far.
        time_shift: speech: largest shift in training, in seconds, either way; what leaves one end is lost.
        pitch: speech: largest change of pitch in training, in semitones, either way, of half of the utterances.
        tempo: speech: largest change of speed in training, as a share, either way, of half of the utterances.
        gradient_checkpointing: recompute the layers in the backward pass instead of storing them.
        precision: ``"bf16"`` runs the network under autocast; ``"auto"`` does so where the GPU can.
        cross_fit: so many more encoders are fine-tuned, each on all of the training part but a group of whole dialogues
            (of whole speakers, where the protocol holds speakers out), and encode that group for the system that is
            trained on the features. What is not of the training part is encoded as ``cross_fit_rest`` says.
        cross_fit_rest: ``"all"``: by one more encoder, tuned on all of the training part. ``"mean"``: by the mean of the
            weights of the encoders of the groups, which needs no further training (Wortsman et al. 2022).
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    epochs: int = Field(default=5, ge=1)
    epoch_size: int | None = Field(default=None, ge=1)
    patience: int = Field(default=2, ge=1)
    monitor: Literal["val_weighted_f1", "val_loss"] = "val_weighted_f1"
    learning_rate: float = Field(default=3e-5, gt=0)
    head_learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_fraction: float = Field(default=0.1, ge=0, lt=1)
    batch_size: int = Field(default=16, ge=1)
    accumulate: int = Field(default=1, ge=1)
    gradient_clip: float = Field(default=1.0, ge=0)
    class_weights: Literal["none", "balanced"] = "none"
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    dropout: float | None = Field(default=None, ge=0, lt=1)
    freeze_layers: int = Field(default=0, ge=0)
    freeze_front: bool | None = None
    layer_drop: float | None = Field(default=None, ge=0, lt=1)
    spec_augment: float = Field(default=0.0, ge=0, lt=1)
    noise_snr: float | None = None
    gain: float = Field(default=0.0, ge=0)
    time_shift: float = Field(default=0.0, ge=0)
    pitch: float = Field(default=0.0, ge=0, le=12)
    tempo: float = Field(default=0.0, ge=0, le=0.4)
    picture_changes: float = Field(default=1.0, ge=0, le=2)
    gradient_checkpointing: bool = False
    precision: Literal["auto", "32", "bf16"] = "auto"
    cross_fit: int | None = Field(default=None, ge=2, le=100)
    cross_fit_rest: Literal["all", "mean"] = "all"

    @model_validator(mode="after")
    def _rest_of_groups(self) -> FineTuneSettings:
        if self.cross_fit is None and self.cross_fit_rest == "mean":
            raise ValueError("cross_fit_rest mean is of the encoders of a cross-fitting; set cross_fit too")
        return self


# What a network of voices that starts from nothing is trained with beside the usual.
VOICE_TRAINING: Mapping[str, Any] = MappingProxyType(
    {
        "epochs": 40,
        "patience": 20,
        "learning_rate": 1e-3,
        "head_learning_rate": 1e-3,
        "batch_size": 32,
        "warmup_fraction": 0.1,
        "spec_augment": 0.15,
        "noise_snr": 10.0,
        "gain": 10.0,
        "pitch": 1.5,
        "tempo": 0.1,
    }
)


def training_settings(**changed: Any) -> FineTuneSettings:
    """How a network that starts from nothing is trained, where ``changed`` does not say otherwise."""
    usual: dict[str, Any] = {
        "epochs": 30,
        "patience": 10,
        "learning_rate": 2e-3,
        "head_learning_rate": 2e-3,
        "weight_decay": 0.05,
        "warmup_fraction": 0.03,
        "batch_size": 64,
        "gradient_clip": 5.0,
        "label_smoothing": 0.1,
    }
    return FineTuneSettings.model_validate(usual | changed)


class FineTunedRecord(BaseModel):
    """What an encoder was fine-tuned on and how, in :data:`RECORD_FILE`.

    Attributes:
        modality: what it reads.
        base: the model that it was made of.
        base_revision: SHA-256 of the base's files, or the hub's commit.
        reading: how utterances are to be read, as in fine-tuning: settings of `EncoderSpec` by name.
        settings: of the fine-tuning; None where it learnt together with a system.
        end_to_end: settings of that.
        seed: of the head, the order and the augmentation.
        labels: classes of its head, or of the system.
        data_fingerprint: of the whole manifest.
        protocol: that made the split, if one did.
        fold: of that protocol.
        parts: part → number of utterances.
        seen: marks of the utterances that the weights were fitted to or chosen by, see
            `emofuse.evaluation.protocols.same_utterances`, without those that other utterances of the corpus carry too. A
            run must not be judged on any of them.
        scores: part → weighted F1 and the like.
        best_epoch: the epoch that was kept, from 0; None of a mean of several encoders' weights.
        environment: versions, platform and command.
    """

    model_config = ConfigDict(extra="forbid")

    modality: Modality
    base: str
    base_revision: str
    reading: dict[str, Any]
    settings: FineTuneSettings | None
    end_to_end: EndToEndSettings | None = None
    seed: int
    labels: list[str]
    data_fingerprint: str
    protocol: str | None
    fold: int | None
    parts: dict[str, int]
    seen: list[str]
    scores: dict[str, dict[str, float]]
    best_epoch: int | None
    environment: dict[str, Any]


def read_fine_tuned(folder: Path) -> FineTunedRecord | None:
    """The record of a fine-tuned encoder; None where emofuse did not fine-tune what the folder holds.

    Raises:
        EmofuseError: there is a record and it cannot be read.
    """
    path = folder / RECORD_FILE
    try:
        if not path.exists():
            return None
        return FineTunedRecord.model_validate(stored_json(path, "fine-tune again"))
    except (ValidationError, ValueError) as error:
        raise EmofuseError(
            f"{path}: damaged or of another version ({str(error).splitlines()[0]}); fine-tune again"
        ) from None
