"""Training that hears changed copies of its sounds, and nothing but its own."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emofuse.data.manifest import Manifest
from emofuse.data.media_writer import write_wav
from emofuse.errors import EmofuseError
from emofuse.features import FeatureStore
from emofuse.features.augmented import AugmentedFeatures
from emofuse.inference import familiarity
from emofuse.inference.familiarity import fit_run_familiarity
from emofuse.inference.predict_rows import RowPredictor
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.settings import RunSettings
from emofuse.training.fit import fit_run
from tests.small_corpus import tone_of
from tests.small_runs import text_corpus, text_settings


def features(value: float, ids: tuple[str, ...] = ("a", "b", "c")) -> dict[str, np.ndarray]:
    return {id: np.full(2, value, np.float32) for id in ids}


def test_each_epoch_sees_the_recording_or_one_of_its_copies() -> None:
    source = AugmentedFeatures(features(0), [features(1), features(2)], ["a", "b"], seed=3)
    seen: dict[str, list[float]] = {"a": [], "b": [], "c": []}
    for epoch in range(60):
        source.begin_epoch(epoch)
        for id in seen:
            seen[id].append(float(source[id][0]))
    assert set(seen["a"]) == set(seen["b"]) == {0.0, 1.0, 2.0}
    assert seen["a"] != seen["b"]
    assert set(seen["c"]) == {0.0}  # not of the training part
    again = AugmentedFeatures(features(0), [features(1), features(2)], ["a", "b"], seed=3)
    again.begin_epoch(41)
    assert float(again["a"][0]) == seen["a"][41]


def test_what_a_copy_lacks_is_seen_as_it_is() -> None:
    source = AugmentedFeatures(features(0), [features(1, ("a",))], ["a", "b"], seed=0)
    for epoch in range(20):
        source.begin_epoch(epoch)
        assert float(source["b"][0]) == 0.0


def sound_corpus(folder: Path) -> Manifest:
    """Nine speakers say three things each."""
    rng, rows = np.random.default_rng(0), []
    for speaker in range(9):
        for label in ("anger", "joy", "sadness"):
            id = f"s{speaker}-{label}"
            write_wav(folder / f"{id}.wav", tone_of(label, rng))
            rows.append({"id": id, "speaker": f"s{speaker}", "audio": f"{id}.wav", "label": label})
    Manifest.from_frame(pd.DataFrame(rows), folder).write(folder / "manifest.csv")
    return Manifest.read(folder / "manifest.csv").validate()


def sound_settings(manifest: Manifest, **changes: object) -> RunSettings:
    settings = text_settings(manifest, **changes)
    return settings.with_changes(
        {"data.protocol": "speaker", "encoders": {}, "data.augment.copies": 2, "optimiser.epochs": 2}
    )


def trained(manifest: Manifest, path: Path, **changes: object) -> RunFolder:
    return fit_run(sound_settings(manifest, **changes), manifest, path)


@pytest.mark.parametrize("normalise", ["none", "speaker"])
def test_copies_of_the_training_part_alone_are_encoded_and_learnt_from(
    tmp_path: Path, normalise: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = sound_corpus(tmp_path)
    by = {"data.normalise": {"audio": normalise}}
    folder = trained(manifest, tmp_path / "run", **by)
    store, split = FeatureStore(tmp_path / "features"), folder.read_split()
    held = {i.sampling.get("augment_copy", 0): store.reader(i) for i in store.identities()}
    assert set(held) == {0, 1, 2}
    assert set(held[0].ids) == set(manifest.ids)
    for copy in (1, 2):
        assert set(held[copy].ids) == set(split.train)
        assert not np.array_equal(held[copy][split.train[0]], held[0][split.train[0]])
    if normalise == "none":  # what was learnt from is familiar
        looked_at: list[np.ndarray] = []
        monkeypatch.setattr(familiarity, "fit_familiarity", lambda train, val: looked_at.append(train))
        fit_run_familiarity(folder, RowPredictor(folder, manifest), split)
        heard = np.concatenate([held[copy].matrix(split.train) for copy in (0, 1, 2)])
        np.testing.assert_array_equal(looked_at[-1], heard)
    again = trained(manifest, tmp_path / "again", **by)
    assert again.weights_file.read_bytes() == folder.weights_file.read_bytes()
    settings = sound_settings(manifest, **by).with_changes({"data.augment.copies": 0})
    plain = fit_run(settings, manifest, tmp_path / "plain")
    assert plain.weights_file.read_bytes() != folder.weights_file.read_bytes()


def test_without_an_encoder_of_sound_there_is_nothing_to_change(tmp_path: Path) -> None:
    manifest = text_corpus(tmp_path / "corpus")
    settings = text_settings(manifest).with_changes({"data.augment.copies": 1})
    with pytest.raises(EmofuseError, match=r"data\.augment: .* encoder of sound"):
        fit_run(settings, manifest, tmp_path / "run")
