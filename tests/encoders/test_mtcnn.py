import numpy as np
import pandas as pd
import pytest
import torch

from emofuse.data.frames import read_frames
from emofuse.data.manifest import Manifest
from emofuse.data.media_writer import write_video
from emofuse.data.quarantine import Quarantine
from emofuse.encoders import EncoderSpec, create_encoder
from emofuse.encoders.faces import FaceCutter
from emofuse.encoders.mtcnn import MTCNN
from emofuse.features import ExtractionReport, FeatureStore, extract_features

pytest.importorskip("lz4", reason="the extra faces is not installed")

# What the package mtcnn 1.0.0 gives, run with TensorFlow and its default settings, for the frames that
# `picture` reads: boxes x1, y1, x2, y2 of the faces it is surer of than 0.9.
PACKAGE = {
    ("interview", 0): [
        (605.2, 424.0, 646.5, 481.9), (579.7, 415.6, 604.0, 448.0), (235.9, 473.1, 297.7, 555.7),
        (190.9, 415.1, 227.3, 457.6), (454.3, 375.9, 497.6, 429.4), (721.3, 406.0, 749.2, 445.8),
        (884.7, 436.9, 900.3, 457.2),
    ],
    ("interview", 10): [
        (751.5, 468.3, 785.5, 510.9), (614.3, 447.6, 665.5, 516.8), (133.4, 438.0, 176.3, 495.5),
        (720.4, 440.9, 751.1, 483.5), (357.9, 414.5, 405.3, 471.1),
    ],
    ("talking_head_1", 0): [(141.8, 113.9, 393.9, 449.3)],
    ("talking_head_1", 10): [(147.9, 105.2, 394.8, 455.0)],
    ("talking_head_2", 0): [(133.2, 112.4, 404.9, 484.7)],
    ("talking_head_2", 10): [(169.6, 96.0, 436.2, 477.0)],
}  # fmt: skip


def picture(folder, clip: str, place: int) -> np.ndarray:
    size = (720, 1280) if clip == "interview" else None
    return read_frames(folder / f"{clip}.mp4", n=20, size=size)[place]


def shared_area(a, b) -> float:
    corner, end = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    common = np.maximum(end - corner, 0).prod()
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return common / (sum(areas) - common)


@pytest.fixture(scope="module")
def detector():
    return MTCNN(min_face=20)


def test_the_nets_give_what_those_of_the_package_give(detector):
    """Numbers of the package's own Keras nets for a wave."""
    expected = {
        12: (0.003017, [-0.091251, -0.241073, -0.199876, 0.031221]),
        24: (0.000362, [0.036916, -0.10396, -0.017888, 0.165575]),
        48: (0.000007, [-0.137699, -0.233838, 0.218293, 0.384453]),
    }
    for net in (detector._proposal, detector._refine, detector._output):
        side = net.WINDOW
        y, x, channel = np.meshgrid(np.arange(side), np.arange(side), np.arange(3), indexing="ij")
        wave = np.sin(0.3 * y + 0.7 * x + 1.1 * channel + 0.01 * y * x).astype(np.float32)
        with torch.inference_mode():
            face, box = net(torch.from_numpy(wave).permute(2, 0, 1)[None])
        assert float(face) == pytest.approx(expected[side][0], abs=2e-6)
        np.testing.assert_allclose(box.flatten(), expected[side][1], atol=2e-6)


@pytest.mark.parametrize(("clip", "place"), PACKAGE)
def test_faces_are_those_that_the_package_finds(detector, shared_media, clip, place):
    found = detector(picture(shared_media, clip, place)[None])
    for expected in PACKAGE[clip, place]:
        assert max(shared_area(np.array(expected), box) for box in found.boxes) > 0.75
    sure = found.boxes[found.scores > 0.9]
    assert len(sure) <= len(PACKAGE[clip, place]) + 1  # near its threshold the package found one of these too


def test_there_is_one_face_where_one_person_talks(shared_media):
    for clip in ("talking_head_1", "talking_head_2"):
        found = MTCNN()(read_frames(shared_media / f"{clip}.mp4", n=20))
        assert found.picture_of.tolist() == list(range(20))
        assert np.median(found.scores) > 0.98


