"""Whole dialogues: the order of their turns, windows, padding."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from emofuse.data.dialogues import DialogueDataset, WindowSize, dialogue_windows
from emofuse.data.targets import ClassTarget, ValenceTarget
from emofuse.data.utterance import Utterance
from emofuse.errors import EmofuseError


def utterance(
    dialogue: str, turn: int | None, label: str | None = "joy", valence: float | None = 0.5
) -> Utterance:
    nothing = dict.fromkeys(("speaker", "text", "video", "audio", "start", "end", "split", "group"))
    return Utterance(f"{dialogue}{turn}", dialogue, turn, label=label, valence=valence, **nothing)  # type: ignore[arg-type]


def ids_of(window) -> list[str]:
    return [u.id for u in window.turns]


def test_turns_stand_in_their_order_and_context_in_its_place() -> None:
    told = [utterance("b", 2), utterance("a", 1), utterance("b", 0)]
    context = [utterance("b", 1), utterance("c", 0), utterance("b", 3), utterance("a", 1)]
    windows = dialogue_windows(told, context)
    assert [ids_of(w) for w in windows] == [["b0", "b1", "b2", "b3"], ["a1"]]
    assert [w.scored for w in windows] == [(True, False, True, False), (True,)]


@pytest.mark.parametrize(("longest", "overlap"), [(10, 3), (7, 0), (5, 2), (1, 0)])
@pytest.mark.parametrize("turns", [1, 5, 10, 11, 47])
def test_a_long_dialogue_is_cut_and_each_turn_told_once_with_context_around_it(
    turns: int, longest: int, overlap: int
) -> None:
    dialogue = [utterance("d", turn) for turn in range(turns)]
    windows = dialogue_windows(dialogue, size=WindowSize(longest, overlap))
    told = [u.turn for w in windows for u, scored in zip(w.turns, w.scored, strict=True) if scored]
    assert told == list(range(turns))
    assert all(len(w.turns) <= longest for w in windows)
    for window in windows:
        inside = [u.turn for u, scored in zip(window.turns, window.scored, strict=True) if scored]
        first, last = window.turns[0].turn, window.turns[-1].turn
        assert [u.turn for u in window.turns] == list(range(first, last + 1))
        assert inside[0] - first >= min(overlap, inside[0])
        assert last - inside[-1] >= min(overlap, turns - 1 - inside[-1])


def test_a_window_without_anything_to_tell_is_left_out() -> None:
    dialogue = [utterance("d", turn) for turn in range(20)]
    windows = dialogue_windows(dialogue[:3], dialogue[3:], WindowSize(4, 0))
    assert [ids_of(w) for w in windows] == [["d0", "d1", "d2", "d3"]]


def test_an_overlap_that_leaves_no_middle_is_a_mistake() -> None:
    with pytest.raises(EmofuseError, match="no middle"):
        WindowSize(8, 4)


def dataset(target=None) -> DialogueDataset:
    told = [utterance("a", 0), utterance("a", 1, "anger"), utterance("b", 0, None, None), utterance("b", 1)]
    features = {
        "text": {u.id: np.full(3, i + 1.0, np.float32) for i, u in enumerate(told)} | {"a2": np.zeros(3)},
        "video": {"b1": np.ones(2, np.float32)},
    }
    windows = dialogue_windows([*told, utterance("b", 2)], [utterance("a", 2, "anger")])
    return DialogueDataset(
        windows, ("video", "text"), features, {"text": 3, "video": 2}, target or ClassTarget(("anger", "joy"))
    )


def test_a_batch_holds_features_masks_and_the_targets_of_what_is_told() -> None:
    rows = dataset()
    batch = rows.collate([rows[0], rows[1]])
    assert batch.ids == ["a0", "a1", "b0", "b1", "b2"]
    assert len(batch) == 5
    assert batch.inputs["text"].shape == (2, 3, 3)
    assert batch.inputs["mask"].all()
    assert batch.inputs["present"]["text"].tolist() == [[True, True, True], [True, True, False]]
    assert batch.inputs["present"]["video"].tolist() == [[False] * 3, [False, True, False]]
    assert batch.labels.tolist() == [[1, 0, -1], [-1, 1, 1]], (
        "context has no target, nor has an unlabelled turn"
    )
    assert batch.scored.tolist() == [[True, True, False], [True, True, True]]
    assert batch.rows(batch.inputs["text"])[:, 0].tolist() == [1, 2, 3, 4, 0]
    values = dataset(ValenceTarget())
    assert torch.isnan(values.collate([values[0]]).labels).tolist() == [[False, False, True]]


def test_padding_is_at_the_end_and_nothing_else_changes() -> None:
    windows = dialogue_windows([utterance("a", 0), utterance("b", 0), utterance("b", 1)])
    features = {"text": {u: np.array([float(len(u))], np.float32) for u in ("a0", "b0", "b1")}}
    rows = DialogueDataset(windows, ("text",), features, {"text": 1}, ClassTarget(("joy",)))
    alone, together = rows.collate([rows[0]]), rows.collate([rows[1], rows[0]])
    assert together.inputs["mask"].tolist() == [[True, True], [True, False]]
    assert together.labels.tolist() == [[0, 0], [0, -1]]
    assert torch.equal(together.inputs["text"][1, :1], alone.inputs["text"][0])


def test_a_modality_can_be_withheld_from_a_batch() -> None:
    rows = dataset()
    batch = rows.collate([rows[1]]).only(["text"])
    assert "video" not in batch.inputs
    assert not batch.inputs["present"]["video"].any()
    assert batch.inputs["present"]["text"].any()
    assert "text" in batch.inputs


def test_speakers_are_numbered_as_they_appear_and_given_to_systems_that_take_them() -> None:
    names = ["Ross", None, "Rachel", "Ross", None]
    turns = [replace(utterance("a", i), speaker=name) for i, name in enumerate(names)]
    windows = dialogue_windows([*turns, replace(utterance("b", 0), speaker="Rachel")])
    features = {"text": {u.id: np.ones(1, np.float32) for u in turns}}
    rows = DialogueDataset(windows, ("text",), features, {"text": 1}, speakers=True)
    batch = rows.collate([rows[0], rows[1]])
    assert batch.inputs["speakers"].tolist() == [[0, 1, 2, 0, 1], [0, 0, 0, 0, 0]]
    assert batch.inputs["mask"][1].tolist() == [True, False, False, False, False]
    assert "speakers" not in dataset().collate([dataset()[0]]).inputs
