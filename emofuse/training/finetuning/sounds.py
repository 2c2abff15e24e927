"""Voices as rows: read and augmented when their batch is due, so that memory does not grow with the corpus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import AutoFeatureExtractor, Wav2Vec2FeatureExtractor

from emofuse.data.audio import read_audible
from emofuse.data.batch import DecodeFailure
from emofuse.data.manifest import Utterance
from emofuse.data.media import MediaError, probe
from emofuse.data.sampling_rate import RATE
from emofuse.encoders.fine_tuning import FineTuneSettings
from emofuse.encoders.pretrained import Source, guarded
from emofuse.encoders.spec import EncoderSpec
from emofuse.errors import EmofuseError
from emofuse.training.finetuning.augmentation import augment
from emofuse.training.finetuning.batches import Draw, TuningBatch

# SpecAugment hides stretches of ten steps of 20 ms, and refuses what is shorter than one.
_SHORTEST = RATE // 4
_UNKNOWN_SECONDS = 5.0


class SoundRows:
    """Utterances with sound, as a speech model of the wav2vec 2.0 class takes them.

    Training takes at most ``max_seconds`` from a random place of an utterance, judging from its middle.

    Args:
        utterances: with a label each.
        labels: (N,) their class indices.
        extractor: of the model.
        masked: the model's convolutions know of padding (layer norm); where they do not, rows that are judged
            are read one at a time.
        spec: ``max_seconds``.
        settings: augmentation.
        seed: of the augmentation.
    """

    reads_media = True

    def __init__(
        self,
        utterances: Sequence[Utterance],
        labels: Sequence[int],
        extractor: Any,
        masked: bool,
        spec: EncoderSpec,
        settings: FineTuneSettings,
        seed: int,
    ) -> None:
        self.utterances, self.labels = list(utterances), list(labels)
        self.extractor, self.settings, self.seed = extractor, settings, seed
        self.longest = int(spec.max_seconds * RATE)
        self.lengths = np.array([min(_seconds(row), spec.max_seconds) for row in self.utterances])
        self.singly = not masked

    def __len__(self) -> int:
        return len(self.utterances)

    def batch(self, draw: Draw, *, training: bool) -> TuningBatch:
        """Sounds (B, samples) padded with zeros, and the mask that says so."""
        sounds, kept, decode_failures = [], [], []
        for row in draw.rows:
            rng = np.random.default_rng([self.seed, draw.epoch, row]) if training else None
            try:
                sounds.append(self._read(self.utterances[row], rng))
            except MediaError as error:
                source = self.utterances[row].audio or self.utterances[row].video
                decode_failures.append(
                    DecodeFailure(self.utterances[row].id, "audio", str(source), error.reason, str(error))
                )
                continue
            kept.append(row)
        return TuningBatch(
            ids=[self.utterances[row].id for row in kept],
            inputs=self._padded(sounds) if sounds else {},
            labels=torch.tensor([self.labels[row] for row in kept], dtype=torch.long),
            decode_failures=decode_failures,
        )

    def _read(self, utterance: Utterance, rng: np.random.Generator | None) -> np.ndarray:
        source = utterance.audio or utterance.video
        assert source is not None
        sound = read_audible(source, start=utterance.start, end=utterance.end, rate=RATE).samples
        spare = len(sound) - self.longest
        if spare > 0:
            begin = spare // 2 if rng is None else int(rng.integers(spare + 1))
            sound = sound[begin : begin + self.longest]
        if rng is not None:
            sound = augment(sound, self.settings, rng, RATE)
        return np.pad(sound, (0, max(0, _SHORTEST - len(sound))))

    def _padded(self, sounds: list[np.ndarray]) -> dict[str, torch.Tensor]:
        padded = self.extractor(
            sounds, sampling_rate=RATE, padding=True, return_attention_mask=True, return_tensors="pt"
        )
        return {name: padded[name] for name in ("input_values", "attention_mask")}


def feature_extractor(source: Source) -> Any:
    """The feature extractor of a speech model, for 16 kHz.

    Raises:
        EmofuseError: there is none, or it is for another rate.
    """
    extractor = guarded(source, AutoFeatureExtractor.from_pretrained)
    if getattr(extractor, "sampling_rate", None) != RATE:
        raise EmofuseError(
            f"encoder {source.name}: reads {getattr(extractor, 'sampling_rate', None)} Hz, sound here is {RATE}"
        )
    return extractor


def plain_extractor() -> Any:
    """That of a network that takes sound at 16 kHz as it is, with a mask where it is padded."""
    return Wav2Vec2FeatureExtractor(sampling_rate=RATE, do_normalize=False, return_attention_mask=True)


def _seconds(row: Utterance) -> float:
    """How long an utterance is, as far as it is known without decoding it."""
    source = row.audio or row.video
    end = row.end
    if end is None and source is not None:
        try:
            end = probe(source).duration
        except MediaError:
            end = None  # reading it will say so
    return max(0.0, end - (row.start or 0.0)) if end is not None else _UNKNOWN_SECONDS
