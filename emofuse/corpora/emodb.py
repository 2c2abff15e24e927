"""EmoDB: ten actors say ten German sentences in seven emotions; sound alone.

Burkhardt et al., "A Database of German Emotional Speech", Interspeech 2005.

    wav/03a01Fa.wav      speaker, sentence, emotion (its German initial), version

What is known to go wrong, and what happens here:

- The letters are German: W is anger (Wut), L boredom (Langeweile), E disgust (Ekel), A fear (Angst), F happiness
  (Freude), T sadness (Trauer), N neutral.
- 535 takes are left of some 800: those that listeners did not recognise were taken out, so no two speakers have the same
  number of takes of an emotion, and one of them has no disgust.
- Ten sentences serve all emotions: a model of the words alone stays at chance.
- There are no parts: leave speakers out with the protocol ``speaker``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from emofuse.corpora.corpus import Corpus, Published, corpus_manifest
from emofuse.data.wording import counted
from emofuse.errors import EmofuseError

EMOTIONS: Mapping[str, str] = MappingProxyType(
    {
        "W": "anger",
        "L": "boredom",
        "E": "disgust",
        "A": "fear",
        "F": "happiness",
        "T": "sadness",
        "N": "neutral",
    }
)
SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "a01": "Der Lappen liegt auf dem Eisschrank.",
        "a02": "Das will sie am Mittwoch abgeben.",
        "a04": "Heute abend könnte ich es ihm sagen.",
        "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
        "a07": "In sieben Stunden wird es soweit sein.",
        "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
        "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
        "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
        "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
        "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
    }
)
_WOMEN = frozenset({"08", "09", "13", "14", "16"})
_MEN = frozenset({"03", "10", "11", "12", "15"})
PUBLISHED = Published("Burkhardt et al. 2005", {"all": 535}, speakers=10)

_NAME = re.compile(r"(?P<speaker>\d\d)(?P<sentence>[ab]\d\d)(?P<emotion>[WLEAFTN])(?P<version>[a-z])")
_SUFFIXES = frozenset({".wav", ".flac"})


def read_emodb(root: Path) -> Corpus:
    """Read EmoDB; the module says what is known of it.

    Args:
        root: a folder with the recordings anywhere below it.

    Raises:
        EmofuseError: no file has the name of a recording.
    """
    takes: dict[str, str] = {}
    repeated = 0
    for path in sorted(root.rglob("*.*")):
        if path.suffix.lower() not in _SUFFIXES or _parts(path.stem) is None or not path.is_file():
            continue
        repeated += path.stem in takes
        takes.setdefault(path.stem, path.relative_to(root).as_posix())
    if not takes:
        raise EmofuseError(f"{root}: holds no recordings such as wav/03a01Fa.wav; name the folder of EmoDB")
    rows = [_row(take, path) for take, path in sorted(takes.items())]
    notes = (f"{counted(repeated, 'recording')} found a second time and ignored",) if repeated else ()
    return Corpus(corpus_manifest(rows, root, "EmoDB"), {}, notes=notes, published=PUBLISHED)


def _parts(stem: str) -> re.Match[str] | None:
    match = _NAME.fullmatch(stem)
    known = match and match["speaker"] in _WOMEN | _MEN and match["sentence"] in SENTENCES
    return match if known else None


def _row(take: str, path: str) -> dict[str, Any]:
    match = _parts(take)
    assert match is not None  # others were passed over
    return {
        "id": take,
        "speaker": match["speaker"],
        "text": SENTENCES[match["sentence"]],
        "audio": path,
        "label": EMOTIONS[match["emotion"]],
        "sex": "female" if match["speaker"] in _WOMEN else "male",
    }
