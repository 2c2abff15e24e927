"""Patch embedding by small convolutions, for a Swin that has no pretrained weights to start from."""

import itertools

from torch import Tensor, nn

from emofuse.errors import EmofuseError

_FIRST_WIDTH = 16


class ConvolutionalStem(nn.Sequential):
    """Stride-2 3×3 convolutions in place of one stride-p convolution; the patch grid is the same.

    A vision transformer trained from scratch on little data learns to see far sooner with it (Xiao et al.
    2021, "Early convolutions help transformers see better"). It is not in the DeepMSI-MER paper, which starts
    from pretrained patches.

    Args:
        patch_size: p, a power of two from 2 on.
        dim: features per patch.
        channels: C of the images.

    Raises:
        EmofuseError: if p is not such a power.
    """

    def __init__(self, patch_size: int, dim: int, channels: int = 3) -> None:
        halvings = patch_size.bit_length() - 1
        if halvings < 1 or 2**halvings != patch_size:
            raise EmofuseError(
                f"a convolutional stem halves the image, so patch_size {patch_size} must be 2, 4, 8, ..."
            )
        widths = [channels, *(_FIRST_WIDTH * 2**step for step in range(halvings - 1)), dim]
        layers: list[nn.Module] = []
        for narrow, wide in itertools.pairwise(widths):
            layers += [nn.Conv2d(narrow, wide, 3, 2, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU()]
        super().__init__(*layers, nn.Conv2d(dim, dim, 1))
        for layer in self:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, dim, H/p, W/p)."""
        return super().forward(pixels)
