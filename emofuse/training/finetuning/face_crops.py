"""The pictures of an utterance, or the faces in them, ready for a network and kept on disk between the epochs."""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emofuse.data.atomic import written_aside
from emofuse.data.face_place import place_cell
from emofuse.data.manifest import Utterance
from emofuse.data.picture_sampling import PictureSampling
from emofuse.data.pictures import open_pictures
from emofuse.data.stills import is_still
from emofuse.data.stored_files import check_regular
from emofuse.encoders.faces import FaceCutter
from emofuse.encoders.spec import EncoderSpec

TUNING_FRAMES = 5  # pictures of an utterance, where nothing is said; a still is taken once


class Crops(NamedTuple):
    """What is looked at of an utterance.

    Attributes:
        pixels: (n, H, W, 3) uint8.
        picture_of: (n,) the picture that each is cut from.
    """

    pixels: NDArray[np.uint8]
    picture_of: NDArray[np.int64]

    @property
    def shares(self) -> NDArray[np.float32]:
        """(n,) what each counts in the mean over pictures, of which each is the mean over its faces; sums to 1."""
        _, place, faces = np.unique(self.picture_of, return_inverse=True, return_counts=True)
        return (1.0 / (faces[place] * max(1, len(faces)))).astype(np.float32)


@dataclass(frozen=True)
class CropReader:
    """Reads the crops of utterances, as :class:`emofuse.encoders.video.VideoEncoder` would look at them.

    Attributes:
        size: (height, width) of what the network takes.
        spec: frames (five by default) or rate, faces, min_face.
        folder: where what was decoded is kept.
    """

    size: tuple[int, int]
    spec: EncoderSpec
    folder: Path

    @cached_property
    def _cutter(self) -> FaceCutter | None:
        # Made where it is used: each of the processes that read has its own.
        return FaceCutter(self.size, self.spec.min_face, "cpu") if self.spec.faces else None

    def read(self, utterance: Utterance) -> Crops:
        """The crops; none where no face is found.

        Raises:
            MediaError: the file cannot be read.
        """
        assert utterance.video is not None
        if is_still(utterance.video) and self._cutter is None:
            return self._cut(utterance)  # as soon read as found on disk
        file = self._file(utterance)
        kept = _kept(file)
        if kept is None:
            kept = self._cut(utterance)
            with written_aside(file) as aside:
                np.savez(aside, pixels=kept.pixels, picture_of=kept.picture_of)
        return kept

    def _cut(self, utterance: Utterance) -> Crops:
        assert utterance.video is not None
        cutter, rate = self._cutter, self.spec.rate
        face = None if cutter is None else utterance.face
        frames = None if rate else self.spec.frames or TUNING_FRAMES
        whole = {"size": self.size} if cutter is None else {"longest": cutter.longest}
        clip = open_pictures(
            utterance.video,
            PictureSampling(frames, rate, **whole),
            start=utterance.start,
            end=utterance.end,
            crop=utterance.crop,
            face=face,
        )
        pixels, picture_of, seen = [np.zeros((0, *self.size, 3), np.uint8)], [np.zeros(0, np.int64)], 0
        for pictures in clip:
            found = (pictures, np.arange(len(pictures))) if cutter is None else cutter(pictures, face)
            pixels.append(found[0])
            picture_of.append(found[1] + seen)
            seen += len(pictures)
        return Crops(np.concatenate(pixels), np.concatenate(picture_of))

    def _file(self, utterance: Utterance) -> Path:
        assert utterance.video is not None
        try:
            status = utterance.video.stat()
            state = [status.st_size, status.st_mtime_ns]
        except OSError:
            state = []  # reading it says what is wrong
        asked = [*self.size, self.spec.frames, self.spec.rate, self.spec.faces, self.spec.min_face]
        part = [str(utterance.video), utterance.start, utterance.end, utterance.crop]
        if self.spec.faces and utterance.face is not None:
            part.append(place_cell(utterance.face))
        key = json.dumps([*part, *state, *asked]).encode(errors="surrogateescape")
        return self.folder / f"{hashlib.sha256(key).hexdigest()[:32]}.npz"


def _kept(file: Path) -> Crops | None:
    """None where there is nothing, or anything but what was written: it is decoded again."""
    try:
        check_regular(file, "it is made again")
        with zipfile.ZipFile(file) as archive:
            if not all(_is_whole(archive, f"{name}.npy") for name in Crops._fields):
                return None
        with np.load(file, allow_pickle=False) as arrays:
            return Crops(arrays["pixels"], arrays["picture_of"])
    except Exception:  # of zipfile, zlib and the reader of headers, whose errors have no common base
        return None


def _is_whole(archive: zipfile.ZipFile, name: str) -> bool:
    """Whether an array is as large as its header says, before memory is taken for it."""
    member = archive.getinfo(name)
    with archive.open(member) as opened:
        if member.compress_type != zipfile.ZIP_STORED or np.lib.format.read_magic(opened) != (1, 0):
            return False  # np.savez writes neither
        shape, _, dtype = np.lib.format.read_array_header_1_0(opened)
        return member.file_size == opened.tell() + math.prod(shape) * dtype.itemsize
