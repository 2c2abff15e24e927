"""A small network for voices, as a model of transformers: log-mel bands, convolutions, attention; trained here, from nothing.

He et al. 2016 (residual blocks), Vaswani et al. 2017 (attention), Park et al. 2019 (hidden stretches of time and bands in
training). It takes what a model of the wav2vec 2.0 class takes, and a folder of it is read like one, once this module
has been imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForAudioClassification,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import BaseModelOutput, SequenceClassifierOutput

from emofuse.data.sampling_rate import RATE
from emofuse.encoders.initial_weights import initialise
from emofuse.encoders.spectra import FFT, HOP, POWER_FLOOR, WINDOW, mel_filterbank

MODEL_TYPE = "emofuse-voice-cnn"
_TIME_STRIDES = (2, 2)  # of the first two convolutions; all four halve the bands
_DB = 10.0  # a band's value is in units of so many dB
_HIDDEN_STEPS = 20  # longest stretch of frames that is hidden in training, 200 ms


class VoiceCnnConfig(PretrainedConfig):
    """The shape of a :class:`VoiceCnn`.

    Args:
        bands: of the log-mel spectrum, a multiple of 16.
        widths: channels after each of four convolutions that halve the bands; the first two halve the steps too.
        hidden_size: features of a step, 25 a second.
        layers: of attention over the steps.
        heads: of each.
        dropout: in the attention layers and before the classifier.
        apply_spec_augment: whether stretches of time and bands are hidden in training.
        mask_time_prob: share of the steps that are hidden then.
    """

    model_type = MODEL_TYPE

    def __init__(
        self,
        bands: int = 64,
        widths: Sequence[int] = (16, 32, 48, 64),
        hidden_size: int = 192,
        layers: int = 1,
        heads: int = 4,
        dropout: float = 0.2,
        apply_spec_augment: bool = True,
        mask_time_prob: float = 0.1,
        mask_feature_prob: float = 0.0,
        **options: Any,
    ) -> None:
        # What an encoder of the wav2vec 2.0 class is asked for: how long a step is, and that padding is masked.
        options |= {
            "feat_extract_norm": "layer",
            "conv_kernel": [WINDOW, 3, 3],
            "conv_stride": [HOP, *_TIME_STRIDES],
        }
        super().__init__(**options)
        self.bands, self.widths, self.hidden_size = bands, list(widths), hidden_size
        self.layers, self.heads, self.dropout = layers, heads, dropout
        self.apply_spec_augment, self.mask_time_prob = apply_spec_augment, mask_time_prob
        self.mask_feature_prob = mask_feature_prob
        if len(self.widths) != 4 or bands % 16 or hidden_size % heads:
            raise ValueError(
                f"four widths, bands in sixteens and a hidden size that {heads} heads divide, not {self.widths}, {bands}, "
                f"{hidden_size}"
            )


class _Block(nn.Module):
    """Two convolutions around which the input, averaged where it is halved, is added; padding stays zero."""

    def __init__(self, inputs: int, width: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.stride = stride
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.shortcut = nn.Conv2d(inputs, width, 1, stride, bias=False)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, bands, T) and (B, T) which steps are no padding → the same, halved."""
        mask = mask[:, :: self.stride[1]]
        real = mask[:, None, None].to(x.dtype)
        y = F.relu(self.norm1(self.conv1(x))) * real
        y = self.norm2(self.conv2(y))
        return F.relu(y + self.shortcut(x)) * real, mask


class _VoicePreTrained(PreTrainedModel):
    config_class = VoiceCnnConfig
    base_model_prefix = "voices"
    main_input_name = "input_values"

    def _init_weights(self, module: nn.Module) -> None:
        initialise(module)


