"""Published feature files in small."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

RNG = np.random.default_rng(0)


def dump(path: Path, content: Any, protocol: int = 4) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def padded(lengths: list[int], steps: int, dim: int, *, front: bool = False) -> np.ndarray:
    """(N, steps, dim) float32, zeros but for the first (or last) so many steps of each."""
    array = np.zeros((len(lengths), steps, dim), np.float32)
    for row, length in enumerate(lengths):
        at = slice(steps - length, steps) if front else slice(0, length)
        array[row, at] = RNG.normal(1, 1, (length, dim))
    return array


def mmsa_part(ids: list[str], scores: list[float], **more: Any) -> dict[str, Any]:
    """What every part of an MMSA file has."""
    return {
        "id": ids,
        "raw_text": np.array([f"text of {id}" for id in ids]),
        "annotations": ["Positive" if s > 0 else "Negative" if s < 0 else "Neutral" for s in scores],
        "classification_labels": np.sign(scores).astype(np.float32) + 1,
        "regression_labels": np.array(scores, np.float32),
        **more,
    }


def unaligned() -> dict[str, Any]:
    """Sequences of their own lengths; token ids beside the text's features."""
    train = mmsa_part(
        ["v1$_$2", "v1$_$10", "v2$_$0"],
        [2.4, -0.8, 0.0],
        text=padded([4, 3, 4], 6, 5),
        audio=padded([7, 2, 9], 9, 3),
        vision=padded([5, 8, 1], 8, 2),
        audio_lengths=[7, 2, 9],
        vision_lengths=[5, 8, 1],
    )
    mask = np.array([[1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0]])
    train["text_bert"] = np.stack([mask * 101, mask, mask * 0], axis=1).astype(np.float32)
    train["audio"][0, 1, 2] = -np.inf
    train["audio"][0, 2, 0] = np.nan
    valid = mmsa_part(
        ["v3$_$1"],
        [-3.0],
        text=padded([6], 6, 5),
        audio=padded([4], 9, 3, front=True),
        vision=padded([0], 8, 2),
        audio_lengths=[4],
        vision_lengths=[1],
    )
    return {"train": train, "valid": valid}


def iemocap() -> tuple[Any, ...]:
    """The tuple of DialogueRNN and MMGCN for IEMOCAP."""
    ids = {
        "Ses01F_impro01": ["Ses01F_impro01_F000", "Ses01F_impro01_M000"],
        "Ses05M_impro02": ["Ses05M_impro02_M000"],
    }
    speakers = {"Ses01F_impro01": ["F", "M"], "Ses05M_impro02": ["M"]}
    labels = {"Ses01F_impro01": [2, 5], "Ses05M_impro02": [0]}
    features = [
        {vid: [RNG.normal(size=dim) for _ in names] for vid, names in ids.items()} for dim in (4, 3, 2)
    ]
    sentences = {vid: [f"said in {name}" for name in names] for vid, names in ids.items()}
    return ids, speakers, labels, *features, sentences, ["Ses01F_impro01"], ["Ses05M_impro02"]


def meld() -> tuple[Any, ...]:
    """The tuple of MMGCN for MELD: dialogues are numbers, speakers rows with a one."""
    ids = {0: [0, 1], 1039: [0], 1153: [0, 1]}
    one = np.eye(9)
    speakers = {0: [one[1], one[8]], 1039: [one[0]], 1153: [one[3], one[1]]}
    labels = {0: [0, 6], 1039: [4], 1153: [1, 2]}
    moods = {0: [0, 2], 1039: [1], 1153: [1, 2]}
    features = [{vid: RNG.normal(size=(len(names), dim)) for vid, names in ids.items()} for dim in (6, 3, 4)]
    sentences = {vid: [f"line {name} of {vid}" for name in names] for vid, names in ids.items()}
    return ids, speakers, labels, *features, sentences, {1039, 0}, [1153], moods
