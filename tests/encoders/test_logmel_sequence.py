import numpy as np
import pytest

from emofuse.encoders import EncoderSpec, create_encoder
from emofuse.encoders.spectra import mel_edges
from emofuse.errors import EmofuseError


def encoder(**options):
    return create_encoder(EncoderSpec(modality="audio", name="logmel-sequence", **options))


def tone(hertz: float, seconds: float, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * 16000)) / 16000)).astype(np.float32)


@pytest.mark.parametrize(
    ("rate", "seconds", "steps"), [(12.5, 4.0, 50), (12.5, 0.5, 6), (50, 1.0, 49), (1, 2.5, 3)]
)
def test_steps_follow_the_clock(rate, seconds, steps):
    found = encoder(rate=rate).encode([tone(300, seconds)])[0]
    assert found.shape == (steps, 80)
    assert found.dtype == np.float32


def test_a_tone_is_in_its_band_at_its_level_and_at_its_time():
    edges = mel_edges(80)
    sound = np.concatenate([tone(440, 1.6), tone(2000, 1.6, level=0.05)])
    found = encoder().encode([sound])[0]
    for step, hertz in ((5, 440), (30, 2000)):
        band = int(found[step].argmax())
        assert edges[band] < hertz < edges[band + 2]
    # Of a tone of amplitude a, a²/2 is the power; a band's filter may let a part of it through.
    assert found[5].max() == pytest.approx(10 * np.log10(0.125), abs=4.0)
    assert found[5].max() - found[30].max() == pytest.approx(20.0, abs=3.0)


def test_every_band_hears_something():
    noise = np.random.default_rng(0).normal(0, 0.1, 32000).astype(np.float32)
    for bands in (40, 80, 128):
        found = encoder(dim=bands).encode([noise])[0]
        assert found.shape[1] == bands
        assert (found.max(axis=0) - found.max() > -40).all()


def test_each_step_is_the_mean_power_of_its_spectra():
    rng = np.random.default_rng(1)
    sound = (rng.normal(size=16000) * np.linspace(0, 0.5, 16000)).astype(np.float32)
    fine, coarse = encoder(rate=100).encode([sound])[0], encoder(rate=12.5).encode([sound])[0]
    power = 10 ** (fine.astype(np.float64) / 10)
    for step in range(len(coarse)):
        expected = 10 * np.log10(power[8 * step : 8 * step + 8].mean(axis=0))
        np.testing.assert_allclose(coarse[step], expected, atol=0.01)


@pytest.mark.parametrize("samples", [0, 1, 100, 400, 1279])
def test_a_short_sound_is_one_step_and_silence_is_finite(samples):
    found = encoder().encode([np.zeros(samples, np.float32)])[0]
    assert found.shape == (1, 80)
    np.testing.assert_allclose(found, -100.0)


def test_neighbours_and_an_offset_change_nothing():
    items = [tone(200, 1.0), tone(500, 3.3)]
    some = encoder()
    for together, item in zip(some.encode(items), items, strict=True):
        np.testing.assert_array_equal(together, some.encode([item])[0])
        np.testing.assert_allclose(some.encode([item + 0.1])[0], together, atol=0.5)


def test_the_mean_is_a_vector():
    sound = tone(300, 2.0)
    vector = encoder(pooling="mean")
    assert vector.encode([sound]).shape == (1, 80)
    np.testing.assert_allclose(
        vector.encode([sound])[0], encoder().encode([sound])[0].mean(axis=0), rtol=1e-5
    )
    assert vector.identity.digest != encoder().identity.digest


@pytest.mark.parametrize("sound", [np.array([0.1, np.nan] * 500), np.full(1000, np.inf), np.zeros((2, 1000))])
def test_what_is_no_sound_is_refused(sound):
    with pytest.raises(EmofuseError):
        encoder().encode([sound.astype(np.float32)])


def test_an_hour_takes_no_more_room_than_its_steps(monkeypatch):
    sound = np.tile(tone(300, 1.0), 5)
    whole = encoder().encode([sound])[0]
    for module in ("spectra", "logmel_sequence"):
        monkeypatch.setattr(f"emofuse.encoders.{module}.BLOCK_FRAMES", 13)
    np.testing.assert_allclose(encoder().encode([sound])[0], whole, atol=1e-3)
