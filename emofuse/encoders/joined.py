"""The vectors of several encoders side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from emofuse.encoders.logmel import LogMelFunctionals
from emofuse.encoders.spec import WHISPER_LOGMEL, WHISPER_TINY_EN, EncoderSpec
from emofuse.encoders.whisper import WhisperEncoder
from emofuse.errors import EmofuseError
from emofuse.features.identity import EncoderIdentity, UtteranceEncoder

_PAD_SECONDS = 1.0


class JoinedEncoder:
    """One vector of an utterance from several encoders of the same modality: (d_1 + ... + d_n,).

    Args:
        name: what it is called.
        parts: n encoders, each of which gives one vector.
    """

    def __init__(self, name: str, parts: Sequence[UtteranceEncoder]) -> None:
        self._name, self._parts = name, tuple(parts)
        identities = [part.identity for part in parts]
        self.dim = sum(part.dim for part in parts)
        self.identity = EncoderIdentity(
            modality=identities[0].modality,
            kind="joined",
            name=name,
            revision="+".join(identity.digest for identity in identities),
            pooling=identities[0].pooling,
            dim=self.dim,
            sampling={"of": "+".join(identity.name for identity in identities)},
        )

    def encode(self, items: Sequence[Any]) -> np.ndarray:
        """(B, dim) float32.

        Raises:
            EmofuseError: one of the encoders cannot encode an utterance.
        """
        return np.concatenate([np.asarray(part.encode(items)) for part in self._parts], axis=1)


def whisper_with_logmel(spec: EncoderSpec) -> JoinedEncoder:
    """Whisper tiny.en, which knows how speech sounds, and functionals, which know pitch, level and rhythm.

    Raises:
        EmofuseError: every step is asked for, or the extra ``speech`` is not installed.
    """
    if spec.pooling in ("tokens", "cls"):
        raise EmofuseError(
            f"encoder {WHISPER_LOGMEL}: gives one vector, not every step; use {WHISPER_TINY_EN} or logmel-sequence"
        )
    whisper = spec.model_copy(
        update={
            "name": WHISPER_TINY_EN,
            "pooling": spec.pooling or "mean",
            "pad": _PAD_SECONDS if spec.pad is None else spec.pad,
        }
    )
    return JoinedEncoder(WHISPER_LOGMEL, (WhisperEncoder(whisper), LogMelFunctionals()))
