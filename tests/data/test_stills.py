from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emofuse.data.frames import read_frames
from emofuse.data.media import MediaError, probe
from emofuse.data.pictures import PictureSampling, open_pictures
from emofuse.data.stills import is_still, read_still

PICTURE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


@pytest.fixture
def still(tmp_path: Path) -> Path:
    Image.fromarray(PICTURE).save(tmp_path / "face.PNG")
    return tmp_path / "face.PNG"


def test_a_picture_is_a_video_that_stands_still(still: Path) -> None:
    assert is_still(still)
    assert not is_still("clip.mp4")
    np.testing.assert_array_equal(read_still(still), PICTURE)
    np.testing.assert_array_equal(read_frames(still, n=3, start=2.0), np.stack([PICTURE] * 3))
    info = probe(still)
    assert (info.height, info.width, info.has_video, info.has_audio, info.duration) == (
        20,
        30,
        True,
        False,
        None,
    )


@pytest.mark.parametrize("taken", [{"frames": 20}, {"rate": 15.0}])
def test_it_is_looked_at_once(still: Path, taken: dict[str, float]) -> None:
    opened = open_pictures(still, PictureSampling(longest=15, **taken))
    assert opened.count == 1
    assert [block.shape for block in opened] == [(1, 10, 15, 3)]


@pytest.mark.parametrize(("crop", "columns"), [("left", slice(0, 15)), ("right", slice(15, 30))])
def test_a_half_is_taken(still: Path, crop: str, columns: slice) -> None:
    np.testing.assert_array_equal(read_still(still, crop=crop), PICTURE[:, columns])


def test_it_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees, clockwise
    Image.fromarray(PICTURE).save(tmp_path / "turned.png", exif=exif)
    assert probe(tmp_path / "turned.png").height == 30
    np.testing.assert_array_equal(read_still(tmp_path / "turned.png"), np.rot90(PICTURE, -1))


def test_grey_becomes_three_equal_channels(tmp_path: Path) -> None:
    Image.fromarray(PICTURE[..., 0]).save(tmp_path / "grey.bmp")
    np.testing.assert_array_equal(read_still(tmp_path / "grey.bmp"), np.stack([PICTURE[..., 0]] * 3, axis=-1))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "missing-file"),
        (b"", "empty-file"),
        (b"no picture at all", "not-media"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "face.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MediaError, match=reason):
        read_frames(path, n=1)


def test_a_picture_that_breaks_off_is_damaged(still: Path) -> None:
    still.write_bytes(still.read_bytes()[:900])
    with pytest.raises(MediaError, match="undecodable"):
        read_still(still)


def test_more_pixels_than_are_read_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    Image.new("1", (8193, 8193)).save(tmp_path / "large.png")
    for read in (read_still, probe):
        with pytest.raises(MediaError, match="too-large"):
            read(tmp_path / "large.png")
