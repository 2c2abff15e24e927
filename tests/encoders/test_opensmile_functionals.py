import pickle
import sys

import numpy as np
import pandas as pd
import pytest

from emofuse.data.audio import read_audio
from emofuse.data.manifest import Manifest
from emofuse.data.media_writer import write_wav
from emofuse.data.quarantine import Quarantine
from emofuse.encoders import EncoderSpec, create_encoder
from emofuse.errors import EmofuseError
from emofuse.features import ExtractionReport, FeatureStore, UnusableInputError, extract_features

SPEC = EncoderSpec(modality="audio", name="opensmile-compare2016")


def test_without_the_extra_the_error_says_what_the_licence_allows(monkeypatch):
    monkeypatch.setitem(sys.modules, "opensmile", None)
    with pytest.raises(EmofuseError, match=r"audEERING licenses for research.*emofuse\[opensmile\]"):
        create_encoder(SPEC)


@pytest.fixture(scope="module")
def encoder():
    pytest.importorskip("opensmile", reason="the extra opensmile is not installed")
    return create_encoder(SPEC)


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, round(seconds * 16000)).astype(np.float32)


def test_features_are_those_of_the_library(encoder, shared_media):
    import opensmile

    sound = read_audio(shared_media / "interview.mp4")
    smile = opensmile.Smile(opensmile.FeatureSet.ComParE_2016, opensmile.FeatureLevel.Functionals)
    expected = smile.process_signal(sound, 16000)
    np.testing.assert_array_equal(encoder.encode([sound])[0], expected.to_numpy()[0])
    assert encoder.feature_names == tuple(expected.columns)


def test_one_utterance_says_nothing_of_another(encoder):
    items = [noise(0.5), noise(1.0)]
    np.testing.assert_array_equal(encoder.encode(items), encoder.encode(items[::-1])[::-1])


def test_full_scale_does_not_wrap_round(encoder):
    loud = np.sign(noise(0.5))
    np.testing.assert_array_equal(encoder.encode([loud]), encoder.encode([5 * loud]))
    quieter = encoder.encode([0.999 * loud])
    np.testing.assert_allclose(encoder.encode([loud])[0, :20], quieter[0, :20], rtol=0.02)


@pytest.mark.parametrize("samples", [960, 1600, 16000])
def test_silence_is_finite(encoder, samples):
    assert np.isfinite(encoder.encode([np.zeros(samples, np.float32)])).all()


@pytest.mark.parametrize(
    ("sound", "reason"),
    [
        (np.zeros(0), "too-short"),
        (np.zeros(900), "too-short"),
        (np.full(9000, np.nan), "not-finite"),
        (np.zeros((2, 9000)), "not-finite"),
    ],
)
def test_what_openSMILE_cannot_use_is_refused(encoder, sound, reason):  # noqa: N802 - its name
    with pytest.raises(UnusableInputError) as caught:
        encoder.encode([sound.astype(np.float32)])
    assert caught.value.reason == reason


def test_a_store_is_filled_and_what_is_too_short_is_counted(encoder, tmp_path):
    for name, seconds in (("a", 0.5), ("b", 1.0), ("short", 0.03)):
        write_wav(tmp_path / f"{name}.wav", noise(seconds))
    manifest = Manifest.from_frame(
        pd.DataFrame([{"id": name, "audio": f"{name}.wav"} for name in ("a", "b", "short")]), tmp_path
    )
    store, quarantine = FeatureStore(tmp_path / "features"), Quarantine(tmp_path / "quarantine.csv")
    report = extract_features(manifest, encoder, store, quarantine=quarantine)
    assert report == ExtractionReport(done=2, quarantined=1)
    assert report.reasons == {"too-short": 1}
    sound = read_audio(tmp_path / "b.wav")
    np.testing.assert_array_equal(store.reader(encoder.identity)["b"], encoder.encode([sound])[0])


def test_another_process_makes_its_own(encoder):
    other = pickle.loads(pickle.dumps(encoder))
    assert other.identity == encoder.identity
    np.testing.assert_array_equal(other.encode([noise(0.3)]), encoder.encode([noise(0.3)]))


def test_egemaps_are_those_of_the_library(shared_media):
    opensmile = pytest.importorskip("opensmile", reason="the extra opensmile is not installed")
    made = create_encoder(EncoderSpec(modality="audio", name="opensmile-egemaps"))
    sound = read_audio(shared_media / "interview.mp4")
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    np.testing.assert_array_equal(
        made.encode([sound])[0], smile.process_signal(sound, 16000).to_numpy()[0].astype(np.float32)
    )
    assert made.identity.dim == 88
    assert pickle.loads(pickle.dumps(made)).identity == made.identity
