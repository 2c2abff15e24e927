"""MELD: utterances of the series Friends, with picture, sound, words, speaker and emotion.

Poria et al., "MELD: A Multimodal Multi-Party Dataset for Emotion Recognition in Conversations", ACL 2019.

    train_sent_emo.csv  dev_sent_emo.csv  test_sent_emo.csv      in the root, or one in each of train/ dev/ test/
    train_splits/dia0_utt0.mp4                                   likewise, in the root or in train/
    dev_splits_complete/dia0_utt0.mp4
    output_repeated_splits_test/dia0_utt0.mp4

What is known to go wrong, and what happens here:

- Transcripts hold characters of Windows-1252, as bytes or as control characters: both become the characters.
- Dialogues are numbered from 0 in every file: they are prefixed with the split. Number 60 of the training
  part does not exist, so that 1432 dialogues are complete and not the 1433 of the paper.
- ``StartTime`` and ``EndTime`` are times of the episode, while each clip is a file of its own: an utterance
  is the whole clip. The times tell how long a clip should be; four clips are minutes too long because they
  were cut wrongly (test dia38_utt4 and dia220_utt0, train dia309_utt0 and dia793_utt0). Checking media names
  them.
- Two clips cannot be used: train dia125_utt3 does not decode, dev dia110_utt7 was never published. They are
  set aside with the reason, and their words are kept; a mended file in their place is used.
- Archives hold ``._dia0_utt0.mp4`` files, which are no media: ignored.
- The test folder has clips with the prefix ``final_videos_test``: one serves where there is no clip of the
  plain name, and is ignored elsewhere. Some clips have no transcript: counted, and ignored.
- The transcripts alone are a corpus of texts, and a missing transcript is a missing part: no error.
- The sentiment becomes a valence of -1, 0 or 1: its sign is what was annotated, and its size means nothing.
- Six characters speak most lines and more than two hundred others the rest; ``speakers="main"`` keeps the
  utterances of the six, ``speakers="grouped"`` calls everybody else ``other``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from emofuse.corpora.corpus import Corpus, Published, corpus_manifest, files_in, first_folder, require_choice
from emofuse.corpora.table_files import mend_c1, read_table_file
from emofuse.corpora.table_summary import first_places
from emofuse.corpora.tables import seconds
from emofuse.data.media import MediaError, probe
from emofuse.data.quarantine import QuarantineEntry
from emofuse.data.wording import column_names, counted
from emofuse.errors import EmofuseError

MAIN_CHARACTERS = ("Chandler", "Joey", "Monica", "Phoebe", "Rachel", "Ross")
OTHER = "other"
EMOTIONS = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
VALENCE = {"negative": -1.0, "neutral": 0.0, "positive": 1.0}
PUBLISHED = Published("Poria et al. 2019", {"train": 9989, "val": 1109, "test": 2610}, dialogues=1433)

Speakers = Literal["all", "grouped", "main"]
Target = Literal["emotion", "sentiment"]

_COLUMNS = ("Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID")
_PREFIX = "final_videos_test"


@dataclass(frozen=True)
class _Part:
    split: str
    folder: str  # of its own transcripts and clips, where the archive was unpacked so
    transcript: str
    clips: str
    broken: str


_PARTS = (
    _Part("train", "train", "train_sent_emo.csv", "train_splits", "dia125_utt3"),
    _Part("val", "dev", "dev_sent_emo.csv", "dev_splits_complete", "dia110_utt7"),
    _Part("test", "test", "test_sent_emo.csv", "output_repeated_splits_test", ""),
)


@dataclass
class _Readings:
    rows: list[dict[str, Any]] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    set_aside: list[QuarantineEntry] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


def read_meld(root: Path, speakers: Speakers = "all", target: Target = "emotion") -> Corpus:
    """Read MELD; the module says what is done about its known faults.

    Args:
        root: the folder that the archive was unpacked to, with clips or without.
        speakers: ``"all"`` as transcribed, ``"grouped"`` to call all but the six main characters ``other``,
            ``"main"`` to leave the others' utterances out.
        target: what the label is: one of seven emotions, or one of three sentiments.

    Raises:
        EmofuseError: there is no transcript, or one is not MELD's.
    """
    require_choice("meld", "speakers", speakers, ("all", "grouped", "main"))
    require_choice("meld", "target", target, ("emotion", "sentiment"))
    transcripts = {part: _transcript(root, part) for part in _PARTS}
    if not any(transcripts.values()):
        raise EmofuseError(
            f"{root}: has none of {', '.join(part.transcript for part in _PARTS)}; name the folder of MELD that holds them"
        )
    found = _Readings()
    for part, path in transcripts.items():
        if path is None:
            found.notes.append(f"there is no {part.transcript}, so no {part.split} part")
        else:
            _PartReader(root, part, found, speakers, target).read(path)
    main = sum(row["speaker"] in MAIN_CHARACTERS for row in found.rows)
    found.notes.append(f"the six main characters speak {main} of {counted(len(found.rows), 'utterance')}")
    return Corpus(
        corpus_manifest(found.rows, root, "MELD"),
        {reason: tuple(ids) for reason, ids in found.left_out.items()},
        tuple(found.set_aside),
        tuple(found.notes),
        PUBLISHED,
        found.seconds,
    )


def _transcript(root: Path, part: _Part) -> Path | None:
    places = (root, root / part.folder, root / "data" / "MELD")
    return next((place / part.transcript for place in places if (place / part.transcript).is_file()), None)


class _PartReader:
    """Reads the transcript of one part and finds its clips."""

    def __init__(self, root: Path, part: _Part, found: _Readings, speakers: Speakers, target: Target) -> None:
        self.root, self.part, self.found = root, part, found
        self.speakers, self.target = speakers, target
        folder = first_folder([root / part.clips, root / part.folder / part.clips])
        files = files_in(folder, root, {".mp4"}) if folder else {}
        prefixed = {name for name in files if name.startswith(_PREFIX)}
        self.clips = {name.removeprefix(_PREFIX): files[name] for name in prefixed}
        self.clips |= {name: path for name, path in files.items() if name not in prefixed}
        self.unused = set(files.values())

    def read(self, transcript: Path) -> None:
        """Add the rows, and what became of the others."""
        seen: set[str] = set()
        for cells in self._cells(transcript):
            name = f"dia{cells['Dialogue_ID']}_utt{cells['Utterance_ID']}"
            row = self._row(name, cells)
            self.unused.discard(self.clips.get(name, ""))
            reason = "an earlier row repeated" if name in seen else self._refusal(row)
            seen.add(name)
            if reason:
                self.found.left_out.setdefault(reason, []).append(row["id"])
                continue
            row["video"] = self._clip(row["id"], name)
            if pd.notna(cells["seconds"]):
                self.found.seconds[row["id"]] = cells["seconds"]
            self.found.rows.append(row)
        self._note_clips()

    def _cells(self, path: Path) -> Iterator[Mapping[str, Any]]:
        """The rows of a transcript, mended."""
        table = read_table_file(path)
        frame = table.raw.frame
        lacking = [column for column in _COLUMNS if column not in frame]
        if lacking:
            raise EmofuseError(
                f"{path}: has no column {', '.join(lacking)}, only {column_names(frame)}; is it MELD's?"
            )
        notes = [*table.notes, *(f"{path.name} row {row} {why}" for row, why in table.raw.broken)]
        mended, touched = {}, pd.Series(False, index=frame.index)
        for column in _COLUMNS:
            mended[column], changed = mend_c1(frame[column])
            touched |= changed
        if touched.any():
            notes.append(
                f"{path.name}: characters of Windows-1252 were mended in {counted(touched.sum(), 'row')}"
            )
        self.found.notes += notes
        cells = frame.assign(**mended, seconds=_subtitle_seconds(frame))
        for column in ("Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID"):
            cells[column] = cells[column].str.strip()
        yield from cells.to_dict("records")  # type: ignore[misc]

    def _row(self, name: str, cells: Mapping[str, Any]) -> dict[str, Any]:
        labels = {key: (cells[key.title()] or "").lower() for key in ("emotion", "sentiment")}
        season, episode = cells.get("Season"), cells.get("Episode")
        return {
            "id": f"{self.part.split}_{name}",
            "dialogue": f"{self.part.split}_{cells['Dialogue_ID']}",
            "turn": cells["Utterance_ID"],
            "speaker": cells["Speaker"],
            "text": cells["Utterance"],
            "label": labels[self.target] or None,
            "valence": VALENCE.get(labels["sentiment"]),
            "split": self.part.split,
            "group": f"s{season:0>2}e{episode:0>2}" if season and episode else None,
        }

    def _refusal(self, row: dict[str, Any]) -> str | None:
        if row["speaker"] not in MAIN_CHARACTERS:
            if self.speakers == "main":
                return "not spoken by one of the six main characters"
            if self.speakers == "grouped":
                row["speaker"] = OTHER
        return None

    def _clip(self, id: str, name: str) -> str | None:
        """The path of an utterance's clip, or None, with an entry that says why where there are clips."""
        path = self.clips.get(name)
        error: MediaError | None = None
        if path is None:
            error = MediaError(
                self.root / self.part.clips / f"{name}.mp4", "missing-file", "there is no such file"
            )
        elif name == self.part.broken:
            try:
                probe(self.root / path)
            except MediaError as caught:
                error = caught
        if error is None:
            return path
        if self.clips:
            self.found.set_aside.append(
                QuarantineEntry(id, "video", str(error.path), error.reason, str(error))
            )
        return None

    def _note_clips(self) -> None:
        split, names = self.part.split, sorted(Path(path).stem for path in self.unused)
        if not self.clips:
            self.found.notes.append(f"{split}: there are no clips ({self.part.clips}), so texts alone")
        if names:
            what = f"{counted(len(names), 'clip')} without a transcript, or twice there"
            self.found.notes.append(f"{split}: {what}: {first_places(names)}")


def _subtitle_seconds(frame: pd.DataFrame) -> pd.Series:
    """How long each utterance is on screen, NaN where the transcript does not say."""
    if not {"StartTime", "EndTime"} <= set(frame):
        return pd.Series(float("nan"), index=frame.index)
    start, end = (pd.to_numeric(seconds(frame[name]), errors="coerce") for name in ("StartTime", "EndTime"))
    return end - start
