"""The utterances of a recording as a manifest."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from emofuse.data.manifest import Manifest
from emofuse.recordings.segment import Segmentation


def manifest_of(segmentation: Segmentation) -> Manifest:
    """One row per utterance, in the recording's folder.

    Beyond the usual columns, ``segmented_by`` says how utterances were found, and ``language`` what is spoken.
    """
    recording = segmentation.recording
    column = "video" if segmentation.info.has_video else "audio"
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
        }
        for one in segmentation.utterances()
    ]
    return Manifest.from_frame(pd.DataFrame(rows), recording.absolute().parent)


def default_manifest(recording: Path) -> Path:
    """Where the utterances of a recording are written if nothing else is said: beside it."""
    return recording.with_name(f"{recording.stem}.utterances.csv")
