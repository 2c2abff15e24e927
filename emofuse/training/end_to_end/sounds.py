"""Voices through an encoder that learns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from emofuse.data.audio import read_audible
from emofuse.data.manifest import Manifest, Utterance
from emofuse.data.sampling_rate import RATE
from emofuse.encoders import EncoderSpec
from emofuse.encoders.end_to_end import EndToEndSettings
from emofuse.encoders.factory import as_fine_tuned
from emofuse.encoders.hf_speech import HFSpeechEncoder
from emofuse.encoders.transformer_parts import check_layers_left, transformer_layers
from emofuse.errors import EmofuseError
from emofuse.training.end_to_end.encoder import JointEncoder
from emofuse.training.finetuning.parts import READING

_KEPT_BYTES = 1 << 29  # of decoded sound; what is beyond that is decoded anew in every epoch


class SoundTable:
    """The sound of each utterance, by number; as much as there is room for is decoded once."""

    def __init__(self, rows: Sequence[Utterance]) -> None:
        self.rows = list(rows)
        self._kept: dict[int, np.ndarray] = {}
        self._bytes = 0

    def __deepcopy__(self, memo: Any) -> SoundTable:
        """A moving average copies the module that holds this; nothing here changes what is heard."""
        return self

    def __reduce__(self) -> Any:
        return type(self), (self.rows,)

    def __getitem__(self, place: int) -> np.ndarray:
        """(samples,) float32.

        Raises:
            MediaError: it cannot be decoded any more.
        """
        if place in self._kept:
            return self._kept[place]
        row = self.rows[place]
        path = row.audio or row.video
        assert path is not None
        sound = read_audible(path, start=row.start, end=row.end).samples
        if self._bytes + sound.nbytes <= _KEPT_BYTES:
            self._kept[place] = sound
            self._bytes += sound.nbytes
        return sound


class JointSpeechEncoder(JointEncoder):
    """A model of the wav2vec 2.0 class that learns.

    Args:
        speech: the encoder.
        settings: how it learns.
        table: what it hears.
        vectors: the mean over time; all steps otherwise.
        longest: most steps of a sequence; a longer one is averaged down to so many.
    """

    # Settings of `EncoderSpec` that say how an utterance is read.
    read_with = READING["audio"]
    worthwhile = 4 * RATE

    def __init__(
        self,
        speech: HFSpeechEncoder,
        settings: EndToEndSettings,
        table: SoundTable,
        *,
        vectors: bool,
        longest: int,
    ) -> None:
        super().__init__(speech.model, settings, 0, vectors)
        self.table, self.longest = table, longest
        # In a tuple, since the network is this module's own already.
        self._speech = (speech,)

    @property
    def _reader(self) -> HFSpeechEncoder:
        """The encoder with the network that learns: one that comes to another process has loaded its own again."""
        (speech,) = self._speech
        speech.model = self.network
        return speech

    @property
    def dim(self) -> int:
        """Features per vector."""
        return self._speech[0].dim

    def sizes(self, places: Sequence[int]) -> list[int]:
        """Samples of some utterances."""
        return [sum(map(len, self._pieces_of(place))) for place in places]

    def largest(self) -> int:
        """Most samples in a pass."""
        return int(self.settings.max_seconds * RATE)

    def may_pad(self, longest: int, size: int) -> bool:
        """Models whose convolutions know nothing of padding hear sounds of the same length alone."""
        speech = self._reader
        return longest <= speech.longest and (speech.masked or longest == size)

    def encode(self, places: Sequence[int]) -> tuple[Tensor, Tensor]:
        """(B, T, d) and (B, T) bool; a sound that is longer than the model's pieces comes alone."""
        pieces = [self._pieces_of(place) for place in places]
        if len(places) == 1:
            heard = [frames for piece in pieces[0] for frames in self._frames([piece])]
            sequences = [torch.cat(heard)]
        else:
            sequences = self._frames([one[0] for one in pieces])
        if self.vectors:
            pooled = torch.stack([frames.mean(dim=0, keepdim=True) for frames in sequences])
            return pooled, torch.ones(pooled.shape[:2], dtype=torch.bool, device=pooled.device)
        sequences = [self._shortened(frames) for frames in sequences]
        padded = pad_sequence(sequences, batch_first=True)
        lengths = torch.tensor([len(frames) for frames in sequences], device=padded.device)
        return padded, torch.arange(padded.shape[1], device=padded.device) < lengths.unsqueeze(1)

    def _pieces_of(self, place: int) -> list[np.ndarray]:
        return self._reader.pieces(self.table[place])

    def _frames(self, sounds: list[np.ndarray]) -> list[Tensor]:
        states, lengths = self._reader.states(sounds)
        return [frames[: int(length)].float() for frames, length in zip(states, lengths, strict=True)]

    def _shortened(self, frames: Tensor) -> Tensor:
        if len(frames) <= self.longest:
            return frames
        return F.adaptive_avg_pool1d(frames.T, self.longest).T

    def reading(self) -> dict[str, Any]:
        """What the encoder itself has decided."""
        return {"pooling": "mean" if self.vectors else "tokens"}

    def saved_reader(self) -> Any:
        """The feature extractor, which is saved beside the weights."""
        return self._speech[0].extractor

    def saved_network(self) -> Any:
        """The network, as it is saved."""
        return self.network


def speech_encoder(
    spec: EncoderSpec, manifest: Manifest, held: Sequence[str], vectors: bool, longest: int
) -> JointSpeechEncoder:
    """A speech model that is to learn.

    Args:
        spec: with ``end_to_end``.
        manifest: the corpus.
        held: utterances with a sound that can be read.
        vectors: whether the system takes one vector per utterance.
        longest: most steps of a sequence.

    Raises:
        EmofuseError: it is not of the wav2vec 2.0 class, or gives another number of steps than its own.
    """
    settings = spec.end_to_end
    assert settings is not None
    if spec.rate is not None:
        raise EmofuseError(f"encoder {spec.name}: end_to_end gives the model's own steps; leave out rate")
    speech = HFSpeechEncoder(as_fine_tuned(spec.model_copy(update={"end_to_end": None})))
    _set_up(speech.model, settings, spec.name)
    table = SoundTable([manifest.utterance(id) for id in held])
    return JointSpeechEncoder(speech, settings, table, vectors=vectors, longest=longest)


def _set_up(network: Any, settings: EndToEndSettings, name: str) -> None:
    # Both draw in ways of their own, and a pass that is run again would draw anew.
    network.config.apply_spec_augment = False
    network.config.layerdrop = 0.0
    if settings.freeze_front:
        network.freeze_feature_encoder()
    layers = transformer_layers(network)
    if settings.freeze_layers:
        check_layers_left(name, settings.freeze_layers, len(layers))
        kept = {id(parameter) for layer in layers for parameter in layer.parameters()}
        for parameter in network.parameters():
            parameter.requires_grad_(parameter.requires_grad and id(parameter) in kept)
        for layer in layers[: settings.freeze_layers]:
            layer.requires_grad_(False)
    for module in network.modules():
        if settings.dropout is not None and isinstance(module, torch.nn.Dropout):
            module.p = settings.dropout
