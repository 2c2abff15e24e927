"""Random variation of training clips, for backbones that learn from few of them."""

import torch
from torch import Tensor, nn

_SPREAD = 0.3


class FrameAugmentation(nn.Module):
    """Mirrors and recolours clips in training; does nothing in evaluation.

    One draw serves all frames of a clip, so that what changes in it still changes the same way. A clip is
    mirrored half of the time; its channels are mixed, scaled and offset with a standard deviation of 0.3 at
    strength 1 (in units of normalised pixels). Complexion, light and walls tell people apart; a network that
    meets few people learns them by heart unless they vary.

    Args:
        strength: factor on the change of colours; 0 switches all variation off.
    """

    def __init__(self, strength: float) -> None:
        super().__init__()
        self.strength = strength

    def forward(self, pixels: Tensor, frames: int) -> Tensor:
        """Vary normalised pixels (B·frames, 3, H, W) of B clips."""
        if not self.training or self.strength == 0.0:
            return pixels
        clips = pixels.unflatten(0, (-1, frames))
        mirrored = torch.rand(len(clips), 1, 1, 1, 1, device=pixels.device) < 0.5
        return self._recolour(torch.where(mirrored, clips.flip(-1), clips)).flatten(0, 1)

    def _recolour(self, clips: Tensor) -> Tensor:
        count, spread = len(clips), _SPREAD * self.strength
        mixing = torch.eye(3).to(clips) + spread * _normal(clips, count, 3, 3)
        mixing = mixing * (spread * _normal(clips, count, 1, 1)).exp()
        offset = spread * _normal(clips, count, 1, 3, 1)
        return (mixing.unsqueeze(1) @ clips.flatten(3) + offset).view_as(clips)


def _normal(like: Tensor, *shape: int) -> Tensor:
    return torch.randn(shape, dtype=like.dtype, device=like.device)
