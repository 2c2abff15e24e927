"""Pictures in folders named after emotions."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emofuse.corpora import load_corpus, read_corpus
from emofuse.errors import EmofuseError


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(root / name)


@pytest.fixture
def posed(tmp_path: Path) -> Path:
    put(tmp_path, "happy/S010_004_17.png", "happy/S011_001_18.png", "anger/S010_004_19.png", ".cache/x/y.png")
    (tmp_path / "anger" / "notes.txt").write_text("notes")
    (tmp_path / "anger" / "._S010_004_19.png").write_bytes(b"twin")
    return tmp_path


def test_folders_are_labels_and_names_tell_the_speaker(posed: Path) -> None:
    corpus = read_corpus("image-folder", posed, labels="usual", speaker=r"^(S\d+)_")
    rows = {row.id: (row.label, row.speaker, row.split) for row in corpus.manifest.validate().rows()}
    assert rows == {
        "anger/S010_004_19": ("anger", "S010", None),
        "happy/S010_004_17": ("joy", "S010", None),
        "happy/S011_001_18": ("joy", "S011", None),
    }
    assert corpus.notes == ("1 file that are no pictures ignored",)


def test_folders_of_parts_hold_those_of_labels(tmp_path: Path) -> None:
    put(tmp_path, "train/happy/a.jpg", "Validation/happy/a.jpg", "test/sad/a.bmp")
    manifest = load_corpus("image-folder", tmp_path, labels="happy=joy").validate()
    assert {(row.split, row.label, row.speaker) for row in manifest.rows()} == {
        ("train", "joy", None),
        ("val", "joy", None),
        ("test", "sad", None),
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"speaker": "("}, "is no regular expression"),
        ({"speaker": "Q\\d+"}, "is found in no file's name, such as anger/"),
        ({"labels": "joyful"}, "neither folders, usual nor"),
    ],
)
def test_options_that_fit_nothing(posed: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(EmofuseError, match=message):
        load_corpus("image-folder", posed, **options)


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(EmofuseError, match="holds nothing of pictures in folders"):
        load_corpus("image-folder", tmp_path)
