"""Utterances as sequences of their own lengths."""

import numpy as np
import torch

from emofuse.data.sequences import SequenceDataset
from emofuse.data.targets import ValenceTarget
from tests.data.test_dialogues import utterance

LONGEST = {"text": 3, "audio": 4, "video": 4}


def dataset(features, dims, **longest: int) -> SequenceDataset:
    told = [utterance("a", 0), utterance("a", 1), utterance("a", 2, valence=None)]
    return SequenceDataset(told, list(features), features, dims, LONGEST | longest, ValenceTarget())


def test_sequences_are_padded_vectors_are_one_step_and_nothing_is_absent() -> None:
    rows = dataset(
        {
            "text": {"a0": np.ones((2, 5), np.float32), "a1": np.ones((1, 5), np.float32)},
            "audio": {"a1": np.arange(2, dtype=np.float32), "a2": np.zeros((0, 2), np.float32)},
        },
        {"text": 5, "audio": 2},
    )
    batch = rows.collate([rows[0], rows[1], rows[2]])
    assert batch.ids == ["a0", "a1", "a2"]
    assert batch.inputs["text"].shape == (3, 2, 5)
    assert batch.inputs["masks"]["text"].tolist() == [[True, True], [True, False], [False, False]]
    assert batch.inputs["audio"].tolist() == [[[0, 0]], [[0, 1]], [[0, 0]]]
    assert batch.inputs["present"]["text"].tolist() == [True, True, False]
    assert batch.inputs["present"]["audio"].tolist() == [False, True, False]
    assert batch.labels.tolist()[:2] == [0.5, 0.5]
    assert torch.isnan(batch.labels[2])


def test_a_batch_in_which_nobody_has_a_modality_has_one_empty_step() -> None:
    rows = dataset({"video": {}}, {"video": 3})
    batch = rows.collate([rows[0]])
    assert batch.inputs["video"].shape == (1, 1, 3)
    assert not batch.inputs["masks"]["video"].any()
    assert not batch.inputs["present"]["video"].any()


def test_a_long_text_loses_its_end_and_long_sound_its_resolution() -> None:
    steps = np.arange(8, dtype=np.float32)[:, None]
    rows = dataset({m: {"a0": steps} for m in LONGEST}, dict.fromkeys(LONGEST, 1))
    batch = rows.collate([rows[0]])
    assert batch.inputs["text"][0, :, 0].tolist() == [0, 1, 2]
    assert batch.inputs["audio"][0, :, 0].tolist() == [0.5, 2.5, 4.5, 6.5]
    assert batch.inputs["masks"]["video"].sum() == 4
