"""Utterances as sequences of their own lengths."""

import numpy as np
import torch

from emofuse.data.dataset import UtteranceDataset
from emofuse.data.targets import ValenceTarget
from tests.data.test_dialogues import utterance

LONGEST = {"text": 3, "audio": 4, "video": 4}


def dataset(features, dims, **longest: int) -> UtteranceDataset:
    told = [utterance("a", 0), utterance("a", 1), utterance("a", 2, valence=None)]
    inputs = dict.fromkeys(features, "steps")
    return UtteranceDataset(told, inputs, features, dims, longest=LONGEST | longest, target=ValenceTarget())


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


def test_a_batch_numbers_its_rows_for_a_system_that_asks() -> None:
    told = [utterance("a", 0), utterance("a", 1), utterance("a", 2)]
    rows = UtteranceDataset(told, {"text": "vector"}, {"text": {}}, {"text": 2}, row_numbers=True)
    assert rows.collate([rows[2], rows[0]]).inputs["row_numbers"].tolist() == [2, 0]
    plain = UtteranceDataset(told, {"text": "vector"}, {"text": {}}, {"text": 2})
    assert "row_numbers" not in plain.collate([plain[0]]).inputs


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


def test_vectors_and_steps_stand_side_by_side_where_a_system_takes_both() -> None:
    features = {"text": {"a0": np.ones(2)}, "audio": {"a0": np.ones((3, 1)), "a1": np.ones((1, 1))}}
    rows = UtteranceDataset(
        [utterance("a", 0), utterance("a", 1)],
        {"audio": "steps", "text": "vector"},
        features,
        {"text": 2, "audio": 1},
    )
    batch = rows.collate([rows[0], rows[1]])
    assert batch.inputs["text"].tolist() == [[1, 1], [0, 0]]
    assert batch.inputs["masks"]["audio"].tolist() == [[True, True, True], [True, False, False]]
    assert batch.inputs["present"]["text"].tolist() == [True, False]
    assert set(batch.inputs) == {"text", "audio", "masks", "present"}
