"""IEMOCAP: ten actors in dyadic sessions, with picture, sound, words, emotion and its dimensions.

Busso et al., "IEMOCAP: Interactive emotional dyadic motion capture database", Language Resources and
Evaluation 42(4), 2008.

    Session1/dialog/EmoEvaluation/Ses01F_impro01.txt         labels of a dialogue's turns
    Session1/dialog/transcriptions/Ses01F_impro01.txt        their words
    Session1/dialog/avi/DivX/Ses01F_impro01.avi              the picture of a whole dialogue
    Session1/dialog/wav/Ses01F_impro01.wav                   its sound
    Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav     the sound of a turn

What is known to go wrong, and what happens here:

- The release has 10039 turns, labelled by majority. Six classes make 7380 of them usable: happiness 595,
  sadness 1084, neutral 1708, anger 1103, excited 1041, frustration 1849. The literature writes 7433
  utterances in 151 dialogues: feature files that many papers share count 648 for happiness, 53 more than the
  labels give. Four classes, with excited merged into happiness and without frustration, are 5531.
- No majority (``xxx``), other (``oth``), surprise, fear and disgust are left out; ``others="keep"`` keeps
  them without a label, as context.
- Both actors share a picture. The actor with the markers, whom the letter after the session's number names
  (the woman in Ses01F_impro01), sits on the left, and the other on the right, so that each turn is given the
  half of its speaker. The documentation of the corpus does not say so: several public tools that cut faces
  agree on it. Look at a few pictures before resting anything on it.
- A turn's picture is a part of the dialogue's film, from its start to its end, and a row has one start and
  end for picture and sound. So the sound is that of ``dialog/wav`` too, or the film's own where that is
  missing; the files of single turns are used for dialogues without a film.
- Label files list one actor's turns and then the other's, and turns overlap: they are put in the order in
  which they begin, and numbered among all turns of the dialogue, also those left out.
- ``EmoEvaluation`` holds folders with each annotator's opinion, and archives hold ``._`` files: ignored.
  Files are Latin-1, with line ends of several systems. Transcripts also hold lines of no turn: ignored.
- There are no official parts. The last session is usually the test part, and so here; ``parts="none"``
  leaves them open. Each session has its own two actors: leave one out with the protocol ``session``.
- Valence, activation and dominance go from 1 to 5: the valence is moved to -2..2, so that its sign is what
  it is elsewhere; the others are kept as they are, in columns of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from emofuse.corpora.corpus import Corpus, Published, corpus_manifest, files_in, require_choice
from emofuse.corpora.table_files import C1_REMAINS
from emofuse.data.git_lfs import refuse_lfs_pointer
from emofuse.data.quarantine import QuarantineEntry
from emofuse.data.wording import counted
from emofuse.errors import EmofuseError

Classes = Literal["six", "four"]
Others = Literal["drop", "keep"]
Parts = Literal["last-session", "none"]

_SIX = {
    "hap": "happiness",
    "sad": "sadness",
    "neu": "neutral",
    "ang": "anger",
    "exc": "excited",
    "fru": "frustration",
}
_FOUR = {"hap": "happiness", "sad": "sadness", "neu": "neutral", "ang": "anger", "exc": "happiness"}
CLASSES: Mapping[str, Mapping[str, str]] = MappingProxyType({"six": _SIX, "four": _FOUR})
NEUTRAL_VALENCE = 3.0
RELEASED_TURNS = 10039

_SOURCES = {
    "six": ("label files of the release; 7433 in the literature", 7380),
    "four": ("label files of the release", 5531),
}
_LABELS = re.compile(r"Ses\d\d[FM]_\w+\.txt")
_NUMBER = r"(-?\d+(?:\.\d+)?)"
_LABEL_LINE = re.compile(
    rf"\[{_NUMBER} - {_NUMBER}\]\t(?P<id>Ses(?P<session>\d\d)(?P<marked>[FM])_\w+_(?P<actor>[FM])\w+)\t"
    rf"(?P<code>\w+)\t\[{_NUMBER}, {_NUMBER}, {_NUMBER}\]\s*"
)
_TRANSCRIPT_LINE = re.compile(r"(?P<id>Ses\w+) \[[^\]]*\]:?\s?(?P<text>.*)")


@dataclass(frozen=True)
class _Turn:
    id: str
    dialogue: str
    session: int
    actor: str
    is_marked: bool
    start: float
    end: float
    code: str
    dimensions: tuple[str, str, str]  # valence, activation, dominance


@dataclass
class _Readings:
    rows: list[dict[str, Any]] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    set_aside: list[QuarantineEntry] = field(default_factory=list)
    overlapping: int = 0
    silent: int = 0


def read_iemocap(
    root: Path, classes: Classes = "six", others: Others = "drop", parts: Parts = "last-session"
) -> Corpus:
    """Read IEMOCAP; the module says what is done about its known faults.

    Args:
        root: ``IEMOCAP_full_release``, or the folder that it is in.
        classes: ``"six"`` emotions, or ``"four"`` with excited merged into happiness.
        others: what becomes of turns with none of these labels.
        parts: whether the last session is the test part and the others the training part, or there are none.

    Raises:
        EmofuseError: there are no label files.
    """
    require_choice("iemocap", "classes", classes, tuple(CLASSES))
    require_choice("iemocap", "others", others, ("drop", "keep"))
    require_choice("iemocap", "parts", parts, ("last-session", "none"))
    inside = root / "IEMOCAP_full_release"
    sessions = sorted((inside if inside.is_dir() else root).glob("Session[1-5]"))
    found = _Readings()
    for session in sessions:
        _SessionReader(root, session, CLASSES[classes], others, found).read()
    if not found.rows:
        raise EmofuseError(
            f"{root}: has no labels in Session1/dialog/EmoEvaluation/Ses*.txt; name the release"
        )
    if parts == "last-session":
        for row in found.rows:
            row["split"] = "test" if row["group"] == "Session5" else "train"
    source, number = _SOURCES[classes]
    number = RELEASED_TURNS if others == "keep" else number
    return Corpus(
        corpus_manifest(found.rows, root, "IEMOCAP"),
        {reason: tuple(ids) for reason, ids in found.left_out.items()},
        tuple(found.set_aside),
        tuple(_notes(found, parts)),
        Published(source, {"all": number}, dialogues=151, speakers=10),
    )


def _notes(found: _Readings, parts: Parts) -> Iterator[str]:
    if parts == "last-session":
        yield "there are no official parts: session 5 is the test part here, as is usual"
    if any(row.get("crop") for row in found.rows):
        yield "each picture is cut to its speaker's half: the actor with the markers is taken to sit on the left"
    elif found.silent == len(found.rows):
        yield "there is neither sound nor picture, so this is a corpus of texts"
    if found.overlapping:
        yield f"{counted(found.overlapping, 'turn')} begin before the one before has ended"


class _SessionReader:
    """Reads the dialogues of one session."""

    def __init__(
        self, root: Path, session: Path, labels: Mapping[str, str], others: Others, found: _Readings
    ) -> None:
        self.root, self.session, self.labels, self.others = root, session, labels, others
        self.found = found
        self.films = files_in(session / "dialog" / "avi" / "DivX", root, {".avi", ".mp4"})
        self.sounds = files_in(session / "dialog" / "wav", root, {".wav"})
        self.has_sentences = (session / "sentences" / "wav").is_dir()

    def read(self) -> None:
        """Add the turns of all dialogues, in the order of their names."""
        folder = self.session / "dialog" / "EmoEvaluation"
        files = [path for path in folder.glob("Ses*.txt") if _LABELS.fullmatch(path.name)]
        for file in sorted(files):
            turns = sorted(self._turns(file), key=lambda turn: (turn.start, turn.end, turn.id))
            self._read_dialogue(file.stem, turns)

    def _turns(self, file: Path) -> Iterator[_Turn]:
        for number, line in enumerate(_lines(file), start=1):
            if not line.startswith("["):
                continue
            match = _LABEL_LINE.fullmatch(line)
            if match is None or not match["id"].startswith(file.stem + "_"):
                place = f"{file.name} line {number}"
                self.found.left_out.setdefault("a label that cannot be read", []).append(place)
                continue
            start, end, *_ = match.groups()
            yield _Turn(
                id=match["id"],
                dialogue=file.stem,
                session=int(match["session"]),
                actor=match["actor"],
                is_marked=match["actor"] == match["marked"],
                start=float(start),
                end=float(end),
                code=match["code"],
                dimensions=match.groups()[-3:],  # type: ignore[arg-type]
            )

    def _read_dialogue(self, dialogue: str, turns: Sequence[_Turn]) -> None:
        words = self._words(dialogue)
        sentences = {} if dialogue in self.films else self._sentences(dialogue)
        self.found.overlapping += sum(later.start < earlier.end for earlier, later in pairwise(turns))
        for number, turn in enumerate(turns):
            label = self.labels.get(turn.code)
            if label is None and self.others == "drop":
                reason = f"labelled {turn.code}, none of the classes"
                self.found.left_out.setdefault(reason, []).append(turn.id)
                continue
            row = _row(turn, number, label, words.get(turn.id))
            row |= self._media(turn, sentences)
            is_silent = not (row.get("video") or row.get("audio"))
            if is_silent and row["text"] is None:
                self.found.left_out.setdefault("no words, sound or picture", []).append(turn.id)
                continue
            self.found.silent += is_silent
            self.found.rows.append(row)

    def _words(self, dialogue: str) -> dict[str, str]:
        file = self.session / "dialog" / "transcriptions" / f"{dialogue}.txt"
        if not file.is_file():
            return {}
        matches = (_TRANSCRIPT_LINE.fullmatch(line) for line in _lines(file))
        return {match["id"]: match["text"].strip() for match in matches if match}

    def _sentences(self, dialogue: str) -> dict[str, str]:
        return files_in(self.session / "sentences" / "wav" / dialogue, self.root, {".wav"})

    def _media(self, turn: _Turn, sentences: Mapping[str, str]) -> dict[str, Any]:
        film = self.films.get(turn.dialogue)
        if film is not None:
            return {
                "video": film,
                "audio": self.sounds.get(turn.dialogue),
                "start": turn.start,
                "end": turn.end,
                "crop": "left" if turn.is_marked else "right",
            }
        if self.films:
            self._miss(turn, "video", self.session / "dialog" / "avi" / "DivX" / f"{turn.dialogue}.avi")
        audio = sentences.get(turn.id)
        if audio is None and self.has_sentences:
            self._miss(turn, "audio", self.session / "sentences" / "wav" / turn.dialogue / f"{turn.id}.wav")
        return {"audio": audio}

    def _miss(self, turn: _Turn, modality: str, path: Path) -> None:
        message = f"{path}: there is no such file [missing-file]"
        self.found.set_aside.append(QuarantineEntry(turn.id, modality, str(path), "missing-file", message))


def _row(turn: _Turn, number: int, label: str | None, text: str | None) -> dict[str, Any]:
    valence, activation, dominance = turn.dimensions
    return {
        "id": turn.id,
        "dialogue": turn.dialogue,
        "turn": number,
        "speaker": f"Ses{turn.session:02d}{turn.actor}",
        "text": text or None,
        "label": label,
        "valence": float(valence) - NEUTRAL_VALENCE,
        "group": f"Session{turn.session}",
        "activation": activation,
        "dominance": dominance,
    }


def _lines(file: Path) -> list[str]:
    refuse_lfs_pointer(file)
    # Not splitlines, which also ends lines at characters that Latin-1 text may hold, such as \x85.
    return re.split(r"\r\n|\r|\n", file.read_bytes().decode("latin-1").translate(C1_REMAINS))
