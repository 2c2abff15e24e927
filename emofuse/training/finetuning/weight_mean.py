"""The mean of the weights of several encoders that were fine-tuned from the same one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from emofuse.data.modality import Modality
from emofuse.encoders.fine_tuning import FineTuneSettings
from emofuse.encoders.pretrained import locate
from emofuse.training.finetuning.network import UtteranceClassifier, load_classifier


def mean_of_encoders(
    folders: Sequence[Path], modality: Modality, labels: Sequence[str], settings: FineTuneSettings
) -> UtteranceClassifier:
    """One network, head included, with the mean of the weights (Wortsman et al. 2022, Model soups).

    Encoders that start from the same weights and differ in a share of their data stay in one basin of the loss, so the
    mean of their weights says about what the mean of their outputs would, at the cost of one.

    Args:
        folders: of fine-tuned encoders, one architecture.
        modality: what they read.
        labels: of their heads.
        settings: of the fine-tuning.
    """
    found: UtteranceClassifier | None = None
    mean: dict[str, Tensor] = {}
    for folder in folders:
        found = load_classifier(locate(str(folder)), modality, labels, settings)
        _add(mean, found.network.state_dict(), len(folders))
    if found is None:
        raise ValueError("no encoders to take the mean of")
    own = found.network.state_dict()
    found.network.load_state_dict({name: mean[name].to(own[name].dtype) for name in own})
    return found


def _add(mean: dict[str, Tensor], weights: Mapping[str, Tensor], count: int) -> None:
    """Add a share of the weights; counters and the like, which have no mean, stay those of the first."""
    for name, value in weights.items():
        if not torch.is_floating_point(value):
            mean.setdefault(name, value.clone())
        elif name in mean:
            mean[name] += value.double() / count
        else:
            mean[name] = value.double() / count
