"""MTCNN: three nets that find the faces in pictures, each with a closer look at fewer places (Zhang et al. 2016)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from emofuse.encoders.boxes import Boxes, keep_best, squared, windows
from emofuse.encoders.mtcnn_nets import OutputNet, ProposalNet, RefineNet, set_keras_weights
from emofuse.encoders.mtcnn_weights import load_mtcnn_weights, mtcnn_folder

_PYRAMID = 0.709  # each picture of the pyramid has half the area of the one before
_PIXELS_AT_ONCE = 4_000_000  # of all pictures that are searched together: 50 MB as numbers
_WINDOWS_AT_ONCE = 512  # that a net looks at together


@dataclass(frozen=True)
class Thresholds:
    """Probability above which each net believes in a face; those of the authors' published code."""

    proposal: float = 0.6
    refine: float = 0.7
    output: float = 0.8


class Faces(NamedTuple):
    """Faces found in n pictures, N in all, pictures in order and the surest face of each first.

    Attributes:
        boxes: (N, 4) float32, x1, y1, x2, y2 in pixels; a box may reach beyond the picture.
        scores: (N,) float32, probability of a face.
        picture_of: (N,) int64, 0 … n − 1.
    """

    boxes: Boxes
    scores: NDArray[np.float32]
    picture_of: NDArray[np.int64]

    def only(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Faces:
        """Those at the given places."""
        return Faces(self.boxes[chosen], self.scores[chosen], self.picture_of[chosen])


class MTCNN:
    """Finds faces in pictures of one size, all at once.

    Args:
        min_face: side in pixels of the smallest face looked for; the search takes time with the inverse of
            its square.
        device: where the nets run.
        folder: of the weights; by default the installed package ``mtcnn``.
        thresholds: of the three nets.

    Attributes:
        revision: digest of the weights.

    Raises:
        EmofuseError: the weights are missing or are not MTCNN's.
    """

    def __init__(
        self,
        min_face: int = 40,
        device: torch.device | str = "cpu",
        *,
        folder: Path | None = None,
        thresholds: Thresholds = Thresholds(),
    ) -> None:
        arrays, self.revision = load_mtcnn_weights(folder or mtcnn_folder())
        self._proposal, self._refine, self._output = ProposalNet(), RefineNet(), OutputNet()
        for net, name in ((self._proposal, "pnet"), (self._refine, "rnet"), (self._output, "onet")):
            set_keras_weights(net, arrays[name])
            # torch's own stubs do not know of memory_format here
            net.to(device=device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self._min_face, self._device, self._thresholds = min_face, torch.device(device), thresholds

    def __call__(self, pictures: NDArray[np.uint8]) -> Faces:
        """Find all faces in (n, H, W, 3) RGB."""
        per_pass = max(1, _PIXELS_AT_ONCE // max(1, pictures.shape[1] * pictures.shape[2]))
        found = [_no_faces()]
        for begin in range(0, len(pictures), per_pass):
            boxes, scores, picture_of = self._detect(pictures[begin : begin + per_pass])
            found.append(Faces(boxes, scores, picture_of + begin))
        return Faces(*(np.concatenate(parts) for parts in zip(*found, strict=True)))

    @torch.inference_mode()
    def _detect(self, pictures: NDArray[np.uint8]) -> Faces:
        pixels = torch.from_numpy(pictures).to(self._device).permute(0, 3, 1, 2)
        scaled = pixels.float().sub_(127.5).div_(128)
        faces = self._proposals(scaled)
        faces = self._refine_boxes(scaled, faces, self._refine, self._thresholds.refine)
        faces = faces.only(keep_best(*faces, overlap=0.7))
        faces = self._refine_boxes(scaled, faces, self._output, self._thresholds.output)
        return faces.only(keep_best(*faces, overlap=0.7, over="smaller"))

    def _proposals(self, pictures: Tensor) -> Faces:
        """What P-Net takes for a face at any scale."""
        levels, base = [], pictures
        for scale in self._scales(*pictures.shape[2:]):
            size = [int(np.ceil(side * scale)) for side in pictures.shape[2:]]
            if 4 * size[0] <= base.shape[2] and 4 * size[1] <= base.shape[3]:
                base = F.avg_pool2d(
                    base, 2
                )  # what follows is as good an average, and takes a quarter of the time
            probability, offsets = self._proposal(F.interpolate(base, size, mode="area"))
            level = _windows_above(self._thresholds.proposal, probability, offsets, scale)
            levels.append(level.only(keep_best(*level, overlap=0.5)))
        if not levels:
            return _no_faces()
        faces = Faces(*(np.concatenate(parts) for parts in zip(*levels, strict=True)))
        return faces.only(keep_best(*faces, overlap=0.7))

    def _scales(self, height: int, width: int) -> Iterator[float]:
        scale = ProposalNet.WINDOW / self._min_face
        while min(height, width) * scale >= ProposalNet.WINDOW:
            yield scale
            scale *= _PYRAMID

    def _refine_boxes(
        self, pictures: Tensor, faces: Faces, net: RefineNet | OutputNet, threshold: float
    ) -> Faces:
        """Faces that ``net`` confirms, with its scores and its boxes."""
        seen = squared(faces.boxes)
        found = []
        for begin in range(0, len(seen), _WINDOWS_AT_ONCE):
            part = slice(begin, begin + _WINDOWS_AT_ONCE)
            cut = windows(pictures, seen[part], faces.picture_of[part], net.WINDOW)
            probability, offsets = net(cut)
            scores = probability.cpu().numpy()
            sides = seen[part, 2:] - seen[part, :2]
            boxes = seen[part] + offsets.cpu().numpy() * np.concatenate([sides, sides], axis=1)
            found.append(Faces(boxes, scores, faces.picture_of[part]).only(scores > threshold))
        return Faces(*(np.concatenate(parts) for parts in zip(_no_faces(), *found, strict=True)))


def _windows_above(threshold: float, probability: Tensor, offsets: Tensor, scale: float) -> Faces:
    """P-Net's windows with a face, as boxes in the picture before it was scaled."""
    chosen = probability > threshold
    picture, row, column = (places.cpu().numpy() for places in chosen.nonzero(as_tuple=True))
    corner = np.stack([column, row], axis=1).astype(np.float32) * ProposalNet.STRIDE
    window = np.concatenate([corner, corner + ProposalNet.WINDOW], axis=1)
    shift = offsets.permute(0, 2, 3, 1)[chosen].cpu().numpy() * ProposalNet.WINDOW
    return Faces(((window + shift) / scale).astype(np.float32), probability[chosen].cpu().numpy(), picture)


def _no_faces() -> Faces:
    return Faces(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
