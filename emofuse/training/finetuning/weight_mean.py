"""The mean of the weights of several encoders that were fine-tuned from the same one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from torch.optim.swa_utils import AveragedModel

from emofuse.data.modality import Modality
from emofuse.encoders.fine_tuning import FineTuneSettings
from emofuse.encoders.pretrained import locate
from emofuse.training.finetuning.network import UtteranceClassifier, load_classifier
from emofuse.training.weight_average import running_mean


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
    mean: AveragedModel | None = None
    for folder in folders:
        tuned = load_classifier(locate(str(folder)), modality, labels, settings)
        mean = mean or AveragedModel(tuned, avg_fn=running_mean, use_buffers=True)
        mean.update_parameters(tuned)
    if mean is None:
        raise ValueError("no encoders to take the mean of")
    return cast(UtteranceClassifier, mean.module)
