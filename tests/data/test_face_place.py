"""The column ``face``: read and written, checked, followed over pictures, and part of what features are made of."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emofuse.data.dataset import FrameSampling
from emofuse.data.face_place import follow_face, parse_place, seen_in_words
from emofuse.data.frame_cache import FrameCache
from emofuse.data.manifest import Manifest, ManifestError
from emofuse.data.media_writer import write_video
from emofuse.errors import EmofuseError
from emofuse.features.sources import sources_of
from tests.features.simple_encoders import BrightnessEncoder

LEFT, RIGHT = "0.100 0.200 0.400 0.800", "0.600 0.200 0.900 0.800"


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A bright face on the left and a dark one on the right, on grey."""
    frames = np.full((6, 60, 120, 3), 128, np.uint8)
    frames[:, 12:48, 12:48], frames[:, 12:48, 72:108] = 230, 20
    write_video(tmp_path / "film.mp4", frames, 10, crf=4)
    return tmp_path


def manifest_of(folder: Path, **columns: object) -> Manifest:
    rows = {"id": ["a", "b"], "video": "film.mp4", **columns}
    return Manifest.from_frame(pd.DataFrame(rows), folder)


def test_faces_are_read_and_kept_in_every_format(film: Path) -> None:
    some = manifest_of(film, face=[LEFT, None], listeners=[f"{RIGHT}; {RIGHT}", None]).validate()
    one, other = some.rows()
    assert one.face == (0.1, 0.2, 0.4, 0.8)
    assert one.listeners == ((0.6, 0.2, 0.9, 0.8),) * 2
    assert (other.face, other.listeners) == (None, ())
    some.write(film / "m.jsonl")
    assert next(Manifest.read(film / "m.jsonl").rows()) == one
    assert some.fingerprint() != manifest_of(film).fingerprint()
    assert manifest_of(film, face=None).fingerprint() == manifest_of(film).fingerprint()


@pytest.mark.parametrize(
    "cell", ["left", "0 0 1", "0.5 0 0.5 1", "0 0 1 1.1", "0 0 nan 1", "0 0 1 1; 0 0 1 1"]
)
def test_a_cell_that_is_no_place_is_named_with_its_row(film: Path, cell: str) -> None:
    some = manifest_of(film, face=[LEFT, cell])
    with pytest.raises(ManifestError, match=r"row 2.*face .*is not four numbers from 0 to 1"):
        some.validate()
    with pytest.raises(EmofuseError, match=r"row 2.*face"):
        list(some.rows())
    with pytest.raises(ValueError, match="four numbers"):
        parse_place(cell)


def test_a_face_of_no_video_is_refused(film: Path) -> None:
    some = Manifest.from_frame(pd.DataFrame({"id": ["a"], "text": "Hi.", "face": LEFT}), film)
    with pytest.raises(ManifestError, match="has a face but no video"):
        some.validate()


def test_a_face_is_followed_from_where_it_is_at_its_place_and_never_jumps_to_another() -> None:
    own = [(x, 10.0, x + 30, 40.0) for x in (0.0, 10.0, 20.0, 30.0)]
    other = (80.0, 10.0, 110.0, 40.0)
    boxes = np.array([own[0], other, other, own[1], own[2], other, own[3], other], np.float32)
    picture_of = np.array([0, 0, 1, 1, 2, 2, 4, 5])
    place = np.array(own[2], np.float32)
    assert follow_face(boxes, picture_of, place).tolist() == [0, 3, 4, 6]
    assert follow_face(boxes, picture_of, np.array((80, 60, 110, 90), np.float32)).tolist() == []
    assert follow_face(boxes[:0], picture_of[:0], place).tolist() == []


def test_features_of_one_face_are_never_taken_for_those_of_all(film: Path) -> None:
    plain, left = manifest_of(film), manifest_of(film, face=[LEFT, RIGHT])
    encoder = BrightnessEncoder()
    encoder.needs = replace(encoder.needs, faces=True)
    of_faces = [sources_of(m.rows(), encoder) for m in (plain, left)]
    prints = [source.fingerprint for found in of_faces for source in found.values() if source is not None]
    assert len(set(prints)) == 3  # both rows of the plain one are read alike
    of_pictures = [sources_of(m.rows(), BrightnessEncoder()) for m in (plain, left)]
    assert len({s.fingerprint for found in of_pictures for s in found.values() if s is not None}) == 1


def test_frames_of_a_system_are_cut_to_the_speaker_on_request(film: Path) -> None:
    left, right = manifest_of(film, face=[LEFT, RIGHT]).rows()
    cache = FrameCache(film / "kept")
    for row, expected in ((left, 230), (right, 20)):
        for kept in (None, cache, cache):
            seen = FrameSampling(3, (16, 16), kept, faces=True).read(row)
            assert seen.shape == (3, 16, 16, 3)
            assert abs(int(np.median(seen)) - expected) < 12
            assert abs(int(seen[:, 0].mean()) - 128) < 12  # a margin of what is around it
    whole = FrameSampling(3, (16, 16), cache).read(left)
    np.testing.assert_array_equal(whole, FrameSampling(3, (16, 16), cache).read(right))


def test_who_is_seen_is_told_in_words() -> None:
    face, other = (0.1, 0.2, 0.3, 0.6), (0.7, 0.2, 0.9, 0.6)
    assert seen_in_words(None, ()) == ""
    assert seen_in_words(face, ()) == "the speaker's face is on the left"
    assert seen_in_words(other, [face, (0.4, 0.1, 0.6, 0.5)]) == (
        "the speaker's face is on the right; 2 listeners: on the left, in the middle"
    )
