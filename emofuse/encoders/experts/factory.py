"""Makes an expert of a checkpoint and of what its classes count as."""

from __future__ import annotations

import torch

from emofuse.encoders.experts.audio import AudioExpert
from emofuse.encoders.experts.checkpoint import Checkpoint
from emofuse.encoders.experts.opinion import Opinions
from emofuse.encoders.experts.text import TextExpert
from emofuse.encoders.experts.video import VideoExpert
from emofuse.features.identity import UtteranceEncoder


def create_expert(
    checkpoint: Checkpoint,
    opinions: Opinions,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> UtteranceEncoder:
    """The expert of a checkpoint: an encoder whose features (B, K) are centred log-probabilities of K labels.

    Args:
        checkpoint: see `read_checkpoint`.
        opinions: what its classes count as.
        device: where it computes, and where faces are looked for.
        dtype: precision of its weights.

    Raises:
        EmofuseError: it cannot be loaded, or the extra ``faces`` is missing where faces are asked for.
    """
    modality = checkpoint.spec.modality
    if modality == "text":
        return TextExpert(checkpoint, opinions, device, dtype)
    if modality == "audio":
        return AudioExpert(checkpoint, opinions, device, dtype)
    return VideoExpert(checkpoint, opinions, device, dtype)
