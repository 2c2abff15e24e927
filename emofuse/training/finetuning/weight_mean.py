"""The mean of the weights of several encoders that were fine-tuned from the same one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar, cast

from torch import nn
from torch.optim.swa_utils import AveragedModel

from emofuse.data.modality import Modality
from emofuse.encoders.fine_tuning import FineTuneSettings
from emofuse.encoders.pretrained import locate
from emofuse.training.finetuning.network import UtteranceClassifier, load_classifier
from emofuse.training.weight_average import running_mean

Network = TypeVar("Network", bound=nn.Module)


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
    return mean_of_networks(
        load_classifier(locate(str(folder)), modality, labels, settings) for folder in folders
    )


def mean_of_networks(networks: Iterable[Network]) -> Network:
    """One network with the mean of the weights of several of one architecture; they are asked for one by one.

    Raises:
        ValueError: there are none.
    """
    mean: AveragedModel | None = None
    for network in networks:
        mean = mean or AveragedModel(network, avg_fn=running_mean, use_buffers=True)
        mean.update_parameters(network)
    if mean is None:
        raise ValueError("no networks to take the mean of")
    return cast(Network, mean.module)
