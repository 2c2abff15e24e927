"""A small residual network for faces of 48 pixels, as a model of transformers: it is trained here, from nothing.

He et al. 2016 (residual blocks), Hu et al. 2018 (squeeze and excitation). A folder of it is read like any other image
model's, once this module has been imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForImageClassification,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling, ImageClassifierOutput

MODEL_TYPE = "emofuse-face-cnn"
_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601, as pictures were made grey for the corpora of grey faces
_FLAT = 0.02  # standard deviation of grey values, of 0 … 1, below which a picture is taken for empty


class FaceCnnConfig(PretrainedConfig):
    """The shape of a :class:`FaceCnn`.

    Args:
        widths: channels of its stages; each halves the sides of what it gets, but the first, before which the stem
            does so.
        depths: residual blocks of its stages.
        hidden_size: features that the last stage's channels are mixed to, and that the classifier reads the mean of.
        image_size: side in pixels that pictures are brought to.
        dropout: before the classifier.
        mirrored: what is said of a picture is the mean of what is said of it and of its mirror image, when it is
            not trained.
    """

    model_type = MODEL_TYPE

    def __init__(
        self,
        widths: Sequence[int] = (32, 64, 128),
        depths: Sequence[int] = (1, 2, 2),
        hidden_size: int = 256,
        image_size: int = 48,
        dropout: float = 0.1,
        mirrored: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.widths, self.depths = list(widths), list(depths)
        self.image_size, self.dropout, self.mirrored = image_size, dropout, mirrored
        self.hidden_size = hidden_size
        if len(self.widths) != len(self.depths) or min(*self.widths, *self.depths, hidden_size) < 1:
            raise ValueError(f"one width and one depth for each stage, not {widths} and {depths}")


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


class _FacePreTrained(PreTrainedModel):
    config_class = FaceCnnConfig
    base_model_prefix = "faces"
    main_input_name = "pixel_values"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()


class FaceCnn(_FacePreTrained):
    """Faces (B, 3, H, W) or (B, 1, H, W) with values from 0 to 1 → a map of features (B, d, h, w).

    A picture is made grey, brought to the size that the network was trained for, and set to mean 0 and deviation 1 by
    itself, so that light and contrast count no more.
    """

    def __init__(self, config: FaceCnnConfig) -> None:
        super().__init__(config)
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
        self.post_init()

    def forward(self, pixel_values: Tensor, **_: Any) -> BaseModelOutputWithPooling:
        """The map of features, and its mean over places."""
        x = standardised(grey(pixel_values))
        if not self.training:
            x = resized(x, (self.config.image_size,) * 2)
        state = self._mapped(x)
        if self.config.mirrored and not self.training:
            state = (state + self._mapped(x.flip(3)).flip(3)) / 2
        return BaseModelOutputWithPooling(last_hidden_state=state, pooler_output=state.mean(dim=(2, 3)))

    def _mapped(self, x: Tensor) -> Tensor:
        x = x.to(self.stem.weight.dtype).contiguous(memory_format=torch.channels_last)
        x = F.relu(self.stem_norm(self.stem(x)), inplace=True)
        return F.relu(self.mixing_norm(self.mixing(self.blocks(x))), inplace=True)


class FaceCnnForImageClassification(_FacePreTrained):
    """A :class:`FaceCnn` with a linear classifier on the mean of its features over places."""

    def __init__(self, config: FaceCnnConfig) -> None:
        super().__init__(config)
        self.faces = FaceCnn(config)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def forward(self, pixel_values: Tensor, **_: Any) -> ImageClassifierOutput:
        """(B, C) logits, and the map of features as the one hidden state."""
        output = self.faces(pixel_values)
        features = F.dropout(output.pooler_output, self.config.dropout, self.training)
        return ImageClassifierOutput(
            logits=self.classifier(features), hidden_states=(output.last_hidden_state,)
        )


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


AutoConfig.register(MODEL_TYPE, FaceCnnConfig, exist_ok=True)
AutoModel.register(FaceCnnConfig, FaceCnn, exist_ok=True)
AutoModelForImageClassification.register(FaceCnnConfig, FaceCnnForImageClassification, exist_ok=True)
