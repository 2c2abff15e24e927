"""FER2013 as Parquet and as the contest's CSV file, quirks included."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.corpora import read_corpus
from emofuse.data.manifest import Manifest
from emofuse.data.stills import read_still
from emofuse.errors import EmofuseError
from emofuse.evaluation import splits


def face(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((48, 48), Image.Resampling.BICUBIC))


def jpeg(pixels: np.ndarray, quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


TRAIN = [
    ("Training_1", "angry", jpeg(face(1))),
    ("Training_2", "happy", jpeg(face(2))),
    ("Training_3", "neutral", jpeg(face(1), quality=60)),  # the first again, under another label
    ("Training_4", "sad", jpeg(face(4))),
    ("Training_5", "fear", jpeg(np.full((48, 48), 7, np.uint8))),  # nothing to be seen
    ("Training_6", "disgust", b"\xff\xd8 no picture"),
    ("Training_7", "happy", jpeg(face(7))),
]
VALIDATION = [
    ("PublicTest_1", "surprise", jpeg(face(4), quality=70)),
    ("PublicTest_2", "fear", jpeg(face(9))),
]


@pytest.fixture
def fer(tmp_path: Path) -> Path:
    for name, rows in (("train", TRAIN), ("validation", VALIDATION)):
        pd.DataFrame(rows, columns=["id", "label", "jpeg"]).to_parquet(tmp_path / f"{name}.parquet")
    return tmp_path


def test_pictures_become_files_and_labels_the_usual_ones(fer: Path, tmp_path: Path) -> None:
    corpus = read_corpus("fer2013", fer, into=str(tmp_path / "out"))
    manifest = corpus.manifest.validate()
    assert {row.id: row.label for row in manifest.rows()} == {
        "Training_1": "anger",
        "Training_2": "joy",
        "Training_3": "neutral",
        "Training_7": "joy",
        "PublicTest_1": "surprise",
        "PublicTest_2": "fear",
    }
    file = manifest.utterance("Training_1").video
    assert file == (tmp_path / "out/pictures/train/Training_1.jpg").resolve()
    assert file.read_bytes() == TRAIN[0][2]
    assert corpus.left_out == {
        "empty picture": ("Training_5",),
        "also in a part that is judged": ("Training_4",),
    }
    assert [(entry.id, entry.reason) for entry in corpus.set_aside] == [("Training_6", "undecodable")]


def test_a_repeated_id_gets_a_number(tmp_path: Path) -> None:
    rows = [("Training_1", "angry", jpeg(face(1))), ("Training_1", "sad", jpeg(face(2)))]
    pd.DataFrame(rows, columns=["id", "label", "jpeg"]).to_parquet(tmp_path / "train.parquet")
    corpus = read_corpus("fer2013", tmp_path)
    assert corpus.manifest.validate().ids == ["Training_1", "Training_1_2"]
    assert corpus.notes == ("the id Training_1 stands 2 times; the later ones have a number",)
    assert corpus.manifest.utterance("Training_1_2").video.read_bytes() == rows[1][2]


def test_twins_stay_on_one_side(fer: Path) -> None:
    manifest = read_corpus("fer2013", fer).manifest
    assert manifest.utterance("Training_3").dialogue == "Training_1"
    for seed in range(5):
        (split,) = splits(manifest, "official", seed=seed, val_fraction=0.4)
        assert split.test == ["PublicTest_1", "PublicTest_2"]
        assert ("Training_1" in split.train) == ("Training_3" in split.train)
    kept = read_corpus("fer2013", fer, twins="keep")
    assert "Training_4" in kept.manifest.ids
    assert kept.left_out == {"empty picture": ("Training_5",)}


def test_the_contests_table_holds_the_same(tmp_path: Path) -> None:
    rows = [(3, face(2), "Training"), (0, face(1), "PublicTest"), (6, face(9), "PrivateTest")]
    lines = [f"{emotion},{' '.join(map(str, pixels.ravel()))},{usage}" for emotion, pixels, usage in rows]
    (tmp_path / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *lines]) + "\n")
    manifest = read_corpus("fer2013", tmp_path).manifest.validate()
    assert [(row.label, row.split) for row in manifest.rows()] == [
        ("joy", "train"),
        ("anger", "val"),
        ("neutral", "test"),
    ]
    np.testing.assert_array_equal(read_still(manifest.utterance("Training_00001").video)[..., 0], face(2))


def test_the_verb_writes_the_manifest_beside_the_pictures(fer: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "manifest.csv"
    result = CliRunner().invoke(app, ["prepare", "fer2013", str(fer), "-o", str(target), "--quiet"])
    assert result.exit_code == 0, result.output
    manifest = Manifest.read(target).validate()
    assert len(manifest) == 6
    assert not (fer / "pictures").exists()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("../x", "angry", b""), "train.parquet row 1: the id '../x' cannot be a file's name"),
        (("Training_1", "bored", b""), r"row 1 \(id 'Training_1'\): its label 'bored' is not one of"),
        (("Training_1", "angry", "text"), "its picture is no file"),
    ],
)
def test_strange_rows_are_named(tmp_path: Path, row: tuple[object, ...], message: str) -> None:
    pd.DataFrame([row], columns=["id", "label", "jpeg"]).to_parquet(tmp_path / "train.parquet")
    with pytest.raises(EmofuseError, match=message):
        read_corpus("fer2013", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train.parquet"]


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmofuseError, match=r"has neither train\.parquet nor fer2013\.csv"):
        read_corpus("fer2013", tmp_path)
    (tmp_path / "train.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(EmofuseError, match=r"train\.parquet: cannot be read"):
        read_corpus("fer2013", tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n", "has no column emotion, pixels, usage"),
        ("emotion,pixels,Usage\n0,1 2,Training\n", "row 1"),
    ],
)
def test_a_strange_table_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "fer2013.csv").write_text(content)
    with pytest.raises(EmofuseError, match=message):
        read_corpus("fer2013", tmp_path)
