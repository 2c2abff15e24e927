"""Frame statistics stand for all video encoders here: which pictures are taken, how they are pooled."""

import pickle

import numpy as np
import pytest

from emofuse.data import pictures as pictures_module
from emofuse.data.frames import read_frames
from emofuse.data.media_writer import write_video
from emofuse.data.pictures import open_pictures
from emofuse.encoders import EncoderSpec, create_encoder
from emofuse.encoders.grid_statistics import SIZE, describe_pictures
from emofuse.encoders.video import Moments
from emofuse.features import UnusableInputError


def encoder(**options):
    return create_encoder(EncoderSpec(modality="video", name="frame-statistics", **options))


def encode(path, *, part=None, **options) -> np.ndarray:
    some = encoder(**options)
    return some.encode([open_pictures(path, some.needs.pictures, **(part or {}))])[0]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """2 s at 25 frames per second, a bright bar going down."""
    frames = np.zeros((50, 64, 80, 3), np.uint8)
    for number, frame in enumerate(frames):
        frame[number : number + 12, 10:70] = (200, 180, 90)
    path = tmp_path_factory.mktemp("media") / "bar.mp4"
    write_video(path, frames, 25)
    return path


def test_a_vector_is_mean_spread_and_change_over_twenty_pictures(clip):
    each = describe_pictures(read_frames(clip, n=20, size=(SIZE, SIZE))).astype(np.float64)
    expected = np.concatenate([each.mean(0), each.std(0), np.abs(np.diff(each, axis=0)).mean(0)])
    np.testing.assert_allclose(encode(clip), expected, atol=1e-5)


@pytest.mark.parametrize(("options", "count"), [({}, 30), ({"rate": 5}, 10), ({"frames": 7}, 7)])
def test_a_sequence_has_one_step_per_picture(clip, options, count):
    found = encode(clip, pooling="tokens", **options)
    expected = describe_pictures(read_frames(clip, n=count, size=(SIZE, SIZE), end=2.0))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "tokens"])
def test_blocks_change_nothing(clip, pooling, monkeypatch):
    whole = encode(clip, pooling=pooling)
    monkeypatch.setattr(pictures_module, "_BLOCK_BYTES", 4 * 3 * SIZE * SIZE)
    np.testing.assert_allclose(encode(clip, pooling=pooling), whole, atol=1e-5)


def test_the_part_and_the_half_are_those_asked_for(clip):
    some = encode(clip, part={"start": 0.5, "end": 1.0, "crop": "left"}, pooling="tokens", frames=4)
    expected = describe_pictures(read_frames(clip, n=4, size=(SIZE, SIZE), start=0.5, end=1.0, crop="left"))
    np.testing.assert_allclose(some, expected, atol=1e-5)


def test_a_video_of_one_picture_does_not_move(tmp_path):
    write_video(tmp_path / "one.mp4", np.full((1, 64, 64, 3), 90, np.uint8), 25)
    mean, spread, change = encode(tmp_path / "one.mp4").reshape(3, -1)
    assert mean.any()
    np.testing.assert_allclose(spread, 0, atol=1e-6)
    np.testing.assert_allclose(change, 0, atol=1e-6)


def test_identities_tell_apart_what_gives_other_numbers():
    specs = [{}, {"frames": 10}, {"rate": 15}, {"pooling": "tokens"}, {"pooling": "tokens", "rate": 10},
             {"pooling": "tokens", "frames": 20}]  # fmt: skip
    digests = [encoder(**options).identity.digest for options in specs]
    assert len(set(digests)) == len(specs)
    assert encoder(frames=20).identity == encoder().identity
    assert encoder(batch_size=3).identity == encoder().identity
    assert pickle.loads(pickle.dumps(encoder())).identity == encoder().identity


