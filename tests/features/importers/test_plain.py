"""Arrays and tables of no particular style."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emofuse.errors import EmofuseError
from emofuse.features import FeatureStore
from emofuse.features.importers import import_features, plain
from tests.features.importers.files import padded

NPZ: dict[str, Any] = {
    "id": np.array(["u1", "u2", "ü3"]),
    "raw_text": np.array(["one", "", "three"]),
    "label": np.array([0, 1, 1]),
    "split": np.array(["train", "dev", "test"]),
    "valence": np.array([0.5, np.nan, -1]),
    "dialogue": np.array([7, 7, 8]),
    "text": np.arange(6.0).reshape(3, 2) + 1,
    "audio": padded([2, 3, 1], 4, 2),
    "visual": padded([2, 3, 1], 4, 3, front=True),
    "visual_lengths": np.array([2, 3, 1]),
    "extra": np.zeros(1),
}
TABLE = (
    "id,text,label,split,text_1,text_0,Audio.0,vision10,vision9\n"
    "a,hello,joy,train,1.5,2,3,-1e-2,5\n"
    "b,,anger,test,0,0,4,6,7\n"
)


def test_npz(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "f.npz", **NPZ)
    store = FeatureStore(tmp_path / "features")
    manifest, identities, notes = import_features(
        tmp_path / "f.npz", "npz", store.root, labels=["calm", "angry"], pooling="tokens"
    )
    manifest.validate()
    assert manifest.ids == ["u1", "u2", "ü3"]
    assert manifest.frame["text"].tolist() == ["one", None, "three"]
    assert manifest.frame["label"].tolist() == ["calm", "angry", "angry"]
    assert manifest.frame["split"].tolist() == ["train", "val", "test"]
    assert manifest.frame["dialogue"].tolist() == ["7", "7", "8"]
    assert manifest.frame["turn"].tolist() == [0, 1, 0]
    assert store.reader(identities["text"])["u2"].tolist() == [[3.0, 4.0]]
    assert np.array_equal(store.reader(identities["audio"])["u2"], NPZ["audio"][1, :3])
    assert np.array_equal(store.reader(identities["video"])["ü3"], NPZ["visual"][2, 3:])
    assert "ignored: extra" in notes


def test_table(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text(TABLE)
    store = FeatureStore(tmp_path / "features")
    manifest, identities, notes = import_features(tmp_path / "f.csv", "csv", store.root)
    manifest.validate()
    assert manifest.frame["text"].tolist() == ["hello", None]
    assert manifest.frame["features"].tolist() == ["text audio video", "audio video"]
    assert store.reader(identities["text"])["a"].tolist() == [2.0, 1.5]
    assert store.reader(identities["audio"]).matrix(["b", "a"]).tolist() == [[4.0], [3.0]]
    assert store.reader(identities["video"])["a"] == pytest.approx([5.0, -0.01])
    assert "text: 1 utterance with nothing but zeros, counted as missing" in notes


def test_classes_of_a_table_by_number(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("id,label,text_0\na,1,5\nb,0,6\n")
    manifest, _, _ = import_features(tmp_path / "f.csv", "csv", tmp_path / "features", labels=["no", "yes"])
    assert manifest.frame["label"].tolist() == ["yes", "no"]


def test_rows_with_nothing(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("id,text,text_0\na,,0\nb,said,0\nc,,1\n")
    manifest, _, notes = import_features(tmp_path / "f.csv", "csv", tmp_path / "features")
    assert manifest.validate().ids == ["b", "c"]
    assert "left out, no text and no features: 1 utterance (a)" in notes


def test_only_what_is_not_finite_is_told_and_for_its_modality_alone(tmp_path: Path) -> None:
    numbers = np.random.default_rng(1).normal(size=(3, 5))  # float64, which float32 does not hold exactly
    audio = numbers.copy()
    audio[1, 2] = -np.inf
    video = numbers.copy()
    video[0, 0], video[2, 1] = 1e300, np.nan  # the first is beyond float32
    arrays = {"id": NPZ["id"], "text": numbers, "audio": audio, "video": video}
    np.savez(tmp_path / "f.npz", **arrays)
    _, identities, notes = import_features(tmp_path / "f.npz", "npz", tmp_path / "features")
    assert [note for note in notes if "finite" in note] == [
        "audio: numbers that are not finite became 0 in 1 utterance",
        "video: numbers that are not finite became 0 in 2 utterances",
    ]
    stored = FeatureStore(tmp_path / "features").reader(identities["audio"])["u2"]
    assert stored == pytest.approx(np.where(np.isfinite(audio[1]), audio[1], 0), rel=1e-6)


def npz(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in (NPZ | changes).items() if value is not None}


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        (npz(id=None), "has no array 'id', only raw_text"),
        (npz(text=np.zeros((2, 2))), "text has 2 rows for 3 ids"),
        (npz(split=np.array("train")), "split has 1 row for 3 ids"),
        (npz(text=np.zeros((3, 2, 2, 2))), "text has the shape (3, 2, 2, 2)"),
        (npz(text=np.array(["a", "b", "c"])), "text: holds texts and no numbers"),
        (npz(text=np.array([[1], [2], [{}]], object)), "is no .npz file of plain arrays"),
        (npz(id=np.array(["u1", "u1", "u2"])), "id 'u1' stands there 2 times"),
        ({"id": NPZ["id"]}, "holds no features"),
        (
            npz(text=np.zeros((3, 2)), audio=None, visual=None, visual_lengths=None),
            "holds no features but zeros",
        ),
    ],
)
def test_bad_npz(tmp_path: Path, content: dict[str, Any], phrase: str) -> None:
    np.savez(tmp_path / "f.npz", **content)
    with pytest.raises(EmofuseError) as caught:
        import_features(tmp_path / "f.npz", "npz", tmp_path / "features")
    assert phrase in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"\x93NUMPY", b"text"])
def test_no_npz(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f.npz").write_bytes(content)
    with pytest.raises(EmofuseError, match=r"f\.npz: "):
        import_features(tmp_path / "f.npz", "npz", tmp_path / "features")


def test_archives_that_unfold_to_more_than_features_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain, "_UNPACKED_BYTES", 1 << 20)
    np.savez_compressed(tmp_path / "f.npz", **NPZ, more=np.zeros(1 << 20))
    with pytest.raises(EmofuseError, match=r"f\.npz: unfolds to more than 2 MiB"):
        import_features(tmp_path / "f.npz", "npz", tmp_path / "features")


@pytest.mark.parametrize(
    ("shape", "dtype", "phrase"),
    [
        ((1 << 60,), "<f8", "larger than memory|is no .npz file"),
        ((1 << 30,), "<U0", "texts of no length"),
        ((3,), "<U1000000000000", "larger than memory|is no .npz file"),
    ],
)
def test_headers_that_lie(tmp_path: Path, shape: tuple[int, ...], dtype: str, phrase: str) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_2_0(header, {"descr": dtype, "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(tmp_path / "f.npz", "w") as archive:
        archive.writestr("id.npy", header.getvalue())
    with pytest.raises(EmofuseError, match=phrase) as caught:
        import_features(tmp_path / "f.npz", "npz", tmp_path / "features")
    assert "\n" not in str(caught.value)


def test_one_array_is_no_npz(tmp_path: Path) -> None:
    np.save(tmp_path / "f.npy", np.zeros(3))
    with pytest.raises(EmofuseError, match="holds one array and no names"):
        import_features(tmp_path / "f.npy", "npz", tmp_path / "features")


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        ("name,text_0\na,1\n", "has no column 'id', only name, text_0"),
        ("id,text\na,1\n", "has no columns of numbers such as text_0"),
        ("id,text_0\na,one\n", "row 1: text_0 'one' is not a number"),
        ("id,text_0\na,1\nb\n", "row 2: has 1 cells"),
        ("id,text_0\na,1\na,2\n", "id 'a' stands there 2 times"),
    ],
)
def test_bad_tables(tmp_path: Path, content: str, phrase: str) -> None:
    (tmp_path / "f.csv").write_text(content)
    with pytest.raises(EmofuseError) as caught:
        import_features(tmp_path / "f.csv", "csv", tmp_path / "features")
    assert phrase in str(caught.value)
