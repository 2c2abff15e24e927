"""Open every recording of a corpus once: what cannot be read is set aside, and the rest is measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from emofuse.corpora.corpus import Corpus
from emofuse.corpora.table_summary import first_places
from emofuse.data.container import check_size
from emofuse.data.manifest import Manifest, Utterance
from emofuse.data.manifest_columns import PATH_COLUMNS
from emofuse.data.media import MediaError, MediaInfo, probe
from emofuse.data.quarantine import QuarantineEntry
from emofuse.data.wording import counted

Progress = Callable[[int, int, str], None]

# A clip may run past its utterance by a breath or a laugh, not by this much.
TOO_LONG_SECONDS = 30.0


@dataclass(frozen=True)
class CheckedMedia:
    """A corpus without the media that cannot be read, and how long the rest of it is.

    Attributes:
        corpus: whose manifest names only media that open and hold what they are named for.
        seconds: of all utterances that have sound or picture.
    """

    corpus: Corpus
    seconds: float


def check_media(corpus: Corpus, *, workers: int = 2, progress: Progress | None = None) -> CheckedMedia:
    """Open all media of a corpus.

    A file is good when it opens and has a picture (column ``video``) or sound (column ``audio``), and when
    the utterance begins before it ends. Other cells are emptied; an utterance with nothing left is left out.

    Args:
        corpus: as its reader made it.
        workers: threads that open files.
        progress: called with (files opened, files to open, what is being done).

    Raises:
        EmofuseError: media lie outside the corpus's folder.
    """
    rows = list(corpus.manifest.rows())
    found = _probe_all(rows, workers, progress)
    set_aside = [entry for row in rows for entry in _bad_media(row, found)]
    manifest, lost = _without(corpus.manifest, set_aside)
    kept = list(manifest.rows())
    return CheckedMedia(
        replace(
            corpus,
            manifest=manifest,
            set_aside=(*corpus.set_aside, *set_aside),
            left_out={**corpus.left_out, **({"no medium that can be read": tuple(lost)} if lost else {})},
            notes=(*corpus.notes, *_too_long(corpus.expected_seconds, kept, found)),
        ),
        sum(filter(math.isfinite, (_seconds(row, found) for row in kept))),
    )


def seconds_stated(manifest: Manifest) -> float | None:
    """The length of all utterances, if each says when it begins and ends."""
    lengths = manifest.frame["end"] - manifest.frame["start"]
    return None if lengths.isna().any() else float(lengths.sum())


_Probed = Mapping[str, MediaInfo | MediaError]


def _probe_all(rows: list[Utterance], workers: int, progress: Progress | None) -> _Probed:
    # Clips cut from one film share its file: each file is opened once.
    paths = list(dict.fromkeys(str(path) for row in rows for path in (row.video, row.audio) if path))
    report = progress or (lambda done, total, what: None)
    found: dict[str, MediaInfo | MediaError] = {}
    with ThreadPoolExecutor(max(1, workers), thread_name_prefix="probe") as pool:
        for path, result in zip(paths, pool.map(_probed, paths), strict=True):
            found[path] = result
            report(len(found), len(paths), "recordings opened")
    return found


def _probed(path: str) -> MediaInfo | MediaError:
    try:
        return probe(path)
    except MediaError as error:
        return error


def _bad_media(row: Utterance, found: _Probed) -> Iterator[QuarantineEntry]:
    for modality, path in (("video", row.video), ("audio", row.audio)):
        if path is not None:
            error = _fault(row, modality, found[str(path)])
            if error is not None:
                yield QuarantineEntry(row.id, modality, str(path), error.reason, str(error))


def _fault(row: Utterance, modality: str, info: MediaInfo | MediaError) -> MediaError | None:
    if isinstance(info, MediaError):
        return info
    path = (row.video if modality == "video" else row.audio) or ""
    if modality == "video" and not info.has_video:
        return MediaError(path, "no-video", "has no video stream")
    if modality == "audio" and not info.has_audio:
        return MediaError(path, "no-audio", "has no audio stream")
    if modality == "video" and info.height and info.width:
        try:
            check_size(path, info.height, info.width)
        except MediaError as error:
            return error
    if info.duration is not None and (row.start or 0.0) >= info.duration:
        what = f"the segment begins at {row.start or 0:.3f} s, but the file ends at {info.duration:.3f} s"
        return MediaError(path, "bad-segment", what)
    return None


def _without(manifest: Manifest, bad: list[QuarantineEntry]) -> tuple[Manifest, list[str]]:
    """The manifest without these media, and the ids of the rows that had nothing else."""
    if not bad:
        return manifest, []
    frame = manifest.frame.copy()
    for column in PATH_COLUMNS:
        ids = {entry.id for entry in bad if entry.modality == column}
        frame[column] = frame[column].where(~frame["id"].isin(ids), None)
    if "crop" in frame:
        frame["crop"] = frame["crop"].where(frame["video"].notna(), None)
    empty = (
        frame[["text", *PATH_COLUMNS]].isna().all(axis=1)
        & frame["id"].isin({entry.id for entry in bad}).to_numpy()
    )
    return Manifest.from_frame(frame[~empty], manifest.root), list(frame["id"][empty])


def _seconds(row: Utterance, found: _Probed) -> float:
    info = found.get(str(row.video or row.audio))
    end = row.end
    if isinstance(info, MediaInfo) and info.duration is not None:
        end = info.duration if end is None else min(end, info.duration)
    has_any = row.video is not None or row.audio is not None
    return np.nan if end is None or not has_any else end - (row.start or 0.0)


def _too_long(expected: Mapping[str, float], rows: list[Utterance], found: _Probed) -> list[str]:
    lengths = pd.Series({row.id: _seconds(row, found) for row in rows if row.id in expected}, dtype=float)
    surplus = lengths - pd.Series(expected, dtype=float).reindex(lengths.index)
    ids = list(surplus.index[surplus > TOO_LONG_SECONDS])
    if not ids:
        return []
    what = f"{counted(len(ids), 'clip')} over {TOO_LONG_SECONDS:.0f} s longer than the subtitles say, so cut wrongly"
    return [f"{what}: {first_places(ids)}"]
