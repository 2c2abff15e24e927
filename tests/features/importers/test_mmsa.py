"""Feature files in the layout of MMSA."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emofuse.errors import EmofuseError
from emofuse.features import FeatureStore
from emofuse.features.importers import Imported, import_features
from tests.features.importers.files import dump, mmsa_part, padded, unaligned


def bring(tmp_path: Path, content: Any, **options: Any) -> tuple[Imported, FeatureStore]:
    path = dump(tmp_path / "file.pkl", content)
    store = tmp_path / "out" / "features"
    return import_features(path, "mmsa", store, **options), FeatureStore(store)


def test_rows(tmp_path: Path) -> None:
    manifest = bring(tmp_path, unaligned())[0].manifest.validate(labels=["negative", "neutral", "positive"])
    assert manifest.ids == ["v1$_$2", "v1$_$10", "v2$_$0", "v3$_$1"]
    row = manifest.utterance("v1$_$10")
    assert (row.dialogue, row.turn, row.group, row.split) == ("v1", 10, "v1", "train")
    assert (row.text, row.label, row.valence) == ("text of v1$_$10", "negative", pytest.approx(-0.8))
    assert manifest.frame["split"].tolist() == ["train"] * 3 + ["val"]
    assert manifest.frame["features"].tolist() == ["text audio video"] * 3 + ["text audio"]


def test_sequences_without_padding(tmp_path: Path) -> None:
    content = unaligned()
    (_, identities, _), store = bring(tmp_path, content, pooling="tokens")
    text, audio, video = (store.reader(identities[modality]) for modality in ("text", "audio", "video"))
    assert np.array_equal(text["v1$_$10"], content["train"]["text"][1, :3])
    assert np.array_equal(text["v3$_$1"], content["valid"]["text"][0])
    assert np.array_equal(audio["v1$_$10"], content["train"]["audio"][1, :2])
    assert np.array_equal(audio["v3$_$1"], content["valid"]["audio"][0, 5:])  # padded in front
    assert np.array_equal(video["v2$_$0"], content["train"]["vision"][2, :1])
    assert set(video) == {"v1$_$2", "v1$_$10", "v2$_$0"}  # of the last, the extractor saw nothing
    assert (identities["video"].dim, identities["video"].pooling) == (2, "tokens")


def test_means_over_real_steps(tmp_path: Path) -> None:
    content = unaligned()
    (_, identities, notes), store = bring(tmp_path, content)
    audio = store.reader(identities["audio"])
    expected = np.where(np.isfinite(content["train"]["audio"][0, :7]), content["train"]["audio"][0, :7], 0)
    assert audio["v1$_$2"] == pytest.approx(expected.astype(np.float64).mean(axis=0), rel=1e-6)
    text = store.reader(identities["text"])
    for number, length in enumerate([4, 3, 4]):
        mean = content["train"]["text"][number, :length].astype(np.float64).mean(axis=0)
        assert text[["v1$_$2", "v1$_$10", "v2$_$0"][number]] == pytest.approx(mean, rel=1e-6)
    assert "audio: numbers that are not finite became 0 in 1 utterance" in notes
    assert "video: 1 utterance with nothing but zeros, counted as missing" in notes
    assert "audio: 4 of 4 utterances, 2 to 9 steps" in notes


@pytest.mark.parametrize("with_mask", [False, True])
def test_aligned_sequences_stay_aligned(tmp_path: Path, with_mask: bool) -> None:
    part = mmsa_part(
        ["a$_$1", "a$_$2"],
        [1.0, -1.0],
        text=padded([5, 4], 8, 3),
        audio=padded([3, 4], 8, 2),
        vision=padded([2, 0], 8, 4),
    )
    part["audio"][0, 0] = 0  # nothing is heard with the first word, the mark of the beginning
    if with_mask:
        mask = np.array([[1] * 6 + [0] * 2, [1] * 4 + [0] * 4])
        part["text_bert"] = np.stack([mask, mask, mask], axis=1)
    (_, identities, _), store = bring(tmp_path, {"train": part}, pooling="tokens")
    first = [len(store.reader(identity)["a$_$1"]) for identity in identities.values()]
    assert first == [6 if with_mask else 5] * 3
    assert np.array_equal(store.reader(identities["audio"])["a$_$1"], part["audio"][0, : first[0]])
    assert len(store.reader(identities["audio"])["a$_$2"]) == 4
    assert "a$_$2" not in store.reader(identities["video"])


def test_vectors(tmp_path: Path) -> None:
    part = mmsa_part(
        ["a$_$1", "b$_$1"], [1.0, -1.0], text=padded([1, 1], 1, 3), vision=padded([1, 0], 1, 2)[:, 0]
    )
    (manifest, identities, _), store = bring(tmp_path, {"test": part})
    assert store.reader(identities["text"]).matrix(["b$_$1", "a$_$1"]) == pytest.approx(part["text"][::-1, 0])
    assert list(store.reader(identities["video"])) == ["a$_$1"]
    assert manifest.validate().frame["features"].tolist() == ["text video", "text"]


def test_sentiments_of_each_modality_and_names_of_classes(tmp_path: Path) -> None:
    alone = {f"regression_labels_{m}": np.array([0.2, -0.4]) for m in "TAV"}
    part = mmsa_part(
        ["video_0001$_$0001", "video_0001$_$0002"], [0.2, -0.4], text=padded([2, 2], 2, 3), **alone
    )
    (manifest, _, _), _ = bring(tmp_path, {"train": part}, labels=["bad", "so so", "good"])
    assert manifest.frame["label"].tolist() == ["good", "bad"]
    assert manifest.frame["valence_audio"].tolist() == ["0.2", "-0.4"]
    assert manifest.frame["turn"].tolist() == [1, 2]


def test_files_of_the_multimodal_transformer(tmp_path: Path) -> None:
    part = {
        "id": np.array([["vid", "1.5", "3.25"], ["vid", "3.25", "4.0"]]),
        "labels": np.array([[[1.2]], [[-2.0]]]),
        "text": padded([2, 4], 5, 3, front=True),
        "audio": padded([2, 4], 5, 2, front=True),
        "vision": padded([2, 4], 5, 2, front=True),
    }
    (manifest, identities, _), store = bring(tmp_path, {"train": part}, pooling="tokens")
    assert manifest.validate().ids == ["vid_1.5_3.25", "vid_3.25_4.0"]
    assert manifest.frame["label"].tolist() == ["positive", "negative"]
    assert manifest.frame["text"].isna().all()
    assert np.array_equal(store.reader(identities["text"])["vid_1.5_3.25"], part["text"][0, 3:])


def test_importing_again_changes_nothing_and_another_file_is_another_identity(tmp_path: Path) -> None:
    (first, store), content = bring(tmp_path, unaligned()), unaligned()
    files = sorted(store.root.rglob("*.arrow"))
    again, _ = bring(tmp_path, content | {"note": 1})
    digests = [{each.digest for each in one.identities.values()} for one in (first, again)]
    assert len(digests[0] | digests[1]) == 6
    assert len(list(store.root.rglob("*.arrow"))) == 2 * len(files)
    same = import_features(tmp_path / "file.pkl", "mmsa", store.root)
    assert same.identities == again.identities
    assert len(list(store.root.rglob("*.arrow"))) == 2 * len(files)
    renamed = (tmp_path / "file.pkl").rename(tmp_path / "other name.pkl")
    assert import_features(renamed, "mmsa", store.root).identities == again.identities


def test_clips_that_stand_there_twice(tmp_path: Path) -> None:
    part = mmsa_part(["a$_$1"], [1.0], text=padded([2], 2, 3))
    (manifest, _, notes), _ = bring(tmp_path, {"train": part, "test": part})
    assert manifest.frame["split"].tolist() == ["train"]
    assert "1 clip found for a second time and ignored" in notes


def broken(**changes: Any) -> dict[str, Any]:
    part = mmsa_part(["a$_$1", "a$_$2"], [1.0, -1.0], text=padded([2, 2], 2, 3))
    return {"train": {name: value for name, value in (part | changes).items() if value is not None}}


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        ([1, 2], "has no parts train, valid or test"),
        ({"a": {}}, "has no parts train, valid or test"),
        (broken(id=None), "train has no ids"),
        (broken(raw_text=["one"]), "train.raw_text: has 1 row for 2 ids"),
        (broken(text=np.zeros((3, 2, 3))), "train.text: has 3 rows for 2 ids"),
        (broken(text=np.zeros((2, 2, 3, 4))), "train.text: has the shape (2, 2, 3, 4)"),
        (broken(text=np.array(["a", "b"])), "train.text: holds texts and no numbers"),
        (broken(text=[[1.0, 2.0], [[1.0], [2.0, 3.0]]]), "train.text: holds rows of unlike lengths"),
        (
            broken(text=[np.ones((2, 3)), np.ones((2, 4))]),
            "text has not one size for all utterances, but 3, 4",
        ),
        (broken(text=None), "holds no features"),
        (broken(regression_labels=np.zeros((2, 4))), "labels of the shape (2, 4) are no sentiment"),
        (broken(regression_labels=["x", "y"]), "regression_labels: holds texts and no numbers"),
        (broken(id=5), "is not laid out as mmsa files are (TypeError"),
        (broken(audio=np.zeros((2, 2, 3)), audio_lengths=["x", None]), "is not laid out as mmsa files are"),
    ],
)
def test_other_layouts(tmp_path: Path, content: Any, phrase: str) -> None:
    with pytest.raises(EmofuseError) as caught:
        bring(tmp_path, content)
    assert phrase in str(caught.value)
    assert str(tmp_path / "file.pkl") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_class_without_a_name(tmp_path: Path) -> None:
    with pytest.raises(EmofuseError, match="class 2 has no name among the 2 labels given"):
        bring(tmp_path, unaligned(), labels=["negative", "neutral"])


def test_the_real_file(shared_mosi: Path, tmp_path: Path) -> None:
    manifest, identities, _ = import_features(shared_mosi, "mmsa", tmp_path / "features")
    manifest.validate()
    assert manifest.frame["split"].value_counts().to_dict() == {"train": 1257, "val": 190}
    assert {modality: identity.dim for modality, identity in identities.items()} == {
        "text": 100,
        "audio": 73,
        "video": 100,
    }
    frame = manifest.frame
    signs = frame["label"].map({"negative": -1, "neutral": 0, "positive": 1})
    assert (np.sign(frame["valence"]) == signs).all()
    assert frame["valence"].between(-3, 3).all()
    for identity in identities.values():
        reader = FeatureStore(tmp_path / "features").reader(identity)
        assert len(reader) == 1447
        assert np.isfinite(reader.matrix(manifest.ids)).all()
