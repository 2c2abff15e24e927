"""The utterances of a recording as a manifest."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from emofuse.data.face_place import place_cell
from emofuse.data.manifest import Manifest
from emofuse.recordings.seen_speaking import SeenSpeaker
from emofuse.recordings.segment import Segmentation


def manifest_of(segmentation: Segmentation) -> Manifest:
    """One row per utterance, in the recording's folder.

    Beyond the usual columns, ``segmented_by`` says how utterances were found, and ``language`` what is spoken. Where it was
    looked who is seen speaking, ``face`` is the place of that face (x1, y1, x2, y2 as shares of the picture),
    ``listeners`` those of the others, divided by semicolons, and ``face_margin`` how sure that is, 0 to 1.
    """
    recording = segmentation.recording
    column = "video" if segmentation.info.has_video else "audio"
    seen = segmentation.seen or [None] * len(segmentation.spoken)
    rows = [
        {
            "id": one.id,
            "dialogue": one.dialogue,
            "turn": one.turn,
            "speaker": one.speaker,
            "text": one.text,
            column: recording.name,
            "start": one.start,
            "end": one.end,
            "segmented_by": segmentation.by,
            **({"language": segmentation.language} if segmentation.language else {}),
            **(_faces(who) if segmentation.seen else {}),
        }
        for one, who in zip(segmentation.utterances(), seen, strict=True)
    ]
    return Manifest.from_frame(pd.DataFrame(rows), recording.absolute().parent)


def _faces(who: SeenSpeaker | None) -> dict[str, str | None]:
    if who is None:
        return {"face": None, "listeners": None, "face_margin": None}
    listeners = "; ".join(map(place_cell, who.listeners))
    return {"face": place_cell(who.face), "listeners": listeners or None, "face_margin": f"{who.margin:.2f}"}


def default_manifest(recording: Path) -> Path:
    """Where the utterances of a recording are written if nothing else is said: beside it."""
    return recording.with_name(f"{recording.stem}.utterances.csv")