def test_moments_of_blocks_are_those_of_the_whole():
    values = np.random.default_rng(0).normal(3, 2, (37, 5)).astype(np.float32)
    for cuts in ([37], [1, 36], [10, 1, 1, 25]):
        moments = Moments()
        for block in np.split(values, np.cumsum(cuts)[:-1]):
            moments.add(block)
        expected = [values.mean(0), values.std(0), np.abs(np.diff(values, axis=0)).mean(0)]
        np.testing.assert_allclose(moments.mean_spread_change, np.concatenate(expected), atol=1e-5)
        np.testing.assert_allclose(moments.mean, expected[0], atol=1e-6)


class TwoFaces:
    """Stands for the detector: nobody in dark pictures, two halves of every other one."""

    longest = 64
    settings = {"faces": "two"}  # noqa: RUF012

    def __call__(self, pictures, face=None):
        seen = np.flatnonzero(pictures.reshape(len(pictures), -1).mean(axis=1) > 30)
        sides = (slice(0, 32), slice(32, 64)) if face is None else (slice(0, 32),)
        halves = [pictures[place][:, side] for place in seen for side in sides]
        crops = np.array([np.kron(half[::2, ::1][:32], np.ones((3, 3, 1), np.uint8)) for half in halves])
        return crops.reshape(-1, SIZE, SIZE, 3), np.repeat(seen, len(sides))


@pytest.fixture
def with_faces(monkeypatch):
    monkeypatch.setattr("emofuse.encoders.video.FaceCutter", lambda size, min_face, device: TwoFaces())
    return lambda **options: encoder(faces=True, **options)


@pytest.fixture
def sometimes_dark(tmp_path):
    frames = np.full((8, 64, 64, 3), 0, np.uint8)
    frames[2:4, :, :32], frames[2:4, :, 32:] = 200, 100
    frames[6:, :, :] = 150
    write_video(tmp_path / "film.mp4", frames, 8)
    return tmp_path / "film.mp4"


def test_features_of_a_picture_are_the_mean_over_its_faces(with_faces, sometimes_dark):
    some = with_faces(pooling="tokens", frames=8)
    steps = some.encode([open_pictures(sometimes_dark, some.needs.pictures)])[0]
    assert (np.abs(steps).max(axis=1) > 0).tolist() == [False, False, True, True, False, False, True, True]
    brightness = steps.reshape(8, 36, 13)[:, :, 9].mean(axis=1)
    np.testing.assert_allclose(brightness[[2, 3, 6, 7]], 150 / 255, atol=0.03)


def test_of_a_clip_that_names_the_speakers_face_that_one_is_described(with_faces, sometimes_dark):
    some = with_faces(pooling="tokens", frames=8)
    part = {"face": (0.0, 0.0, 0.5, 1.0)}
    steps = some.encode([open_pictures(sometimes_dark, some.needs.pictures, **part)])[0]
    brightness = steps.reshape(8, 36, 13)[:, :, 9].mean(axis=1)
    np.testing.assert_allclose(brightness[[2, 3, 6, 7]], np.array([200, 200, 150, 150]) / 255, atol=0.03)


def test_pictures_without_a_face_count_in_no_mean(with_faces, sometimes_dark):
    some = with_faces(frames=8)
    mean = some.encode([open_pictures(sometimes_dark, some.needs.pictures)])[0].reshape(3, 36, 13)[0]
    np.testing.assert_allclose(mean[:, 9].mean(), 150 / 255, atol=0.03)


@pytest.mark.parametrize("pooling", ["mean", "tokens"])
def test_nobody_to_be_seen_is_no_face(with_faces, tmp_path, pooling):
    write_video(tmp_path / "dark.mp4", np.zeros((6, 64, 64, 3), np.uint8), 10)
    some = with_faces(pooling=pooling)
    with pytest.raises(UnusableInputError, match="no face was found in any of") as caught:
        some.encode([open_pictures(tmp_path / "dark.mp4", some.needs.pictures)])
    assert caught.value.reason == "no-face"
