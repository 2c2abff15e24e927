from pathlib import Path

import pandas as pd

from emofuse.data.manifest import Manifest
from emofuse.evaluation.protocols.same_utterances import utterance_marks


def manifest(root: Path, **columns: list[object]) -> Manifest:
    return Manifest.from_frame(pd.DataFrame(columns), root)


def shared(a: Manifest, b: Manifest) -> set[tuple[str, str]]:
    marks_a, marks_b = utterance_marks(a, a.ids), utterance_marks(b, b.ids)
    return {(i, j) for i, left in marks_a.items() for j, right in marks_b.items() if left & right}


TALK = ["I thought you would never come home", "Oh", "And where have you been all night", "Oh"]


def test_a_row_is_itself_whatever_the_order_of_the_rows(tmp_path: Path) -> None:
    one = manifest(tmp_path, id=["a", "b"], text=["yes", "no"])
    two = manifest(tmp_path, id=["b", "a"], text=["no", "yes"])
    assert shared(one, two) == {("a", "a"), ("b", "b")}


def test_other_ids_do_not_hide_a_conversation_and_short_answers_are_told_apart(tmp_path: Path) -> None:
    turns = {"dialogue": ["d"] * 4, "turn": [0, 1, 2, 3]}
    one = manifest(tmp_path, id=["a0", "a1", "a2", "a3"], text=TALK, **turns)
    two = manifest(tmp_path, id=["b0", "b1", "b2", "b3"], text=[t.upper() for t in TALK], **turns)
    assert shared(one, two) >= {("a0", "b0"), ("a1", "b1"), ("a2", "b2")}
    assert ("a1", "b3") not in shared(one, two)


def test_the_same_short_words_or_the_same_id_elsewhere_are_not_the_same_utterance(tmp_path: Path) -> None:
    one = manifest(tmp_path, id=["0", "1"], text=["oh", "yeah right"], dialogue=["d", "d"], turn=[0, 1])
    two = manifest(tmp_path, id=["0", "7"], text=["yeah", "yeah right"], dialogue=["e", "e"], turn=[0, 1])
    assert shared(one, two) == set()


def test_a_recording_is_known_by_its_file_and_times(tmp_path: Path) -> None:
    same = {"audio": ["train/x.wav"], "start": [1.0], "end": [2.0]}
    one = manifest(tmp_path, id=["a"], **same)
    assert shared(one, manifest(tmp_path, id=["b"], **same)) == {("a", "b")}
    assert shared(one, manifest(tmp_path, id=["b"], **(same | {"end": [3.0]}))) == set()
    assert shared(one, manifest(tmp_path, id=["b"], **(same | {"audio": ["dev/x.wav"]}))) == set()
