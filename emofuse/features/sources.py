"""The part of an utterance that an encoder reads, and a fingerprint that changes with it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emofuse.data.audio import read_audible
from emofuse.data.face_place import FacePlace, place_cell
from emofuse.data.media import probe
from emofuse.data.media_error import MediaError
from emofuse.data.picture_sampling import PictureSampling
from emofuse.data.pictures import open_pictures
from emofuse.data.sampling_rate import RATE
from emofuse.data.utterance import Crop, Utterance
from emofuse.features.dialogue_context import TextInContext, texts_in_context
from emofuse.features.identity import InputNeeds, UtteranceEncoder, needs_of

_BYTES_PER_SECOND = RATE * 4
_SMALL_FILE = 1 << 18  # bytes; a minute or two of the densest codecs
_LONGEST = 1e6  # seconds, more than any memory holds


@dataclass(frozen=True)
class Source:
    """One utterance as an encoder's input, not read yet.

    Attributes:
        id: the utterance.
        fingerprint: differs whenever what is read does: the texts, or the file's name, size and time of
            change, the part of it, the half of the picture and the face.
        text: of a text encoder.
        path: of the file of another.
        start: begin of the part of it in seconds.
        end: end in seconds.
        crop: the half of the picture.
        face: the place of the speaker's face, where the encoder looks at faces.
        pictures: which pictures are taken of a video; None where the sound is read.
        notes: what had to be done to read it that a user should know of, each a line in words.
    """

    id: str
    fingerprint: str
    text: str | TextInContext | None = None
    path: Path | None = None
    start: float | None = None
    end: float | None = None
    crop: Crop | None = None
    face: FacePlace | None = None
    pictures: PictureSampling | None = None
    notes: tuple[str, ...] = ()

    @property
    def text_length(self) -> int:
        """Characters of the text, with what is read around it; 0 for media."""
        if isinstance(self.text, TextInContext):
            return sum(map(len, (*self.text.before, self.text.text, *self.text.after)))
        return len(self.text or "")

    def expected_bytes(self) -> int:
        """About how much memory reading takes; 0 for texts, pictures (read block by block) and small files."""
        if self.path is None or self.pictures is not None:
            return 0
        end = self.end
        try:
            if end is None and self.path.stat().st_size > _SMALL_FILE:
                end = probe(self.path).duration
        except (MediaError, OSError):
            return 0  # reading it will say what is wrong
        return (
            0 if end is None else int(min(max(0.0, end - (self.start or 0.0)), _LONGEST) * _BYTES_PER_SECOND)
        )

    def read(self) -> tuple[Source, Any]:
        """The source with its notes, and what :meth:`UtteranceEncoder.encode` takes.

        Raises:
            MediaError: the file cannot be read, or its sound is silent.
        """
        if self.path is None:
            return self, self.text
        if self.pictures is None:
            sound = read_audible(self.path, start=self.start, end=self.end)
            return replace(self, notes=sound.notes), sound.samples
        pictures = open_pictures(
            self.path, self.pictures, start=self.start, end=self.end, crop=self.crop, face=self.face
        )
        return self, pictures


def sources_of(utterances: Iterable[Utterance], encoder: UtteranceEncoder) -> dict[str, Source | None]:
    """The input of every utterance, in their order; None where it has nothing of the encoder's modality.

    Args:
        utterances: whole dialogues where the encoder needs context.
        encoder: of text, of sound (from ``audio``, else from the track of ``video``) or of video.
    """
    rows = list(utterances)
    needs, modality = needs_of(encoder), encoder.identity.modality
    if modality == "text" and needs.context is not None:
        found = texts_in_context(rows, needs.context)
        return {row.id: _text_source(row.id, found.get(row.id)) for row in rows}
    if modality == "text":
        return {row.id: _text_source(row.id, row.text) for row in rows}
    if modality == "audio":
        return {row.id: _media_source(row, row.audio or row.video, InputNeeds()) for row in rows}
    if needs.pictures is None:
        raise TypeError(f"{type(encoder).__name__} reads video and does not say which pictures it needs")
    return {row.id: _media_source(row, row.video, needs) for row in rows}


def _text_source(utterance_id: str, text: str | TextInContext | None) -> Source | None:
    if text is None:
        return None
    if isinstance(text, str):
        return Source(utterance_id, _digest("text", text), text=text)
    # The counts keep a turn before apart from one after.
    parts = ("context", str(len(text.before)), *text.before, text.text, *text.after)
    return Source(utterance_id, _digest(*parts), text=text)


def _media_source(row: Utterance, path: Path | None, needs: InputNeeds) -> Source | None:
    if path is None:
        return None
    try:
        status = path.stat()
        stamp = f"{status.st_size} {status.st_mtime_ns}"
    except OSError:
        stamp = "missing"  # reading it will say so
    parts = ["media", path.name, stamp, repr(row.start), repr(row.end)]
    pictures = needs.pictures
    if pictures is not None and row.crop is not None:
        parts.append(row.crop)
    face = row.face if needs.faces else None
    if face is not None:
        parts.append(f"face {place_cell(face)}")
    return Source(
        row.id,
        _digest(*parts),
        path=path,
        start=row.start,
        end=row.end,
        crop=row.crop if pictures else None,
        face=face,
        pictures=pictures,
    )


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
