from pathlib import Path

import numpy as np
import pytest

from emofuse.data.media_writer import write_wav
from emofuse.errors import EmofuseError
from emofuse.recordings.seen_speaking import choose_speaker, link_faces, mouth_movement, seen_speakers
from emofuse.recordings.spoken import Spoken
from tests.recordings.made import SIZE, MadeRecording


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


A, B = (10.0, 10.0, 40.0, 40.0), (60.0, 10.0, 90.0, 40.0)


def test_faces_are_followed_whatever_order_they_are_found_in_and_through_a_gap() -> None:
    moved = (14.0, 10.0, 44.0, 40.0)
    tracks = link_faces([boxes(A, B), boxes(B, moved), boxes(B), boxes(moved, B)])
    assert tracks == [{0: 0, 1: 1, 3: 0}, {0: 1, 1: 0, 2: 0, 3: 1}]


def test_a_face_that_comes_back_after_long_is_another() -> None:
    tracks = link_faces([boxes(A), boxes(), boxes(), boxes(), boxes(A)])
    assert tracks == [{0: 0}, {4: 0}]


def two_faces(speaking: int, count: int = 12) -> np.ndarray:
    """Pictures in which the mouth of one face opens and closes, and the other nods: all of it changes."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(90, 110, (1, 50, 100, 3), np.uint8).repeat(count, axis=0)
    left = (10, 60)
    for i in range(1, count, 2):
        x = left[speaking]
        pictures[i, 32:38, x + 8 : x + 22] = 10
        other = left[1 - speaking]
        pictures[i, 10:40, other : other + 30] += 40
    return pictures


@pytest.mark.parametrize("speaking", [0, 1])
def test_the_mouth_that_moves_is_the_speakers_and_a_nod_is_none(speaking: int) -> None:
    pictures = two_faces(speaking)
    found = choose_speaker(pictures, [boxes(A, B)] * len(pictures), np.ones(len(pictures)))
    assert found is not None
    expected = [(0.1, 0.2, 0.4, 0.8), (0.6, 0.2, 0.9, 0.8)]
    assert found.face == pytest.approx(expected[speaking])
    assert found.listeners == (pytest.approx(expected[1 - speaking]),)
    assert found.margin > 0.9


def test_a_mouth_that_moves_in_silence_is_not_the_speakers() -> None:
    pictures = two_faces(0)
    pictures[:6, :, 50:] = two_faces(1)[:6, :, 50:]
    pictures[6:, :, 50:] = pictures[6, :, 50:]
    pictures[:6, :, :50] = pictures[0, :, :50]
    loud_late = np.r_[np.zeros(6), np.ones(6)]
    found = choose_speaker(pictures, [boxes(A, B)] * 12, loud_late)
    assert found is not None
    assert found.face[0] == pytest.approx(0.1)
    early = choose_speaker(pictures, [boxes(A, B)] * 12, loud_late[::-1])
    assert early is not None
    assert early.face[0] == pytest.approx(0.6)


def test_nobody_who_is_seen_speaks() -> None:
    still = two_faces(0)[:1].repeat(8, axis=0)
    assert choose_speaker(still, [boxes(A, B)] * 8, np.ones(8)) is None
    assert choose_speaker(still, [boxes()] * 8, np.ones(8)) is None
    assert choose_speaker(two_faces(0), [boxes(A), *[boxes()] * 11], np.ones(12)) is None


def test_movement_is_of_one_picture_to_the_next() -> None:
    pictures = two_faces(0, 4)
    movement = mouth_movement(pictures, [boxes(A, B)] * 4, {0: 0, 1: 0, 3: 0})
    assert movement[0] == movement[2] == movement[3] == 0
    assert movement[1] > 5


def test_of_two_drawn_faces_the_one_whose_turn_it_is_is_seen_speaking(film: MadeRecording) -> None:
    """The places of the faces are given, since the detector was made for people."""

    def detect(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        face = np.array([0.18, 0.15, 0.82, 0.95]) * SIZE
        both = np.stack([face, face + np.array([SIZE, 0, SIZE, 0])]).astype(np.float32)
        return np.tile(both, (len(pictures), 1)), np.arange(len(pictures)).repeat(2)

    spoken = [Spoken(turn.start, turn.end) for turn in film.turns]
    seen = seen_speakers(film.path, spoken, detect=detect)
    sides = ["Anna" if one is not None and one.face[0] < 0.5 else "Ben" for one in seen if one is not None]
    right = [turn.speaker for turn, one in zip(film.turns, seen, strict=True) if one is not None]
    # Drawn mouths move little: of some turns nobody is seen to speak, which is what is then said.
    assert len(sides) >= len(film.turns) // 2
    assert sum(a == b for a, b in zip(sides, right, strict=True)) >= len(sides) - 1


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.zeros(16000))
    with pytest.raises(EmofuseError, match="holds no picture"):
        seen_speakers(tmp_path / "a.wav", [Spoken(0, 1)])


def test_a_person_who_talks_to_the_camera_is_seen_speaking(shared_media: Path) -> None:
    pytest.importorskip("lz4", reason="the extra faces is not installed")
    [seen] = seen_speakers(shared_media / "talking_head_1.mp4", [Spoken(1.5, 4.5)])
    assert seen is not None
    assert seen.face[0] < 0.6 < seen.face[2] + 0.3