def test_pictures_of_a_batch_do_not_meet(shared_media):
    detector = MTCNN()
    frames = read_frames(shared_media / "interview.mp4", n=4, size=(720, 1280))
    blank = np.full((1, *frames.shape[1:]), 127, np.uint8)
    together = detector(np.concatenate([frames[:2], blank, frames[2:]]))
    assert 2 not in together.picture_of
    for place, frame in zip((0, 1, 3, 4), frames, strict=True):
        alone = detector(frame[None])
        np.testing.assert_allclose(together.boxes[together.picture_of == place], alone.boxes, atol=0.1)
        np.testing.assert_allclose(together.scores[together.picture_of == place], alone.scores, atol=1e-4)


def test_smaller_faces_are_left_out_on_request(shared_media):
    frame = picture(shared_media, "interview", 0)[None]
    sides = [
        (found.boxes[:, 2:] - found.boxes[:, :2]).max(axis=1)
        for found in (MTCNN(20)(frame), MTCNN(80)(frame))
    ]
    assert sides[0].min() < 30
    assert len(sides[1]) < len(sides[0])
    assert sides[1].min() > 50


@pytest.mark.parametrize("shape", [(1, 720, 1280), (3, 40, 40), (1, 30, 500), (2, 1, 1), (0, 100, 100)])
def test_nobody_is_found_where_nobody_is(shape):
    blank = np.zeros((*shape, 3), np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, blank.shape, dtype=np.uint8)
    for pictures in (blank, blank + np.uint8(128), noise):
        found = MTCNN()(pictures)
        assert found.boxes.shape == (0, 4)
        assert found.scores.shape == found.picture_of.shape == (0,)


def test_faces_are_cut_out_with_a_margin_and_black_beyond_the_edges(shared_media):
    frames = read_frames(shared_media / "talking_head_2.mp4", n=2)[:, :420]
    crops, picture_of = FaceCutter((64, 48), 40, "cpu")(frames)
    assert crops.shape == (2, 64, 48, 3)
    assert picture_of.tolist() == [0, 1]
    # The picture ends at the chin, and the square around the face goes on.
    assert crops[:, -1].max() == 0
    assert crops[:, 20:40, 14:34].mean() > 60


def test_the_face_that_is_named_is_cut_out_of_several(shared_media):
    frames = read_frames(shared_media / "interview.mp4", n=2, size=(720, 1280), end=0.4)
    cutter = FaceCutter((64, 64), 20, "cpu")
    crops, picture_of = cutter(frames)
    assert len(crops) > 4
    left, top, right, bottom = PACKAGE["interview", 0][0]
    chosen, which = cutter(frames, (left / 1280, top / 720, right / 1280, bottom / 720))
    assert which.tolist() == [0, 1]
    assert all(
        any(np.array_equal(one, other) for other in crops[picture_of == i]) for i, one in enumerate(chosen)
    )
    assert len(cutter(frames, (0.0, 0.0, 0.05, 0.1))[0]) == 0


@pytest.mark.parametrize("name", ["frame-statistics", "resnet"])
def test_a_store_is_filled_and_utterances_without_a_face_are_counted(
    name, shared_media, tmp_path, resnet_folder
):
    write_video(tmp_path / "empty room.mp4", np.full((5, 120, 160, 3), 90, np.uint8), 10)
    for clip in ("talking_head_1.mp4", "interview.mp4"):
        (tmp_path / clip).write_bytes((shared_media / clip).read_bytes())
    rows = [
        {"id": "one", "video": "talking_head_1.mp4", "end": 1.0},
        {"id": "many", "video": "interview.mp4", "end": 1.0},
        {"id": "nobody", "video": "empty room.mp4"},
        {"id": "no video", "text": "words"},
    ]
    spec = EncoderSpec(
        modality="video", name=str(resnet_folder) if name == "resnet" else name, faces=True, frames=3
    )
    some, store = create_encoder(spec), FeatureStore(tmp_path / "features")
    manifest = Manifest.from_frame(pd.DataFrame(rows), tmp_path)
    report = extract_features(manifest, some, store, quarantine=Quarantine(tmp_path / "q.csv"))
    assert report == ExtractionReport(done=2, absent=1, quarantined=1)
    assert report.reasons == {"no-face": 1}
    held = store.reader(some.identity)
    assert {name: held[name].shape for name in held} == {"one": (some.dim,), "many": (some.dim,)}
    assert some.identity.sampling["faces"].startswith("mtcnn-")
    plain = create_encoder(spec.model_copy(update={"faces": False}))
    assert plain.identity.digest != some.identity.digest
    other = create_encoder(spec.model_copy(update={"min_face": 80}))
    assert other.identity.digest != some.identity.digest
