"""The vectors of several encoders side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from emofuse.encoders.hf_text import HFTextEncoder
from emofuse.encoders.logmel import LogMelFunctionals
from emofuse.encoders.packaged import GOEMOTIONS, MINILM
from emofuse.encoders.spec import MINILM_GOEMOTIONS, WHISPER_LOGMEL, WHISPER_TINY_EN, EncoderSpec
from emofuse.encoders.whisper import WhisperEncoder
from emofuse.errors import EmofuseError
from emofuse.features.identity import EncoderIdentity, UtteranceEncoder

_PAD_SECONDS = 1.0


class JoinedEncoder:
    """One vector of an utterance from several encoders of the same modality: (d_1 + ... + d_n,), or steps of them.

    Args:
        name: what it is called.
        parts: n encoders, each of which gives one vector, or as many steps as the others.
    """

    def __init__(self, name: str, parts: Sequence[UtteranceEncoder]) -> None:
        self._name, self._parts = name, tuple(parts)
        identities = [part.identity for part in parts]
        self.dim = sum(part.dim for part in parts)
        needs = getattr(parts[0], "needs", None)
        if needs is not None:
            self.needs = needs
        self.identity = EncoderIdentity(
            modality=identities[0].modality,
            kind="joined",
            name=name,
            revision="+".join(identity.digest for identity in identities),
            pooling=identities[0].pooling,
            dim=self.dim,
            sampling={"of": "+".join(identity.name for identity in identities)},
        )

    def encode(self, items: Sequence[Any]) -> np.ndarray | list[np.ndarray]:
        """(B, dim) float32, or a list of (T, dim).

        Raises:
            EmofuseError: one of the encoders cannot encode an utterance.
        """
        found = [part.encode(items) for part in self._parts]
        if self.identity.pooling == "tokens":
            return [np.concatenate(steps, axis=1) for steps in zip(*found, strict=True)]
        return np.concatenate([np.asarray(vectors) for vectors in found], axis=1)


def minilm_with_goemotions(
    spec: EncoderSpec, device: torch.device | str, dtype: torch.dtype
) -> JoinedEncoder:
    """MiniLM, and the same after GoEmotions: what a sentence says, and what emotion it carries.

    Raises:
        EmofuseError: the starter, which brings both, is not installed.
    """
    names = (MINILM.name, GOEMOTIONS.name)
    parts = [HFTextEncoder(spec.model_copy(update={"name": name}), device, dtype) for name in names]
    return JoinedEncoder(MINILM_GOEMOTIONS, parts)


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
