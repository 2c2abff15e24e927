"""The faces in pictures, cut out: what VisExtNet encodes in place of the scene (MFCRE §3.1.3)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from emofuse.data.face_place import FACE_MARGIN, FacePlace, follow_face
from emofuse.encoders.boxes import squared
from emofuse.encoders.mtcnn import MTCNN

# Longest side of the pictures that faces are looked for in: a face of a fiftieth of its height is still found.
LONGEST = 1280


class FaceCutter:
    """Every face of every picture, as a picture of its own.

    A crop is a square around the face, its side 1.3 times the longer side of the detector's box; where that
    reaches beyond the picture, it is black.

    Args:
        size: (height, width) of the crops.
        min_face: side in pixels of the smallest face looked for.
        device: where the detector runs.

    Attributes:
        longest: longest side in pixels of the pictures that it wants.
        settings: what decides which faces are found.

    Raises:
        EmofuseError: the extra ``faces`` is not installed.
    """

    def __init__(self, size: tuple[int, int], min_face: int, device: torch.device | str) -> None:
        self._size, self.longest = size, LONGEST
        self._detector = MTCNN(min_face, device)
        self.settings: dict[str, str | int | float] = {
            "faces": f"mtcnn-{self._detector.revision}",
            "min_face": min_face,
            "margin": FACE_MARGIN,
            "longest": LONGEST,
        }

    def __call__(
        self, pictures: NDArray[np.uint8], face: FacePlace | None = None
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Cut the faces out of (n, H, W, 3) RGB; with ``face``, the one at that place alone, followed over the pictures.

        Returns:
            Crops (N, height, width, 3) uint8 of all faces, and (N,) the picture each is from, ascending.
        """
        faces = self._detector(pictures)
        if face is not None:
            where = np.array(face, np.float32) * np.tile(pictures.shape[2:0:-1], 2).astype(np.float32)
            faces = faces.only(follow_face(faces.boxes, faces.picture_of, where))
        height, width = self._size
        crops = np.empty((len(faces.boxes), height, width, 3), np.uint8)
        for place, (picture, box) in enumerate(
            zip(faces.picture_of, squared(faces.boxes, FACE_MARGIN), strict=True)
        ):
            left, top, right, bottom = (round(float(edge)) for edge in box)
            cut = Image.fromarray(pictures[picture]).crop(
                (left, top, max(right, left + 1), max(bottom, top + 1))
            )
            crops[place] = np.asarray(cut.resize((width, height), Image.Resampling.BILINEAR))
        return crops, faces.picture_of
