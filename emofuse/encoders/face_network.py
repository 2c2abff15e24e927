"""The network of `face_cnn` without transformers, whose import takes longer than a prediction.

He et al. 2016 (residual blocks), Hu et al. 2018 (squeeze and excitation).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from emofuse.encoders.plain_checkpoint import empty_network, stored_config, weights_file

MODEL_TYPE = "emofuse-face-cnn"
_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601, as pictures were made grey for the corpora of grey faces
_FLAT = 0.02  # standard deviation of grey values, of 0 … 1, below which a picture is taken for empty


@dataclass(frozen=True)
class FaceShape:
    """As much of `face_cnn.FaceCnnConfig` as the network needs; names as there."""

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    hidden_size: int
    image_size: int
    mirrored: bool
    model_type: str = MODEL_TYPE


@dataclass(frozen=True)
class FaceOutput:
    """The map of features (B, d, h, w)."""

    last_hidden_state: Tensor


class FaceLayers(nn.Module):
    """Faces (B, 3, H, W) or (B, 1, H, W) with values from 0 to 1 → a map of features (B, d, h, w).

    A picture is made grey, brought to the size that the network was trained for, and set to mean 0 and deviation 1 by
    itself, so that light and contrast count no more.
    """

    def add_layers(self, config: Any) -> None:
        """Make the layers of a `FaceShape`, or of a configuration with its names."""
        self.shape = config
        width = config.widths[0]
        self.stem = nn.Conv2d(1, width, 5, 2, 2, bias=False)
        self.stem_norm = nn.BatchNorm2d(width)
        blocks: list[nn.Module] = []
        inputs = width
        for stage, (width, depth) in enumerate(zip(config.widths, config.depths, strict=True)):
            for place in range(depth):
                blocks.append(_Block(inputs, width, 2 if stage > 0 and place == 0 else 1))
                inputs = width
        self.blocks = nn.Sequential(*blocks)
        self.mixing = nn.Conv2d(inputs, config.hidden_size, 1, bias=False)
        self.mixing_norm = nn.BatchNorm2d(config.hidden_size)

    def features(self, pixel_values: Tensor) -> Tensor:
        """The map; where it is not trained, the mean of a picture's and its mirror image's if the shape says so."""
        x = standardised(grey(pixel_values))
        if not self.training:
            x = resized(x, (self.shape.image_size,) * 2)
        state = self._mapped(x)
        if self.shape.mirrored and not self.training:
            state = (state + self._mapped(x.flip(3)).flip(3)) / 2
        return state

    def _mapped(self, x: Tensor) -> Tensor:
        x = x.to(self.stem.weight.dtype).contiguous(memory_format=torch.channels_last)
        x = F.relu(self.stem_norm(self.stem(x)), inplace=True)
        return F.relu(self.mixing_norm(self.mixing(self.blocks(x))), inplace=True)


class FaceNetwork(FaceLayers):
    """`FaceLayers` as a model that pictures are given to.

    Args:
        config: see `FaceShape`.
    """

    main_input_name = "pixel_values"

    def __init__(self, config: FaceShape) -> None:
        super().__init__()
        self.config = config
        self.add_layers(config)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.stem.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights."""
        return self.stem.weight.dtype

    def forward(self, pixel_values: Tensor) -> FaceOutput:
        """See `FaceLayers`."""
        return FaceOutput(self.features(pixel_values))


class _Excitation(nn.Module):
    """Squeeze and excitation: how much each channel counts follows from the means of all."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(width, max(8, width // 8))
        self.excite = nn.Linear(max(8, width // 8), width)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(x.mean(dim=(2, 3))))))
        return x * gate[:, :, None, None]


class _Block(nn.Module):
    """Two 3×3 convolutions around which the input, averaged where the sides are halved, is added."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.excitation = _Excitation(width)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != width:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity(),
                nn.Conv2d(inputs, width, 1, bias=False),
                nn.BatchNorm2d(width),
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)), inplace=True)
        y = self.excitation(self.norm2(self.conv2(y)))
        return F.relu(y + self.shortcut(x), inplace=True)


def grey(pixels: Tensor) -> Tensor:
    """(B, 3, H, W) or (B, 1, H, W) → (B, 1, H, W)."""
    if pixels.shape[1] == 1:
        return pixels
    return torch.einsum("bchw,c->bhw", pixels, pixels.new_tensor(_GREY))[:, None]


def standardised(pixels: Tensor) -> Tensor:
    """Each picture with mean 0 and standard deviation 1; one without contrast keeps the little it has."""
    deviation, mean = torch.std_mean(pixels, dim=(1, 2, 3), keepdim=True)
    return (pixels - mean) / deviation.clamp(min=_FLAT)


def resized(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C, H, W) → (B, C, height, width), averaged where it becomes smaller."""
    if tuple(pixels.shape[2:]) == size:
        return pixels
    return F.interpolate(pixels, size, mode="bilinear", antialias=True, align_corners=False)


def is_face_network(folder: Path) -> bool:
    """Whether a model's folder holds such a network."""
    config = stored_config(folder)
    return config is not None and config.get("model_type") == MODEL_TYPE


def read_face_network(folder: Path) -> FaceNetwork:
    """The network of a folder without its classifier, in evaluation mode.

    Raises:
        EmofuseError: its files are damaged, or hold other weights than its configuration says.
    """
    network = empty_network(folder, FaceShape, FaceNetwork)
    with weights_file(folder) as file:
        held = load_file(file)
        faces = {
            name.removeprefix("faces."): x for name, x in held.items() if not name.startswith("classifier.")
        }
        network.load_state_dict(faces, assign=True)
    return network.eval().requires_grad_(False)
