"""The three nets of MTCNN, a face detector.

K. Zhang, Z. Zhang, Z. Li, Y. Qiao: *Joint Face Detection and Alignment using Multitask Cascaded Convolutional
Networks*, IEEE Signal Processing Letters 2016, Figure 2.

Pictures are (N, 3, H, W) RGB scaled to (pixel − 127.5)/128. What a net says of where a face begins and ends is
relative to the window that it looked at: (x1, y1, x2, y2) as shares of the window's side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from emofuse.errors import EmofuseError


def _block(channels: int, out: int, kernel: int, pool: int | None = None) -> list[nn.Module]:
    # Every pooling takes half windows at the right and at the bottom along, as the nets were trained.
    pooling = [nn.MaxPool2d(pool, 2, ceil_mode=True)] if pool else []
    return [nn.Conv2d(channels, out, kernel), nn.PReLU(out), *pooling]


class ProposalNet(nn.Module):
    """P-Net, a convolution over the whole picture: each 12×12 window, two pixels apart."""

    WINDOW, STRIDE = 12, 2

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(*_block(3, 10, 3, pool=2), *_block(10, 16, 3), *_block(16, 32, 3))
        self.box = nn.Conv2d(32, 4, 1)
        self.face = nn.Conv2d(32, 2, 1)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Probability of a face (N, h, w), and its box (N, 4, h, w), for each window."""
        features = self.body(pictures)
        return self.face(features).softmax(dim=1)[:, 1], self.box(features)


class _Columns(nn.Module):
    """(N, C, H, W) to (N, W·H·C), column by column: the order that the weights were trained in."""

    def forward(self, features: Tensor) -> Tensor:
        return features.permute(0, 3, 2, 1).flatten(1)


class RefineNet(nn.Module):
    """R-Net: windows of 24×24."""

    WINDOW = 24

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_block(3, 28, 3, pool=3),
            *_block(28, 48, 3, pool=3),
            *_block(48, 64, 2),
            _Columns(),
            nn.Linear(576, 128),
            nn.PReLU(128),
        )
        self.box = nn.Linear(128, 4)
        self.face = nn.Linear(128, 2)

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Probability of a face (N,) and its box (N, 4) in windows (N, 3, 24, 24)."""
        features = self.body(windows)
        return self.face(features).softmax(dim=1)[:, 1], self.box(features)


class OutputNet(nn.Module):
    """O-Net: windows of 48×48. Its five facial landmarks are not computed: nothing here uses them."""

    WINDOW = 48

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_block(3, 32, 3, pool=3),
            *_block(32, 64, 3, pool=3),
            *_block(64, 64, 3, pool=2),
            *_block(64, 128, 2),
            _Columns(),
            nn.Linear(1152, 256),
            nn.PReLU(256),
        )
        self.box = nn.Linear(256, 4)
        self.face = nn.Linear(256, 2)

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Probability of a face (N,) and its box (N, 4) in windows (N, 3, 48, 48)."""
        features = self.body(windows)
        return self.face(features).softmax(dim=1)[:, 1], self.box(features)


def set_keras_weights(
    net: ProposalNet | RefineNet | OutputNet, arrays: Sequence[NDArray[np.float32]]
) -> None:
    """Fill a net with arrays in the layout and order of Keras: the body's layers, box, (landmarks,) face.

    Raises:
        EmofuseError: there are too few or too many, or one has another shape.
    """
    layers = [layer for layer in net.body if any(True for _ in layer.parameters())]
    heads = [net.box, net.face]
    body_arrays = 3 * len(layers) // 2  # a kernel and a bias, then the slopes of the PReLU behind them
    expected = body_arrays + 2 * (3 if isinstance(net, OutputNet) else 2)
    if len(arrays) != expected:
        raise EmofuseError(f"faces: the detector has {len(arrays)} arrays of weights instead of {expected}")
    kept = [*arrays[: body_arrays + 2], *arrays[-2:]]  # without the landmarks between box and face
    targets = [cast(Tensor, parameter) for layer in (*layers, *heads) for parameter in layer.parameters()]
    with torch.no_grad():
        for target, array in zip(targets, kept, strict=True):
            target.copy_(_as_torch(array, target))


def _as_torch(array: NDArray[np.float32], target: Tensor) -> Tensor:
    tensor = torch.from_numpy(array)
    if target.ndim == 4 and tensor.ndim == 4:
        tensor = tensor.permute(3, 2, 0, 1)  # (height, width, in, out) to (out, in, height, width)
    elif target.ndim == 2:
        tensor = tensor.T
    elif target.ndim == 1:
        tensor = tensor.flatten()  # the slopes of a PReLU come as (1, 1, channels)
    if tensor.shape != target.shape:
        raise EmofuseError(
            f"faces: the detector has weights of shape {tuple(array.shape)} where {tuple(target.shape)} belong"
        )
    return tensor