class VoiceCnn(_VoicePreTrained):
    """Sounds (B, samples) at 16 kHz and their mask → features (B, T, d), 25 steps a second.

    The mean level of each sound is taken off, so that the loudness of a recording counts no more; how loud its parts are
    beside each other does.
    """

    def __init__(self, config: VoiceCnnConfig) -> None:
        super().__init__(config)
        strides = [(2, step) for step in (*_TIME_STRIDES, 1, 1)]
        widths = [1, *config.widths]
        self.blocks = nn.ModuleList(
            _Block(*sides, stride) for sides, stride in zip(pairwise(widths), strides, strict=True)
        )
        self.mixing = nn.Linear(config.widths[-1] * config.bands // 16, config.hidden_size)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                config.hidden_size,
                config.heads,
                2 * config.hidden_size,
                config.dropout,
                batch_first=True,
                norm_first=True,
            )
            for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(config.hidden_size)
        self.post_init()

    def forward(
        self, input_values: Tensor, attention_mask: Tensor | None = None, **_: Any
    ) -> BaseModelOutput:
        """The features of each step; those of padding are zero."""
        state, mask = self.states(input_values, attention_mask)
        return BaseModelOutput(last_hidden_state=state * mask[:, :, None])

    def states(self, input_values: Tensor, attention_mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Features (B, T, d), and which steps are no padding, (B, T) bool."""
        if attention_mask is None:
            attention_mask = torch.ones_like(input_values, dtype=torch.long)
        frames = _frames(attention_mask.sum(dim=1))
        x = log_mel(input_values, self.config.bands)
        mask = torch.arange(x.shape[2], device=x.device) < frames[:, None]
        x = levelled(x, mask)
        if self.training and self.config.apply_spec_augment:
            x = hidden(x, frames, self.config.mask_time_prob)
        x = (x * mask[:, None]).unsqueeze(1).to(self.mixing.weight.dtype)
        for block in self.blocks:
            x, mask = block(x, mask)
        state = self.mixing(x.flatten(1, 2).transpose(1, 2))
        for layer in self.layers:
            state = layer(state, src_key_padding_mask=~mask)
        return self.norm(state), mask

    def _get_feat_extract_output_lengths(self, lengths: Tensor) -> Tensor:
        """Steps that sounds of so many samples have; as the library's speech models name it."""
        found = _frames(lengths)
        for stride in _TIME_STRIDES:
            found = (found - 1) // stride + 1
        return found

    def freeze_feature_encoder(self) -> None:
        """Leave the convolutions as they are in training; as the library's speech models name it."""
        self.blocks.requires_grad_(False)


class VoiceCnnForAudioClassification(_VoicePreTrained):
    """A :class:`VoiceCnn` with a linear classifier on the mean of its features over the steps."""

    def __init__(self, config: VoiceCnnConfig) -> None:
        super().__init__(config)
        self.voices = VoiceCnn(config)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def forward(
        self, input_values: Tensor, attention_mask: Tensor | None = None, **_: Any
    ) -> SequenceClassifierOutput:
        """(B, C) logits."""
        state, mask = self.voices.states(input_values, attention_mask)
        real = mask[:, :, None].to(state.dtype)
        pooled = (state * real).sum(dim=1) / real.sum(dim=1)
        return SequenceClassifierOutput(
            logits=self.classifier(F.dropout(pooled, self.config.dropout, self.training))
        )

    def freeze_feature_encoder(self) -> None:
        """As `VoiceCnn.freeze_feature_encoder`."""
        self.voices.freeze_feature_encoder()


def log_mel(sound: Tensor, bands: int) -> Tensor:
    """(B, samples) → (B, bands, frames): mel bands in units of 10 dB; 25 ms frames, 10 ms apart."""
    sound = F.pad(sound.float(), (0, max(0, WINDOW - sound.shape[1])))
    windows = sound.unfold(1, WINDOW, HOP) * torch.hann_window(WINDOW, device=sound.device)
    power = torch.fft.rfft(windows, FFT).abs().square() / WINDOW**2
    filters = torch.from_numpy(mel_filterbank(bands, FFT, RATE)).to(power)
    decibels = 10 * torch.log10(power @ filters.T + POWER_FLOOR)
    return decibels.transpose(1, 2) / _DB


def levelled(values: Tensor, mask: Tensor) -> Tensor:
    """(B, bands, T) without the mean of each sound's frames, of which ``mask`` (B, T) says which are no padding."""
    real = mask[:, None].to(values)
    total = (values * real).sum(dim=(1, 2), keepdim=True)
    return values - total / (real.sum(dim=(1, 2), keepdim=True) * values.shape[1])


def hidden(values: Tensor, frames: Tensor, share: float) -> Tensor:
    """(B, bands, T) with stretches of time, and a stripe of up to an eighth of the bands, set to the mean (0).

    Args:
        values: levelled bands.
        frames: (B,) how many of the T are no padding.
        share: of the frames that is hidden; stretches may overlap, so a little less.
    """
    count, bands, length = values.shape
    place = torch.arange(length)
    keep = torch.ones(count, bands, length, dtype=torch.bool)
    for row, own in enumerate(frames.tolist()):
        for _ in range(round(2 * share * own / _HIDDEN_STEPS)):  # a stretch is half the longest, on average
            width = int(torch.randint(1, _HIDDEN_STEPS + 1, ()))
            start = int(torch.randint(0, max(1, own - width + 1), ()))
            keep[row, :, (place >= start) & (place < start + width)] = False
        stripe = int(torch.randint(0, bands // 8 + 1, ()))
        lowest = int(torch.randint(0, bands - stripe + 1, ()))
        keep[row, lowest : lowest + stripe] = False
    return values * keep.to(values.device)


def _frames(samples: Tensor) -> Tensor:
    """Whole frames in so many samples, at least one."""
    return ((samples - WINDOW).clamp(min=0) // HOP) + 1


AutoConfig.register(MODEL_TYPE, VoiceCnnConfig, exist_ok=True)
AutoModel.register(VoiceCnnConfig, VoiceCnn, exist_ok=True)
AutoModelForAudioClassification.register(VoiceCnnConfig, VoiceCnnForAudioClassification, exist_ok=True)
