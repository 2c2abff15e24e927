"""Feature files in the layouts of conv-emotion, MMGCN and MultiEMO."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emofuse.errors import EmofuseError
from emofuse.features import FeatureStore
from emofuse.features.importers import Imported, import_features
from tests.features.importers.files import dump, iemocap, meld


def bring(tmp_path: Path, content: Any, protocol: int = 4, **options: Any) -> tuple[Imported, FeatureStore]:
    path = dump(tmp_path / "f.pkl", content, protocol)
    store = tmp_path / "features"
    return import_features(path, "conv-emotion", store, **options), FeatureStore(store)


@pytest.mark.parametrize("protocol", [2, 4])
def test_iemocap(tmp_path: Path, protocol: int) -> None:
    content = iemocap()
    (manifest, identities, notes), store = bring(tmp_path, content, protocol)
    assert manifest.validate().ids == ["Ses01F_impro01_F000", "Ses01F_impro01_M000", "Ses05M_impro02_M000"]
    row = manifest.utterance("Ses01F_impro01_M000")
    assert (row.dialogue, row.turn, row.speaker, row.group) == ("Ses01F_impro01", 1, "Ses01M", "Session1")
    assert (row.text, row.label, row.split) == ("said in Ses01F_impro01_M000", "frustration", "train")
    assert manifest.frame["label"].tolist() == ["neutral", "frustration", "happiness"]
    assert manifest.frame["split"].tolist() == ["train", "train", "test"]
    for modality, field, dim in (("text", 3, 4), ("audio", 4, 3), ("video", 5, 2)):
        reader = store.reader(identities[modality])
        assert reader.dim == dim
        expected = np.concatenate([np.stack(content[field][vid]) for vid in content[field]])
        assert reader.matrix(manifest.ids) == pytest.approx(expected, rel=1e-6)
    taken = "classes are taken to be IEMOCAP's: happiness, sadness, neutral, anger, excited, frustration"
    assert taken in notes


def test_meld(tmp_path: Path) -> None:
    content = meld()
    (manifest, identities, _), store = bring(tmp_path, content)
    assert manifest.validate().ids == ["0_0", "0_1", "1039_0", "1153_0", "1153_1"]
    assert manifest.frame["label"].tolist() == ["neutral", "anger", "joy", "surprise", "fear"]
    assert manifest.frame["valence"].tolist() == [0, -1, 1, 1, -1]
    assert manifest.frame["speaker"].tolist() == ["speaker1", "speaker8", "speaker0", "speaker3", "speaker1"]
    assert manifest.frame["split"].tolist() == ["train"] * 3 + ["test"] * 2
    assert store.reader(identities["video"])["1153_1"] == pytest.approx(content[5][1153][1], rel=1e-6)


def test_meld_without_a_picture(tmp_path: Path) -> None:
    ids, speakers, labels, text, audio, _, sentences, train, test, moods = meld()
    content = (ids, speakers, labels, text, audio, sentences, sorted(train), test, moods)
    (manifest, identities, _), _ = bring(tmp_path, content)
    assert sorted(identities) == ["audio", "text"]
    assert manifest.utterance("1039_0").text == "line 0 of 1039"
    assert manifest.utterance("1039_0").valence == 1


def test_layers_of_roberta(tmp_path: Path) -> None:
    ids, speakers, labels, text, audio, video, *rest = meld()
    layers = [{vid: array + at for vid, array in text.items()} for at in range(4)]
    (_, identities, _), store = bring(tmp_path, (ids, speakers, labels, *layers, audio, video, *rest))
    assert store.reader(identities["text"])["0_1"] == pytest.approx(text[0][1] + 1.5, rel=1e-6)
    assert store.reader(identities["audio"])["0_1"] == pytest.approx(audio[0][1], rel=1e-6)
    assert store.reader(identities["video"])["0_1"] == pytest.approx(video[0][1], rel=1e-6)


def test_names_of_classes(tmp_path: Path) -> None:
    (manifest, _, notes), _ = bring(tmp_path, meld(), labels=list("abcdefg"))
    assert manifest.frame["label"].tolist() == ["a", "g", "e", "b", "c"]
    assert not any("classes are taken" in note for note in notes)
    content = [{f"film{vid}": value for vid, value in part.items()} for part in meld()[:7]]
    (manifest, _, _), _ = bring(tmp_path, (*content, ["film0"], ["film1153"]))
    assert manifest.frame["label"].tolist() == ["0", "6", "1", "2"]


def test_multiemo(tmp_path: Path) -> None:
    folder, content = tmp_path / "IEMOCAP", iemocap()
    dump(folder / "Speakers.pkl", content, 2)
    made = {}
    for name, dim in (("TextFeatures", 7), ("AudioFeatures", 6), ("VisualFeatures", 5)):
        made[dim] = {
            vid: np.random.default_rng(dim).normal(size=(len(ids), dim)) for vid, ids in content[0].items()
        }
        dump(folder / f"{name}.pkl", {vid: list(array) for vid, array in made[dim].items()})
    for path in (folder, folder / "Speakers.pkl"):
        manifest, identities, _ = import_features(path, "multiemo", tmp_path / "features")
        assert [identities[modality].dim for modality in ("text", "audio", "video")] == [7, 6, 5]
    reader = FeatureStore(tmp_path / "features").reader(identities["audio"])
    assert reader["Ses01F_impro01_M000"] == pytest.approx(made[6]["Ses01F_impro01"][1], rel=1e-6)
    assert len({identity.revision for identity in identities.values()}) == 3
    assert manifest.validate().utterance("Ses05M_impro02_M000").text == "said in Ses05M_impro02_M000"

    (folder / "VisualFeatures.pkl").unlink()
    assert sorted(import_features(folder, "multiemo", tmp_path / "f").identities) == ["audio", "text"]
    dump(folder / "AudioFeatures.pkl", [1])
    with pytest.raises(EmofuseError, match=r"AudioFeatures\.pkl: is no dict of dialogues"):
        import_features(folder, "multiemo", tmp_path / "f")
    (folder / "Speakers.pkl").unlink()
    with pytest.raises(EmofuseError, match=r"Speakers\.pkl: cannot be read"):
        import_features(folder, "multiemo", tmp_path / "f")


def changed(at: int, part: Any) -> tuple[Any, ...]:
    content = list(pickle.loads(pickle.dumps(iemocap())))
    content[at] = part
    return tuple(content)


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        ({}, "is no tuple of dialogues"),
        (iemocap()[:6], "is no tuple of dialogues"),
        (changed(4, {}), "videoAudio: has no dialogue 'Ses01F_impro01', which a part names"),
        (changed(1, {"Ses01F_impro01": ["F"]}), "dialogue 'Ses01F_impro01' has 1 entry for 2 utterances"),
        (
            changed(2, {"Ses01F_impro01": [2, 9], "Ses05M_impro02": [1]}),
            "class 9 has no name among the 6 labels",
        ),
        (changed(2, {"Ses01F_impro01": [2, 0.5], "Ses05M_impro02": [1]}), "0.5 is no number of a class"),
        (changed(8, ["Ses05M_impro09"]), "has no dialogue 'Ses05M_impro09'"),
        (changed(8, ["Ses01F_impro01"]), "dialogue 'Ses01F_impro01' is 2 times in the parts"),
        (
            changed(5, {"Ses01F_impro01": [[1.0], [1.0, 2.0]], "Ses05M_impro02": [[1.0]]}),
            "videoVisual of dialogue Ses01F_impro01: holds rows of unlike lengths",
        ),
        (
            changed(5, {"Ses01F_impro01": [1.0, 2.0], "Ses05M_impro02": [1.0]}),
            "videoVisual of dialogue Ses01F_impro01: has the shape (2,)",
        ),
        (changed(3, {"Ses01F_impro01": 5}), "is not laid out as conv-emotion files are"),
    ],
)
def test_other_layouts(tmp_path: Path, content: Any, phrase: str) -> None:
    with pytest.raises(EmofuseError) as caught:
        bring(tmp_path, content)
    assert phrase in str(caught.value)
    assert str(tmp_path / "f.pkl") in str(caught.value)
    assert "\n" not in str(caught.value)
