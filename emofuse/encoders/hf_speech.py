"""The voice through a pretrained speech model of the wav2vec 2.0/HuBERT/WavLM class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from transformers import AutoFeatureExtractor

from emofuse.data.sampling_rate import RATE
from emofuse.encoders import voice_cnn  # noqa: F401 - makes its class known to the library
from emofuse.encoders.pretrained import guarded, load_model, locate, revision_of
from emofuse.encoders.sequence_rate import frames_per_step, slowed
from emofuse.encoders.spec import EncoderSpec
from emofuse.errors import EmofuseError
from emofuse.features.identity import EncoderIdentity

KIND = "hf-speech"
# A minute of sound takes more than a GiB in the convolutions of a base model.
_BATCH_SECONDS = 120


class HFSpeechEncoder:
    """Last hidden states of a pretrained speech model, averaged over time (or all of them).

    Models with layer norm in their convolutions read a padded batch with a mask, and padding changes
    nothing. Those with group norm (wav2vec 2.0 base, HuBERT base) average over time within it, so padding
    would change every result, and they were trained without a mask: for them only sounds of the very same
    length share a batch.

    Sound longer than ``max_seconds`` is cut into equal pieces no longer than that; each is read as an
    utterance of its own, and the mean runs over the frames of all of them. Sound shorter than the model's
    receptive field (25 ms) is filled up with silence. With ``rate``, a sequence has so many steps per second,
    each the mean of the model's frames (50 per second for wav2vec 2.0) that begin in it.

    Args:
        spec: name, revision, pooling (``"mean"`` or ``"tokens"``), batch_size, max_seconds, rate.
        device: where the model runs.
        dtype: precision of its weights; features are float32 either way.

    Raises:
        EmofuseError: the model cannot be had, or is not a speech encoder for 16 kHz.
    """

    def __init__(
        self, spec: EncoderSpec, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> None:
        if spec.pooling in ("cls", "mean-sd"):
            why = "speech has no CLS token" if spec.pooling == "cls" else "mean-sd is for a Whisper"
            raise EmofuseError(f"encoder {spec.name}: {why}; use pooling mean or tokens")
        idle = [name for name in ("layer", "layers", "pad") if getattr(spec, name) is not None]
        if idle:
            raise EmofuseError(f"encoder {spec.name}: {idle[0]} is for a Whisper; leave it out")
        self._made_of = (spec, device, dtype)
        source = locate(spec.name, spec.revision)
        self.model = load_model(source, device, dtype)
        config = self.model.config
        if not hasattr(self.model, "_get_feat_extract_output_lengths"):
            raise EmofuseError(
                f"encoder {spec.name}: a {config.model_type} model is not a speech encoder; name one of the "
                "wav2vec 2.0, HuBERT or WavLM class"
            )
        self.extractor = guarded(source, AutoFeatureExtractor.from_pretrained)
        if self.extractor.sampling_rate != RATE:
            raise EmofuseError(
                f"encoder {spec.name}: reads {self.extractor.sampling_rate} Hz, sound here is {RATE}"
            )
        self.masked = (
            getattr(config, "feat_extract_norm", None) == "layer" and self.extractor.return_attention_mask
        )
        self._shortest = _receptive_field(config.conv_kernel, config.conv_stride)
        self.longest = int(spec.max_seconds * RATE)
        self._batch_size, self._pooling = spec.batch_size, spec.pooling or "mean"
        self._frames_per_step = frames_per_step(spec, prod(config.conv_stride))
        self.dim = int(
            config.output_hidden_size if getattr(config, "add_adapter", False) else config.hidden_size
        )
        self.identity = EncoderIdentity(
            modality="audio",
            kind=KIND,
            name=config.model_type if source.folder else spec.name,
            revision=revision_of(source, config),
            pooling=self._pooling,
            dim=self.dim,
            sampling={
                "rate": RATE,
                "max_seconds": spec.max_seconds,
                "dtype": str(dtype).removeprefix("torch."),
                **({"steps_per_second": spec.rate} if spec.rate else {}),
            },
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process loads the model itself; to send it its weights would take as long and twice the room.
        return type(self), self._made_of

    def encode(self, items: Sequence[np.ndarray]) -> np.ndarray | list[np.ndarray]:
        """(B, dim) float32 for B sounds (samples,); with pooling ``"tokens"`` a list of (T, dim)."""
        pieces = [(row, piece) for row, samples in enumerate(items) for piece in self.pieces(samples)]
        states: list[np.ndarray] = [np.empty(0, np.float32)] * len(pieces)
        for batch in self._batches([len(piece) for _, piece in pieces]):
            for place, frames in zip(
                batch, self._forward([pieces[place][1] for place in batch]), strict=True
            ):
                states[place] = frames
        chunks: list[list[np.ndarray]] = [[] for _ in items]
        for (row, _), frames in zip(pieces, states, strict=True):
            chunks[row].append(frames)
        sequences = [np.concatenate(parts) for parts in chunks]
        if self._pooling == "tokens":
            return [slowed(frames, self._frames_per_step) for frames in sequences]
        return np.array([frames.mean(axis=0) for frames in sequences], np.float32).reshape(-1, self.dim)

    def pieces(self, samples: np.ndarray) -> list[np.ndarray]:
        """A sound (samples,) in equal pieces that the model can read, filled up with silence if it is too short."""
        samples = np.asarray(samples, dtype=np.float32)
        if samples.ndim != 1 or not np.isfinite(samples).all():
            raise EmofuseError(f"sound of shape {samples.shape}: one channel of finite samples is needed")
        if len(samples) < self._shortest:
            samples = np.pad(samples, (0, self._shortest - len(samples)))
        return np.array_split(samples, -(-len(samples) // self.longest))

    def _batches(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Places that are read together: of like length, or of the same one where there is no mask."""
        batch: list[int] = []
        for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
            if batch and (
                len(batch) >= self._batch_size
                or (len(batch) + 1) * lengths[batch[0]] > _BATCH_SECONDS * RATE
                or not (self.masked or lengths[place] == lengths[batch[0]])
            ):
                yield batch
                batch = []
            batch.append(place)
        if batch:
            yield batch

    def states(self, sounds: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
        """The hidden states (B, T, dim) of some sounds, and how many of each are not made of padding, (B,)."""
        inputs = self.extractor(
            sounds, sampling_rate=RATE, padding=True, return_attention_mask=self.masked, return_tensors="pt"
        )
        values = inputs["input_values"].to(self.model.device, self.model.dtype)
        mask = inputs["attention_mask"].to(self.model.device) if self.masked else None
        states = self.model(values, attention_mask=mask).last_hidden_state
        lengths = self.model._get_feat_extract_output_lengths(torch.tensor([len(sound) for sound in sounds]))
        return states, lengths

    @torch.inference_mode()
    def _forward(self, sounds: list[np.ndarray]) -> list[np.ndarray]:
        """The hidden states (T, dim) of each sound, without those that padding made."""
        states, lengths = self.states(sounds)
        frames = states.float().cpu().numpy()
        return [one[: int(length)] for one, length in zip(frames, lengths, strict=True)]


def _receptive_field(kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Samples that one output frame of a stack of convolutions sees."""
    field = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        field = (field - 1) * stride + kernel
    return field
