"""Light-ASD (Liao et al., CVPR 2023) and LR-ASD (Liao et al., IJCV 2025): does the face that is seen say what is heard?

Both have 3D convolutions over a face's pictures and 2D convolutions over the sound's MFCC, each divided into one over space
(or coefficients) and one over time, and recurrent layers over both together. The modules are named as in the authors'
published weights, so that these can be loaded.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FACE = 112  # side in pixels of a face
FACE_RATE = 25  # pictures per second
SOUND_STEPS = 4  # frames of MFCC for each picture
WIDTHS = (32, 64, 128)
_MEAN, _DEVIATION = 0.4161, 0.1688  # of grey values
_EPS = 1e-3
Medium = Literal["sound", "faces"]


def _convolution(
    medium: Medium, over: Literal["space", "time"], inputs: int, width: int, size: int, stride: int = 1
) -> nn.Module:
    """Over one axis of the sound (B, C, coefficients, time), or over space or time of faces (B, C, time, H, W)."""
    around = size // 2
    if medium == "sound":
        kernel, padding = ((size, 1), (around, 0)) if over == "space" else ((1, size), (0, around))
        return nn.Conv2d(inputs, width, kernel, padding=padding, bias=False)
    if over == "time":
        return nn.Conv3d(inputs, width, (size, 1, 1), padding=(around, 0, 0), bias=False)
    return nn.Conv3d(inputs, width, (1, size, size), (1, stride, stride), (0, around, around), bias=False)


def _norm(medium: Medium, width: int) -> nn.Module:
    return nn.BatchNorm2d(width, eps=_EPS) if medium == "sound" else nn.BatchNorm3d(width, eps=_EPS)


class _ParallelBlock(nn.Module):
    """Light-ASD: two paths, with kernels of 3 and of 5, are added and mixed."""

    def __init__(self, medium: Medium, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self._first = "m" if medium == "sound" else "s"
        for size in (3, 5):
            self.add_module(
                f"{self._first}_{size}", _convolution(medium, "space", inputs, width, size, stride)
            )
            self.add_module(f"bn_{self._first}_{size}", _norm(medium, width))
            self.add_module(f"t_{size}", _convolution(medium, "time", width, width, size))
            self.add_module(f"bn_t_{size}", _norm(medium, width))
        self.last = _convolution(medium, "space", width, width, 1)
        self.bn_last = _norm(medium, width)

    def forward(self, x: Tensor) -> Tensor:
        paths = []
        for size in (3, 5):
            y = x
            for name in (f"{self._first}_{size}", f"t_{size}"):
                y = F.relu(self.get_submodule(f"bn_{name}")(self.get_submodule(name)(y)))
            paths.append(y)
        return F.relu(self.bn_last(self.last(paths[0] + paths[1])))


class _ChainBlock(nn.Module):
    """LR-ASD: kernels of 5 and of 3 over space one after the other, then over time."""

    def __init__(self, medium: Medium, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        first = "m" if medium == "sound" else "s"
        self._names = (f"{first}_1", f"{first}_2", "t_1", "t_2")
        sizes = (inputs, width // 2, width, width, width)
        for name, before, after in zip(self._names, sizes[:-1], sizes[1:], strict=True):
            size = 5 if name.endswith("1") else 3
            over: Literal["space", "time"] = "time" if name.startswith("t") else "space"
            step = stride if name == self._names[0] else 1
            self.add_module(name, _convolution(medium, over, before, after, size, step))
            self.add_module(_norm_name(name), _norm(medium, after))

    def forward(self, x: Tensor) -> Tensor:
        for name in self._names:
            x = F.relu(self.get_submodule(_norm_name(name))(self.get_submodule(name)(x)))
        return x


def _norm_name(name: str) -> str:
    return f"{name[0]}_norm_{name[2:]}"


class _Encoder(nn.Module):
    """Three blocks, with the sides (of faces) or the time (of sound) halved between them."""

    def __init__(self, block: type[_ParallelBlock] | type[_ChainBlock], medium: Medium) -> None:
        super().__init__()
        self._medium = medium
        stride = 2 if medium == "faces" else 1
        self.block1 = block(medium, 1, WIDTHS[0], stride)
        self.block2 = block(medium, WIDTHS[0], WIDTHS[1], 1)
        self.block3 = block(medium, WIDTHS[1], WIDTHS[2], 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, 13, 4T) or (B, 1, T, 112, 112) to (B, T, 128)."""
        x = self.block3(self._halved(self.block2(self._halved(self.block1(x)))))
        pooled = x.mean(dim=2) if self._medium == "sound" else x.amax(dim=(3, 4))
        return pooled.transpose(1, 2)

    def _halved(self, x: Tensor) -> Tensor:
        if self._medium == "sound":
            return F.max_pool2d(x, (1, 3), (1, 2), (0, 1))
        return F.max_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1))


