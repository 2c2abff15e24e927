"""Telling whether two manifests, or two splits of one, hold the same utterance.

An id alone does not show it: other preparations of a corpus give other ids, and ``"0"`` is an id everywhere. So
every utterance gets up to three marks, and two utterances are taken for the same where they share one:

- its id together with its text and the names of its media;
- its text together with that of the turns before and after it, where these are long enough to be unmistakable;
- the last two parts of its recording's path with its times and its text.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from emofuse.data.manifest import Manifest, Utterance

_UNMISTAKABLE_WORDS = 8
_DIGITS = 16


def utterance_marks(manifest: Manifest, ids: Iterable[str]) -> dict[str, set[str]]:
    """Id → marks, each 16 hex digits.

    Args:
        manifest: the corpus; the turns around an utterance are looked up in it.
        ids: which of its utterances.
    """
    wanted = set(ids)
    dialogues: dict[str, list[Utterance]] = defaultdict(list)
    for row in manifest.rows():
        dialogues[row.dialogue].append(row)
    marks: dict[str, set[str]] = {}
    for rows in dialogues.values():
        rows.sort(key=lambda row: row.turn if row.turn is not None else 0)
        for place, row in enumerate(rows):
            if row.id in wanted:
                marks[row.id] = set(_marks(rows, place))
    return marks


def _marks(rows: Sequence[Utterance], place: int) -> Iterator[str]:
    row = rows[place]
    text = _plain(row.text)
    media = row.video or row.audio
    yield _digest("id", row.id, text, media.name if media else "")
    around = [_plain(near.text) for near in rows[max(0, place - 1) : place + 2]]
    if len(around) > 1 and sum(len(words.split()) for words in around) >= _UNMISTAKABLE_WORDS:
        before = len(rows[max(0, place - 1) : place])
        yield _digest("turns", str(before), *around)
    if media is not None:
        yield _digest("recording", _tail(media), repr(row.start), repr(row.end), text)


def _plain(text: str | None) -> str:
    return " ".join(unicodedata.normalize("NFKC", text or "").casefold().split())


def _tail(path: Path) -> str:
    return "/".join(path.parts[-2:])


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
