"""CMU-MOSI, CMU-MOSEI and CH-SIMS in the raw layout that they share: clips of videos with a sentiment each.

Zadeh et al., "MOSI", IEEE Intelligent Systems 31(6), 2016; Zadeh et al., "Multimodal Language Analysis in
the Wild", ACL 2018; Yu et al., "CH-SIMS", ACL 2020. The layout is that of the M-SENA platform.

    label.csv                       video_id, clip_id, text, label, annotation, mode (and label_T, label_A, label_V)
    Raw/<video_id>/<clip_id>.mp4

What is known to go wrong, and what happens here:

- Clip numbers are names: ``0001`` of CH-SIMS stays so, and a table whose zeros a spreadsheet has eaten still
  finds its clips.
- CH-SIMS is Chinese, in UTF-8 or, where somebody saved it anew, in GBK: both are read.
- ``mode`` says train, valid or test; ``valid`` is the validation part.
- ``label`` is the sentiment, -3..3 (CH-SIMS: -1..1): it becomes the valence, and its sign the label
  (negative, neutral, positive). ``annotation`` says the same in words; where it contradicts the sign, the
  sign counts, and the number of such rows is reported. CH-SIMS also labels words, sound and picture each alone:
  these are kept in the columns ``valence_text``, ``valence_audio`` and ``valence_video``.
- Who speaks is not said. The clips of a video are a dialogue, in the order of their numbers, and a group.
- Clips without a row are ignored; rows without a clip keep their words.
- Sizes differ between papers; these are the ones of the platform: 1284/229/686, 16326/1871/4659,
  1368/456/457.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emofuse.corpora.corpus import Corpus, Published, corpus_manifest, files_in
from emofuse.corpora.table_files import TableFile, read_table_file
from emofuse.data.manifest_columns import number_cells
from emofuse.data.quarantine import QuarantineEntry
from emofuse.data.sentiments import SENTIMENTS, sentiment_of
from emofuse.data.text_encoding import Fallback
from emofuse.data.wording import column_names, counted
from emofuse.errors import EmofuseError

_COLUMNS = ("video_id", "clip_id", "text", "label", "mode")
_ALONE = {"label_T": "valence_text", "label_A": "valence_audio", "label_V": "valence_video"}


@dataclass(frozen=True)
class SentimentCorpus:
    """One of the corpora of this layout; ``largest`` is the end of its scale."""

    name: str
    published: Published
    largest: float
    fallback: Fallback = "cp1252"


def _published(train: int, val: int, test: int) -> Published:
    return Published("M-SENA", {"train": train, "val": val, "test": test})


MOSI = SentimentCorpus("CMU-MOSI", _published(1284, 229, 686), 3.0)
MOSEI = SentimentCorpus("CMU-MOSEI", _published(16326, 1871, 4659), 3.0)
CH_SIMS = SentimentCorpus("CH-SIMS", _published(1368, 456, 457), 1.0, "gb18030")


def read_mosi(root: Path) -> Corpus:
    """Read CMU-MOSI; see :func:`read_sentiment_clips`."""
    return read_sentiment_clips(root, MOSI)


def read_mosei(root: Path) -> Corpus:
    """Read CMU-MOSEI; see :func:`read_sentiment_clips`."""
    return read_sentiment_clips(root, MOSEI)


def read_ch_sims(root: Path) -> Corpus:
    """Read CH-SIMS; see :func:`read_sentiment_clips`."""
    return read_sentiment_clips(root, CH_SIMS)


def read_sentiment_clips(root: Path, kind: SentimentCorpus) -> Corpus:
    """Read a corpus of this layout; the module says what is done about its known faults.

    Args:
        root: the folder with ``label.csv`` in it.
        kind: which corpus it is.

    Raises:
        EmofuseError: there is no ``label.csv``, or it is not one of these.
    """
    path = next(
        (place / "label.csv" for place in (root, root / "Raw") if (place / "label.csv").is_file()), None
    )
    if path is None:
        raise EmofuseError(f"{root}: has no label.csv; name the folder of {kind.name} that holds it")
    table = read_table_file(path, kind.fallback)
    frame = table.raw.frame
    lacking = [column for column in _COLUMNS if column not in frame]
    if lacking:
        raise EmofuseError(
            f"{path}: has no column {', '.join(lacking)}, only {column_names(frame)}; is it {kind.name}'s?"
        )
    return _Reader(root, path, table, kind).read()


class _Reader:
    def __init__(self, root: Path, path: Path, table: TableFile, kind: SentimentCorpus) -> None:
        self.root, self.path, self.kind, self.table = root, path, kind, table
        self.left_out: dict[str, list[str]] = {}
        self.set_aside: list[QuarantineEntry] = []
        self.clips: dict[str, dict[str, str]] = {}

    def read(self) -> Corpus:
        frame = self.table.raw.frame
        cells = frame.map(lambda cell: cell.strip() if isinstance(cell, str) else cell)
        cells["text"] = frame["text"]
        for column in ("label", *_ALONE):
            if column in cells:
                cells[column] = self._numbers(cells[column])
        rows: list[dict[str, Any]] = []
        ids: set[str] = set()
        for number, record in zip(self.table.raw.rows, cells.to_dict("records"), strict=True):
            if not (isinstance(record["video_id"], str) and isinstance(record["clip_id"], str)):
                self.left_out.setdefault("no video_id or clip_id", []).append(f"row {number}")
                continue
            row = self._row({str(name): value for name, value in record.items()})
            reason = "an earlier row repeated" if row["id"] in ids else self._refusal(row)
            ids.add(row["id"])
            if reason:
                self.left_out.setdefault(reason, []).append(row["id"])
            else:
                rows.append(row)
        _number_turns(rows)
        return Corpus(
            corpus_manifest(rows, self.root, self.kind.name),
            {reason: tuple(ids) for reason, ids in self.left_out.items()},
            tuple(self.set_aside) if any(row["video"] for row in rows) else (),
            tuple(self._notes(cells, rows)),
            self.kind.published,
        )

    def _numbers(self, cells: pd.Series) -> pd.Series:
        numbers, bad = number_cells(cells)
        if bad.any():
            places = self.table.raw.rows[bad]
            raise EmofuseError(
                f"{self.path} row {places[0]}: {cells.name} {cells[bad].iloc[0]!r} is not a number; mend it"
            )
        return pd.Series(numbers, index=cells.index)

    def _row(self, cells: Mapping[str, Any]) -> dict[str, Any]:
        video, clip = cells["video_id"], cells["clip_id"]
        id = f"{video}$_${clip}"
        return {
            "id": id,
            "dialogue": video,
            "turn": clip,
            "text": cells["text"],
            "video": self._clip(id, video, clip),
            "label": sentiment_of(cells["label"]),
            "valence": cells["label"],
            "split": cells["mode"],
            "group": video,
            **{ours: cells[theirs] for theirs, ours in _ALONE.items() if theirs in cells},
        }

    def _refusal(self, row: Mapping[str, Any]) -> str | None:
        if math.isnan(row["valence"]):
            return "no sentiment"
        return "no words and no clip" if not (row["text"] or row["video"]) else None

    def _clip(self, id: str, video: str, clip: str) -> str | None:
        folder = self.root / "Raw" / video
        if Path(video).name != video:
            return None  # no name of a folder in Raw
        if video not in self.clips:
            self.clips[video] = files_in(folder, self.root, {".mp4"})
        # Spreadsheets take the zeros in front of a number away; four digits are what CH-SIMS has.
        path = self.clips[video].get(clip) or self.clips[video].get(clip.zfill(4))
        if path is None:
            where = str(folder / f"{clip}.mp4")
            message = f"{where}: there is no such file [missing-file]"
            self.set_aside.append(QuarantineEntry(id, "video", where, "missing-file", message))
        return path

    def _notes(self, cells: pd.DataFrame, rows: list[dict[str, Any]]) -> Iterator[str]:
        yield from self.table.notes
        yield from (f"row {row} {why}" for row, why in self.table.raw.broken)
        if not any(row["video"] for row in rows):
            yield "there are no clips in Raw, so this is a corpus of texts"
        if "annotation" in cells:
            signs, annotated = cells["label"].map(sentiment_of), cells["annotation"].str.lower()
            contrary = int((annotated.isin(SENTIMENTS) & signs.notna() & (annotated != signs)).sum())
            if contrary:
                yield f"annotation contradicts the sign of the label in {counted(contrary, 'row')}"
        beyond = sum(abs(row["valence"]) > self.kind.largest for row in rows)
        if beyond:
            limit = f"{self.kind.largest:g}"
            yield f"{counted(beyond, 'sentiment')} beyond the scale of -{limit}..{limit}"


def _number_turns(rows: list[dict[str, Any]]) -> None:
    """Number the clips of a video by their names, or, where one is no number, as they come."""
    unnumbered = {row["dialogue"] for row in rows if not row["turn"].isdecimal()}
    for row in rows:
        row["turn"] = None if row["dialogue"] in unnumbered else int(row["turn"])
