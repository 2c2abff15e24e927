"""Feature files of conv-emotion (DialogueRNN, DialogueGCN), MMGCN and MultiEMO: IEMOCAP and MELD by dialogue.

A pickle of a tuple of dicts, dialogue → list with an entry for each utterance, and of lists of dialogues:

    videoIDs, videoSpeakers, videoLabels, videoText, videoAudio, [videoVisual,] [videoSentence,]
    trainVid, testVid [, sentiments]

MultiEMO keeps such a tuple in ``Speakers.pkl``, and the features in ``TextFeatures.pkl``,
``AudioFeatures.pkl`` and ``VisualFeatures.pkl`` beside it, each a dict of this kind. Where there are four
features of the text (the last layers of RoBERTa), their mean is taken, as is usual.

Which emotion a number stands for is not in the file. IEMOCAP has ``hap sad neu ang exc fru``, MELD ``neutral
surprise fear sadness joy disgust anger`` and for the sentiments ``neutral positive negative``; the two are
told apart by the names of their dialogues. Speakers are M and F in IEMOCAP, where they are two people per
session, and a row of zeros with one 1 in MELD. There is no validation part: MELD's stands in the training
part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emofuse.data.modality import Modality
from emofuse.data.safe_pickle import load_pickle
from emofuse.data.wording import counted
from emofuse.errors import EmofuseError
from emofuse.features.importers.content import (
    FeatureContent,
    ModalityFeatures,
    as_numbers,
    class_name,
    texts_of,
)

IEMOCAP_LABELS = ("happiness", "sadness", "neutral", "anger", "excited", "frustration")
MELD_LABELS = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
MULTIEMO_FILES: Mapping[Modality, str] = {
    "text": "TextFeatures.pkl",
    "audio": "AudioFeatures.pkl",
    "video": "VisualFeatures.pkl",
}
MULTIEMO_TUPLE = "Speakers.pkl"

MELD_VALENCE = (0.0, 1.0, -1.0)

_FIELDS: Mapping[Modality, str] = {"text": "videoText", "audio": "videoAudio", "video": "videoVisual"}
_LAYERS = 4
_Dialogues = Mapping[Any, Sequence[Any]]


@dataclass(frozen=True)
class _Tuple:
    ids: _Dialogues
    speakers: _Dialogues
    labels: _Dialogues
    features: dict[str, _Dialogues]  # by the field's names: videoText, ...
    sentences: _Dialogues | None
    train: Sequence[Any]
    test: Sequence[Any]
    sentiments: _Dialogues


def read_conv_emotion(path: Path, labels: Sequence[str] | None = None) -> FeatureContent:
    """Read a feature file of this style.

    Args:
        path: the pickle.
        labels: names of the classes 0, 1, ...; without them those of IEMOCAP or MELD.

    Raises:
        EmofuseError: the file is hostile, damaged or of another style.
    """
    content = _unpack_tuple(load_pickle(path), path)
    features = {
        modality: (path, field, content.features[field])
        for modality, field in _FIELDS.items()
        if field in content.features
    }
    return _content(path, content, features, labels)


def read_multiemo(path: Path, labels: Sequence[str] | None = None) -> FeatureContent:
    """Read a folder of MultiEMO's feature files.

    Args:
        path: the folder, or ``Speakers.pkl`` in it.
        labels: as for :func:`read_conv_emotion`.

    Raises:
        EmofuseError: a file is missing, hostile, damaged or of another style.
    """
    folder = path if path.is_dir() else path.parent
    content = _unpack_tuple(load_pickle(folder / MULTIEMO_TUPLE), folder / MULTIEMO_TUPLE)
    features = {}
    for modality, name in MULTIEMO_FILES.items():
        if (folder / name).is_file():
            held = load_pickle(folder / name)
            if not isinstance(held, dict):
                raise EmofuseError(
                    f"{folder / name}: is no dict of dialogues, so it is no file of MultiEMO's"
                )
            features[modality] = (folder / name, name, held)
    if not features:
        raise EmofuseError(f"{folder}: has none of {', '.join(MULTIEMO_FILES.values())}")
    return _content(folder / MULTIEMO_TUPLE, content, features, labels)


def _unpack_tuple(data: Any, path: Path) -> _Tuple:
    """Tell the parts of a tuple by what they are, since versions differ in which there are."""
    parts = list(data) if isinstance(data, (tuple, list)) else []
    count = next((at for at, part in enumerate(parts) if not isinstance(part, dict)), len(parts))
    dicts, rest = parts[:count], parts[count:]
    lists = [part for part in rest if isinstance(part, (list, tuple, set, frozenset, np.ndarray))]
    if count < 4 or len(lists) < 2:
        raise EmofuseError(
            f"{path}: is no tuple of dialogues (videoIDs, videoSpeakers, videoLabels, videoText, ..., trainVid, "
            "testVid), so it is no file of this style"
        )
    ids, speakers, labels, *others = dicts
    texts = [part for part in others if _holds_texts(part)]
    numbers = [part for part in others if not _holds_texts(part)]
    if len(numbers) > len(_FIELDS):
        numbers = [_mean(numbers[:_LAYERS], path), *numbers[_LAYERS:]]
    train, test = (_ordered(part) for part in lists[:2])
    sentiments = next((part for part in rest if isinstance(part, dict)), {})
    features = dict(zip(_FIELDS.values(), numbers, strict=False))
    return _Tuple(ids, speakers, labels, features, texts[0] if texts else None, train, test, sentiments)


def _holds_texts(part: Mapping[Any, Any]) -> bool:
    first = next((entries for entries in part.values() if len(entries)), [0])
    return isinstance(first[0], (str, bytes))


def _mean(layers: Sequence[_Dialogues], path: Path) -> _Dialogues:
    place = f"{path}: features of the text"
    try:
        return {
            dialogue: np.mean([as_numbers(layer[dialogue], place) for layer in layers], axis=0)
            for dialogue in layers[0]
        }
    except (KeyError, ValueError):
        raise EmofuseError(f"{place}: there are more features than text, audio and video have") from None


def _ordered(dialogues: Any) -> list[Any]:
    """Dialogues in an order that is the same every time, though a set has none."""
    if isinstance(dialogues, (set, frozenset)):
        return sorted(dialogues, key=lambda name: (isinstance(name, str), name))
    return list(dialogues)


def _content(
    path: Path,
    content: _Tuple,
    features: Mapping[Modality, tuple[Path, str, _Dialogues]],
    labels: Sequence[str] | None,
) -> FeatureContent:
    names, corpus = _label_names(content, labels)
    rows: list[dict[str, Any]] = []
    arrays: dict[Modality, dict[str, NDArray[Any]]] = {modality: {} for modality in features}
    _check_named_once(content, path)
    for split, dialogues in (("train", content.train), ("test", content.test)):
        for dialogue in dialogues:
            made = list(_rows(path, content, dialogue, split, names))
            rows += made
            for modality, (file, field, held) in features.items():
                entries = _entries(held, dialogue, len(made), f"{file}: {field}")
                place = f"{file}: {field} of dialogue {dialogue}"
                numbers = as_numbers(entries, place)
                if numbers.ndim not in (2, 3):
                    raise EmofuseError(f"{place}: has the shape {numbers.shape}, not (utterances, numbers)")
                arrays[modality] |= {row["id"]: array for row, array in zip(made, numbers, strict=True)}
    notes = [f"classes are taken to be {corpus}: {', '.join(names)}"] if corpus and names else []
    notes.append("there is no validation part; it is carved from the training part")
    return FeatureContent(rows, {m: ModalityFeatures(*features[m][:2], arrays[m]) for m in features}, notes)


def _check_named_once(content: _Tuple, path: Path) -> None:
    for dialogue, count in Counter([*content.train, *content.test]).most_common(1):
        if count > 1:
            raise EmofuseError(
                f"{path}: dialogue {dialogue!r} is {count} times in the parts; each may be once"
            )


def _label_names(content: _Tuple, labels: Sequence[str] | None) -> tuple[Sequence[str] | None, str]:
    if labels is not None:
        return labels, ""
    if all(str(dialogue).startswith("Ses") for dialogue in content.labels):
        return IEMOCAP_LABELS, "IEMOCAP's"
    if all(str(dialogue).isdecimal() for dialogue in content.labels):
        return MELD_LABELS, "MELD's"
    return None, ""


def _rows(
    path: Path, content: _Tuple, dialogue: Any, split: str, names: Sequence[str] | None
) -> Iterator[dict[str, Any]]:
    classes = _entries(content.labels, dialogue, None, f"{path}: videoLabels")
    count = len(classes)
    speakers = _entries(content.speakers, dialogue, count, f"{path}: videoSpeakers")
    given = content.ids.get(dialogue)
    ids = texts_of(given) if given is not None and len(given) == count else [None] * count
    moods = content.sentiments.get(dialogue, ()) if names is MELD_LABELS else ()
    sentences = content.sentences
    texts = _entries(sentences, dialogue, count, f"{path}: videoSentence") if sentences is not None else None
    name = str(dialogue)
    for number in range(count):
        yield {
            "id": _id(name, ids[number], number),
            "dialogue": name,
            "turn": number,
            "speaker": _speaker(name, speakers[number]),
            "text": texts_of([texts[number]])[0].strip() or None if texts is not None else None,
            "label": class_name(classes[number], names, f"{path}: videoLabels of dialogue {name}"),
            "valence": MELD_VALENCE[int(moods[number])] if _are_sentiments(moods, count) else None,
            "split": split,
            "group": f"Session{int(name[3:5])}" if name.startswith("Ses") and name[3:5].isdecimal() else None,
        }


def _are_sentiments(moods: Sequence[Any], count: int) -> bool:
    return len(moods) == count and all(mood in range(len(MELD_VALENCE)) for mood in moods)


def _entries(dialogues: _Dialogues, dialogue: Any, count: int | None, place: str) -> Sequence[Any]:
    entries = dialogues.get(dialogue)
    if entries is None:
        raise EmofuseError(f"{place}: has no dialogue {dialogue!r}, which a part names; fetch the file again")
    if count is not None and len(entries) != count:
        raise EmofuseError(
            f"{place}: dialogue {dialogue!r} has {counted(len(entries), 'entry', 'entries')} for {counted(count, 'utterance')}"
        )
    return entries


def _id(dialogue: str, given: str | None, number: int) -> str:
    # MELD's are numbers that every dialogue has again; IEMOCAP's begin with their dialogue.
    return given if given is not None and given.startswith(dialogue + "_") else f"{dialogue}_{number}"


def _speaker(dialogue: str, given: Any) -> str:
    if isinstance(given, (str, bytes)):
        name = texts_of([given])[0]
        return dialogue[:5] + name if dialogue.startswith("Ses") and name in ("M", "F") else name
    numbers = np.asarray(given).reshape(-1)
    return f"speaker{int(numbers.argmax()) if numbers.size > 1 else int(numbers[0])}"
