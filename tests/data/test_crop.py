"""Two people in one picture: the half that the speaker is in is what is read."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emofuse.data.dataset import FrameSampling, UtteranceDataset
from emofuse.data.frames import read_frames
from emofuse.data.manifest import Manifest, ManifestError
from emofuse.data.media_writer import write_video
from tests.data.material import turn

RED, BLUE = (220, 30, 30), (30, 30, 220)


def halves(height: int, width: int) -> np.ndarray:
    """Six pictures, red on the left and blue on the right, ever brighter in green."""
    frames = np.empty((6, height, width, 3), np.uint8)
    frames[:, :, : width // 2] = RED
    frames[:, :, width // 2 :] = BLUE
    frames[..., 1] += (10 * np.arange(6, dtype=np.uint8))[:, None, None]
    return frames


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("crop") / "film.mp4"
    write_video(path, halves(48, 64), 10, crf=4)
    return path


def inner(pixels: np.ndarray, half: str) -> np.ndarray:
    """Without the eighth at the seam, which scaling and compression may blend."""
    margin = -(-pixels.shape[-2] // 8)
    return pixels[..., :-margin, :] if half == "left" else pixels[..., margin:, :]


def assert_colour(pixels: np.ndarray, colour: tuple[int, int, int]) -> None:
    red_and_blue = np.abs(pixels.astype(int) - colour)[..., [0, 2]]
    assert red_and_blue.max() < 40


@pytest.mark.parametrize("size", [None, (48, 32), (20, 20), (7, 9), (96, 100)])
def test_halves(film: Path, size: tuple[int, int] | None) -> None:
    left, right = (read_frames(film, n=3, size=size, crop=half) for half in ("left", "right"))
    assert left.shape == right.shape == (3, *(size or (48, 32)), 3)
    assert_colour(inner(left, "left"), RED)
    assert_colour(inner(right, "right"), BLUE)
    whole = read_frames(film, n=3, size=(left.shape[1], 2 * left.shape[2]))
    assert np.array_equal(np.concatenate([left, right], axis=2), whole)
    assert (np.diff(left[..., 1].astype(float).mean(axis=(1, 2))) > 5).all()


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_halves_of_a_turned_film_are_those_on_screen(tmp_path: Path, quarter_turns: int) -> None:
    path = tmp_path / "turned.mp4"
    write_video(path, np.rot90(halves(48, 64), quarter_turns, axes=(1, 2)), 10, crf=4)
    turn(path, quarter_turns)
    assert_colour(inner(read_frames(path, n=2, crop="left"), "left"), RED)
    assert_colour(inner(read_frames(path, n=2, size=(10, 12), crop="right"), "right"), BLUE)


@pytest.mark.parametrize("width", [2, 3, 65])
def test_narrow_and_odd_pictures(tmp_path: Path, width: int) -> None:
    path = tmp_path / "narrow.mkv"
    write_video(path, halves(16, width), 10)
    for half in ("left", "right"):
        assert read_frames(path, n=4, crop=half).shape == (4, 16, width // 2, 3)


def manifest_of(film: Path, **columns: list[str | None]) -> Manifest:
    given = {"id": ["f", "m", "both"], "video": [film.name] * 3, "text": ["x", "y", "z"], **columns}
    return Manifest.from_frame(pd.DataFrame(given), film.parent)


def test_from_manifest_to_batch(film: Path, tmp_path: Path) -> None:
    manifest = manifest_of(film, crop=["left", "right", None]).validate()
    assert [row.crop for row in manifest.rows()] == ["left", "right", None]
    rows = UtteranceDataset(
        list(manifest.rows()), {"video": "frames"}, {}, {}, frames=FrameSampling(2, (16, 16))
    )
    frames = rows.collate([rows[at] for at in range(3)]).inputs["frames"].permute(0, 1, 3, 4, 2).numpy()
    assert_colour(inner(frames[0], "left"), RED)
    assert_colour(inner(frames[1], "right"), BLUE)
    assert_colour(frames[2, :, :, :4], RED)
    assert_colour(frames[2, :, :, -4:], BLUE)
    for name in ("m.csv", "m.jsonl", "m.parquet"):
        manifest.write(film.parent / name)
        assert [row.crop for row in Manifest.read(film.parent / name).rows()] == ["left", "right", None]


def test_fingerprint(film: Path) -> None:
    plain = manifest_of(film)
    assert plain.utterance("f").crop is None
    assert manifest_of(film, crop=[None, None, None]).fingerprint() == plain.fingerprint()
    cropped = [manifest_of(film, crop=crop) for crop in (["left", None, None], ["right", None, None])]
    assert len({m.fingerprint() for m in [plain, *cropped]}) == 3


def test_bad_crops(film: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        manifest_of(film, crop=["Left", "right", "left"], video=["film.mp4", None, None]).validate()
    found = [(problem.row, problem.what) for problem in caught.value.problems]
    no_video = "has a crop but no video; remove the crop"
    assert found == [(1, "crop 'Left' is not one of left, right"), (2, no_video), (3, no_video)]


def test_rows_of_features_alone() -> None:
    frame = pd.DataFrame({"id": ["a", "b", "c"], "features": ["text audio", " ", None]})
    with pytest.raises(ManifestError) as caught:
        Manifest.from_frame(frame, ".").validate()
    assert [problem.row for problem in caught.value.problems] == [2, 3]
    assert Manifest.from_frame(frame[:1], ".").validate().ids == ["a"]
