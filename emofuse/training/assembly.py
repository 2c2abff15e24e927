"""A new system in the sizes of its encoders, its scalers fitted on the training part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn

from emofuse.data import Modality
from emofuse.errors import EmofuseError
from emofuse.features import FeatureReader
from emofuse.features.cross_fitted import CrossFittedFeatures
from emofuse.features.normalisation import NormalisedFeatures
from emofuse.models import create_model, model_info
from emofuse.runs.modalities import EncodedModality
from emofuse.runs.settings import RunSettings
from emofuse.runs.tasks import Task

# What is enough to know the mean and spread of a sequence's features by: steps of one utterance, and numbers.
_SCALER_STEPS, _SCALER_NUMBERS = 32, 1 << 25


def assemble_model(
    settings: RunSettings,
    task: Task,
    modalities: Sequence[Modality],
    encoded: Mapping[Modality, EncodedModality],
    train_ids: Sequence[str],
) -> nn.Module:
    """The system in the sizes of its encoders, its feature scalers fitted on the training part alone."""
    found: dict[str, Any] = {f"{modality}_dim": part.identity.dim for modality, part in encoded.items()}
    found |= {**task.model_options(), "modalities": tuple(modalities)}
    for name in settings.model.options:
        if name in found:
            raise EmofuseError(
                f"setting model.options.{name}: it follows from model.modalities, model.task, the labels and the "
                "encoders; leave it out"
            )
    model = create_model(settings.model.name, preset=settings.model.preset, **found, **settings.model.options)
    for modality, part in encoded.items():
        held = [i for i in train_ids if i in part.reader]
        if not held:
            raise EmofuseError(f"no training row has usable {modality}; see quarantine.csv, or leave it out")
        steps = (
            _steps(part.reader, held)
            if model_info(model).takes(modality) == "steps"
            else part.reader.matrix(held)
        )
        model.get_submodule(f"scalers.{modality}").fit(steps)  # type: ignore[operator]
    return model


def _steps(
    reader: FeatureReader | CrossFittedFeatures | NormalisedFeatures, ids: Sequence[str]
) -> np.ndarray:
    """(steps, dim) of utterances and steps chosen evenly, no more than memory should hold."""
    some = ids[:: 1 + len(ids) * _SCALER_STEPS * reader.dim // _SCALER_NUMBERS]
    sequences = (np.atleast_2d(reader[i]) for i in some)
    return np.concatenate([sequence[:: 1 + len(sequence) // _SCALER_STEPS] for sequence in sequences])
