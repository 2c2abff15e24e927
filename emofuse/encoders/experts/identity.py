"""The identity under which an expert's features are stored."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from emofuse.encoders.experts.checkpoint import Checkpoint
from emofuse.encoders.experts.opinion import Opinions
from emofuse.encoders.pretrained import revision_of
from emofuse.features.identity import EncoderIdentity


def expert_identity(
    checkpoint: Checkpoint,
    opinions: Opinions,
    dtype: torch.dtype,
    sampling: Mapping[str, str | int | float],
) -> EncoderIdentity:
    """The identity of an expert.

    Args:
        checkpoint: its classifier.
        opinions: what the classes count as.
        dtype: precision of the weights.
        sampling: how the medium is read.
    """
    spec, source = checkpoint.spec, checkpoint.source
    return EncoderIdentity(
        modality=spec.modality,
        kind=f"hf-{spec.modality}-classifier",
        name=checkpoint.config.model_type if source.folder else spec.name,
        revision=revision_of(source, checkpoint.config),
        pooling="mean",
        dim=opinions.labels,
        sampling={
            "counts_as": ",".join("" if place is None else str(place) for place in opinions.counts_as),
            "dtype": str(dtype).removeprefix("torch."),
            **sampling,
        },
    )
