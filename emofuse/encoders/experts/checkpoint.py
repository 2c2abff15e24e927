"""A classifier of transformers by name or folder: its classes first, its weights once they are understood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers import (
    MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING,
    MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    AutoModelForAudioClassification,
    AutoModelForImageClassification,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)

from emofuse.data.modality import Modality
from emofuse.encoders import face_cnn, voice_cnn  # noqa: F401 - makes their classes known to the library
from emofuse.encoders.checkpoint_files import load_checkpoint
from emofuse.encoders.pretrained import Source, load_config, locate
from emofuse.encoders.spec import EMBEDDED, EncoderSpec
from emofuse.errors import EmofuseError

_CLASSIFIERS: dict[Modality, tuple[Any, Any]] = {
    "text": (AutoModelForSequenceClassification, MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING),
    "audio": (AutoModelForAudioClassification, MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING),
    "video": (AutoModelForImageClassification, MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING),
}
_MOST_CLASSES = 10_000


@dataclass(frozen=True)
class Checkpoint:
    """A classifier whose weights have not been read.

    Attributes:
        spec: modality, name and how it is used.
        source: where it comes from.
        config: its configuration.
        labels: its C classes by name.
        several: the classes do not exclude each other.
    """

    spec: EncoderSpec
    source: Source
    config: Any
    labels: tuple[str, ...]
    several: bool

    def load(self, device: torch.device | str, dtype: torch.dtype) -> PreTrainedModel:
        """The model with its weights: safetensors, or the tensors of a pickle.

        Raises:
            EmofuseError: they cannot be had or read, or are not all there.
        """
        auto, _ = _CLASSIFIERS[self.spec.modality]
        return load_checkpoint(self.source, device, dtype, auto)


def read_checkpoint(spec: EncoderSpec) -> Checkpoint:
    """What the configuration of a classifier says; of a hub model no more is fetched.

    Raises:
        EmofuseError: it cannot be had, or is no classifier of its modality.
    """
    name = f"{spec.modality} expert {spec.name}"
    if spec.name in EMBEDDED:
        raise EmofuseError(
            f"{name}: an encoder of emofuse and no classifier; name a classifier of transformers"
        )
    source = locate(spec.name, spec.revision, pickles=True)
    if source.folder is not None and (source.folder / "adapter_config.json").exists():
        raise EmofuseError(f"{name}: an adapter of another model; merge the two and name the folder of that")
    config = load_config(source)
    auto, known = _CLASSIFIERS[spec.modality]
    if type(config) not in known:
        raise EmofuseError(
            f"{name}: transformers has no classifier of the class {config.model_type} for {spec.modality}; "
            f"name a model of {auto.__name__}"
        )
    return Checkpoint(
        spec, source, config, _labels(name, config), config.problem_type == "multi_label_classification"
    )


def _labels(name: str, config: Any) -> tuple[str, ...]:
    count = config.num_labels
    if config.problem_type == "regression" or count < 2:
        raise EmofuseError(
            f"{name}: predicts a value and tells no classes apart; name a classifier of emotions"
        )
    if count > _MOST_CLASSES:
        raise EmofuseError(
            f"{name}: has {count:,} classes, which are no emotions; name a classifier of emotions"
        )
    found = config.id2label
    # What is printed must not move the cursor of a terminal.
    labels = ["".join(c for c in str(found.get(i, f"LABEL_{i}")) if c.isprintable()) for i in range(count)]
    twice = [label for label in labels if labels.count(label) > 1]
    if twice:
        raise EmofuseError(
            f"{name}: two classes have the name {twice[0]!r}; mend id2label in its config.json"
        )
    return tuple(labels)
