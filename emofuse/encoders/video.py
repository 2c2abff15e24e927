"""Pictures of an utterance to its features: which are looked at, what in them, and how they become one vector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from emofuse.data.picture_sampling import PictureSampling
from emofuse.data.pictures import ClipPictures
from emofuse.encoders.faces import FaceCutter
from emofuse.encoders.spec import EncoderSpec
from emofuse.features.identity import EncoderIdentity, InputNeeds, UnusableInputError

FRAMES = 20  # MFCRE §3.1.3
RATE = 15.0  # CM-MSF §4.2


class PictureDescriber(Protocol):
    """One picture at a time to d features.

    Attributes:
        kind: the family of encoder.
        name: the model, by a name that holds everywhere.
        revision: the version of its weights or its code.
        size: (height, width) of the pictures it takes.
        dim: d.
        settings: what else decides its numbers.
    """

    kind: str
    name: str
    revision: str
    size: tuple[int, int]
    dim: int
    settings: dict[str, str | int | float]

    def __call__(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, H, W, 3) RGB to (n, d)."""


@dataclass
class Moments:
    """Mean, standard deviation and mean absolute change of vectors that come one block after the other."""

    count: int = 0
    total: NDArray[np.float64] | float = 0.0
    squares: NDArray[np.float64] | float = 0.0
    change: NDArray[np.float64] | float = 0.0
    last: NDArray[np.float64] | None = None

    def add(self, block: NDArray[np.float32]) -> None:
        """Take (n, d) further vectors, n ≥ 1."""
        values = block.astype(np.float64)
        followed = values if self.last is None else np.concatenate([self.last[None], values])
        self.count += len(values)
        self.total = self.total + values.sum(axis=0)
        self.squares = self.squares + (values**2).sum(axis=0)
        self.change = self.change + np.abs(np.diff(followed, axis=0)).sum(axis=0)
        self.last = values[-1]

    @property
    def mean(self) -> NDArray[np.float32]:
        """(d,)."""
        return np.asarray(self.total / self.count, np.float32)

    @property
    def mean_spread_change(self) -> NDArray[np.float32]:
        """(3d,): mean, standard deviation over time, mean absolute change from one picture to the next."""
        mean = self.total / self.count
        spread = np.sqrt(np.maximum(self.squares / self.count - mean**2, 0.0))
        change = self.change / max(1, self.count - 1)
        return np.concatenate([mean, spread, change]).astype(np.float32)


class VideoEncoder:
    """Pictures of an utterance, evenly spread, through a describer: a vector, or a sequence (T, d).

    Pooling ``"mean"`` takes the mean over the pictures; ``"tokens"`` keeps all of them in order of time. With
    ``faces``, each face that MTCNN finds is described in place of the picture, and a picture's features are
    the mean over its faces; of a clip that names the speaker's face, that one is followed, and the others are
    not looked at. A picture without a face then counts in no mean, and is zeros in a sequence; an
    utterance without any is refused as ``no-face``.

    Args:
        describe: of single pictures.
        spec: pooling, frames or rate (20 for the mean, 15 Hz for a sequence), faces, min_face.
        device: where faces are detected.
        spread: the mean is followed by the standard deviation and the mean change over time, 3d in all.
    """

    def __init__(
        self,
        describe: PictureDescriber,
        spec: EncoderSpec,
        device: torch.device | str = "cpu",
        *,
        spread: bool = False,
    ) -> None:
        self._describe, self._spread = describe, spread
        self._tokens = spec.pooling == "tokens"
        self._faces = FaceCutter(describe.size, spec.min_face, device) if spec.faces else None
        frames, rate = spec.frames, spec.rate
        if frames is None and rate is None:
            frames, rate = (None, RATE) if self._tokens else (FRAMES, None)
        size = {"size": describe.size} if self._faces is None else {"longest": self._faces.longest}
        self.needs = InputNeeds(pictures=PictureSampling(frames, rate, **size), singly=True, faces=spec.faces)
        self.dim = describe.dim * (3 if spread and not self._tokens else 1)
        taken: dict[str, str | int | float] = {"frames": frames} if frames else {"rate": float(rate or RATE)}
        height, width = describe.size
        self.identity = EncoderIdentity(
            modality="video",
            kind=describe.kind,
            name=describe.name,
            revision=describe.revision,
            pooling="tokens" if self._tokens else "mean-sd-change" if spread else "mean",
            dim=self.dim,
            sampling={
                **taken,
                "height": height,
                "width": width,
                **describe.settings,
                **(self._faces.settings if self._faces else {}),
            },
        )

    def encode(self, items: Sequence[ClipPictures]) -> np.ndarray | list[np.ndarray]:
        """(B, dim) float32 for B clips; with pooling ``"tokens"`` a list of (T, dim).

        Raises:
            UnusableInputError: ``no-face``, where faces are asked for and a clip has none.
            MediaError: a clip breaks off in a way that was not to be foreseen.
        """
        features = [self._sequence(clip) if self._tokens else self._vector(clip) for clip in items]
        return features if self._tokens else np.array(features, np.float32).reshape(-1, self.dim)

    def _sequence(self, clip: ClipPictures) -> NDArray[np.float32]:
        blocks = list(self._blocks(clip))
        seen = np.concatenate([seen for _, seen in blocks])
        if not seen.any():
            raise _no_face(clip)
        return np.concatenate([features for features, _ in blocks])

    def _vector(self, clip: ClipPictures) -> NDArray[np.float32]:
        moments = Moments()
        for features, seen in self._blocks(clip):
            if seen.any():
                moments.add(features[seen])
        if moments.count == 0:
            raise _no_face(clip)
        return moments.mean_spread_change if self._spread else moments.mean

    def _blocks(self, clip: ClipPictures) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
        """(n, d) features of the pictures of each block, and (n,) whether there was anything to see."""
        for pictures in clip:
            if self._faces is None:
                yield self._describe(pictures), np.ones(len(pictures), bool)
                continue
            crops, picture_of = self._faces(pictures, clip.face)
            counts = np.bincount(picture_of, minlength=len(pictures))
            features = np.zeros((len(pictures), self._describe.dim), np.float32)
            np.add.at(features, picture_of, self._describe(crops))
            features /= np.maximum(counts, 1)[:, None].astype(np.float32)
            yield features, counts > 0


def _no_face(clip: ClipPictures) -> UnusableInputError:
    which = "no face was found" if clip.face is None else "the speaker's face was not found"
    where = "in the picture" if clip.count == 1 else f"in any of {clip.count} pictures"
    return UnusableInputError("no-face", f"{which} {where}")