class _TwoWayGru(nn.Module):
    """Light-ASD: a GRU reads forwards, and another reads what it says backwards."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gru_forward = nn.GRU(width, width, batch_first=True)
        self.gru_backward = nn.GRU(width, width, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        onwards = F.gelu(self.gru_forward(x)[0])
        return F.gelu(self.gru_backward(onwards.flip(1))[0].flip(1))


class _ChannelAttention(nn.Module):
    """LR-ASD: channels of two parts side by side, each weighted by what all of them say at this time."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = nn.Conv1d(width, width, 1, bias=False)
        self.bn = nn.BatchNorm1d(width, eps=_EPS)

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        both = torch.cat((one, other), dim=2).transpose(1, 2)
        return (both * torch.sigmoid(self.bn(self.attention(both)))).transpose(1, 2)


class _Detector(nn.Module):
    """LR-ASD: a GRU in each direction, weighted together."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gru_forward = nn.GRU(width, width // 4, batch_first=True)
        self.gru_backward = nn.GRU(width, width // 4, batch_first=True)
        self.attention = _ChannelAttention(width // 2)

    def forward(self, x: Tensor) -> Tensor:
        backwards = self.gru_backward(x.flip(1))[0].flip(1)
        mixed: Tensor = self.attention(self.gru_forward(x)[0], backwards)
        return mixed


class _LightModel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.visualEncoder = _Encoder(_ParallelBlock, "faces")
        self.audioEncoder = _Encoder(_ParallelBlock, "sound")
        self.GRU = _TwoWayGru(WIDTHS[-1])

    def forward(self, sound: Tensor, faces: Tensor) -> Tensor:
        mixed: Tensor = self.GRU(self.audioEncoder(sound) + self.visualEncoder(faces))
        return mixed


class _LrModel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.visualEncoder = _Encoder(_ChainBlock, "faces")
        self.audioEncoder = _Encoder(_ChainBlock, "sound")
        self.fusion = _ChannelAttention(2 * WIDTHS[-1])
        self.detector = _Detector(2 * WIDTHS[-1])

    def forward(self, sound: Tensor, faces: Tensor) -> Tensor:
        mixed: Tensor = self.detector(self.fusion(self.audioEncoder(sound), self.visualEncoder(faces)))
        return mixed


class _Head(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.FC = nn.Linear(WIDTHS[-1], 2)


class ActiveSpeakerNetwork(nn.Module):
    """How probably a face says what is heard, picture by picture.

    Args:
        kind: ``"Light-ASD"`` or ``"LR-ASD"``.
    """

    def __init__(self, kind: Literal["Light-ASD", "LR-ASD"]) -> None:
        super().__init__()
        self.model = _LightModel() if kind == "Light-ASD" else _LrModel()
        self.lossAV = _Head()

    def forward(self, sound: Tensor, faces: Tensor) -> Tensor:
        """Probabilities (B, T) of speech.

        Args:
            sound: (B, 4T, 13) MFCC, four frames for each picture.
            faces: (B, T, 112, 112) grey, 0 to 255.
        """
        scaled = (faces[:, None] / 255 - _MEAN) / _DEVIATION
        mixed = self.model(sound[:, None].transpose(2, 3), scaled)
        return torch.softmax(self.lossAV.FC(mixed), dim=-1)[..., 1]
