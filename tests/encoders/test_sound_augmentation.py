import numpy as np
import pytest
from pydantic import ValidationError

from emofuse.encoders import EncoderSpec, create_encoder
from emofuse.encoders.augment_settings import AugmentSettings
from emofuse.encoders.sound_augmentation import (
    RATE,
    AugmentedEncoder,
    augmented,
    in_a_room,
    shifted,
    stretched,
    telephone_band,
    with_noise,
)
from emofuse.errors import EmofuseError

TIME = np.arange(2 * RATE) / RATE


def tone(hz: float) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hz * TIME)).astype(np.float32)


def strongest_hz(sound: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(spectrum.argmax() * RATE / len(sound))


def level_db(sound: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(sound[RATE // 2 :].astype(np.float64) ** 2)))


@pytest.mark.parametrize(("hz", "lost"), [(100.0, True), (1000.0, False), (6000.0, True)])
def test_a_telephone_takes_the_low_and_the_high(hz: float, lost: bool) -> None:
    fall = level_db(tone(hz)) - level_db(telephone_band(tone(hz)))
    assert fall > 25 if lost else abs(fall) < 0.5


@pytest.mark.parametrize("snr", [0.0, 20.0])
def test_noise_has_the_ratio_that_was_asked_for(snr: float) -> None:
    sound = tone(440)
    noise = with_noise(sound, snr, np.random.default_rng(0)) - sound
    measured = 10 * np.log10(np.mean(sound**2) / np.mean(noise**2))
    assert measured == pytest.approx(snr, abs=0.05)
    power = np.abs(np.fft.rfft(noise)) ** 2  # pink: as much power in every octave
    assert power[2000:4000].sum() == pytest.approx(power[8000:16_000].sum(), rel=0.2)


def test_noise_leaves_silence_silent() -> None:
    np.testing.assert_array_equal(with_noise(np.zeros(800, np.float32), 10, np.random.default_rng(0)), 0)


@pytest.mark.parametrize("seconds", [0.3, 0.6])
def test_an_echo_falls_by_60_db_in_the_time_that_was_asked_for(seconds: float) -> None:
    click = np.zeros(RATE, np.float32)
    click[0] = 0.5
    heard = in_a_room(click, seconds, np.random.default_rng(0)).astype(np.float64)
    assert np.sum(heard**2) == pytest.approx(0.25, rel=1e-3)
    ratio = 10 * np.log10(heard[0] ** 2 / np.sum(heard[1:] ** 2))
    assert 0 <= ratio <= 12
    early, late = (np.mean(heard[round(at * RATE) :][:400] ** 2) for at in (0.02, 0.02 + seconds / 2))
    assert 10 * np.log10(early / late) == pytest.approx(30, abs=3)
    quiet = in_a_room(np.zeros(800, np.float32), seconds, np.random.default_rng(0))
    np.testing.assert_array_equal(quiet, 0)


@pytest.mark.parametrize("speed", [0.8, 1.25])
def test_tempo_changes_the_length_and_keeps_the_pitch(speed: float) -> None:
    found = stretched(tone(440), speed)
    assert len(found) == pytest.approx(2 * RATE / speed, rel=0.03)
    assert strongest_hz(found) == pytest.approx(440, rel=0.01)


@pytest.mark.parametrize("semitones", [-3.0, 4.0])
def test_pitch_is_shifted_and_the_length_kept(semitones: float) -> None:
    found = shifted(tone(440), semitones)
    assert strongest_hz(found) == pytest.approx(440 * 2 ** (semitones / 12), rel=0.01)
    assert len(found) == pytest.approx(2 * RATE, rel=0.03)


def test_copies_differ_from_each_other_and_repeat_themselves() -> None:
    settings = AugmentSettings(copies=2, kinds=("telephone", "noise", "gain", "pitch", "tempo"))
    first = augmented(tone(300), settings, 1)
    np.testing.assert_array_equal(first, augmented(tone(300), settings, 1))
    others = (
        augmented(tone(300), settings, 2),
        augmented(tone(300), settings.model_copy(update={"seed": 1}), 1),
    )
    for other in others:
        assert other.shape != first.shape or not np.array_equal(other, first)
    assert np.abs(first).max() <= 1
    assert first.dtype == np.float32


def test_a_copy_is_filed_under_an_identity_of_its_own_and_encoded_as_it_sounds() -> None:
    plain = create_encoder(EncoderSpec(modality="audio", name="logmel-functionals"))
    settings = AugmentSettings(copies=2, kinds=("telephone",))
    one, two = (AugmentedEncoder(plain, settings, copy) for copy in (1, 2))
    louder = AugmentedEncoder(plain, AugmentSettings(copies=2, kinds=("gain",)), 1)
    assert len({e.identity.digest for e in (plain, one, two, louder)}) == 4
    sounds = [tone(440), tone(100)]
    np.testing.assert_array_equal(
        one.encode(sounds), plain.encode([telephone_band(sound) for sound in sounds])
    )
    more = AugmentedEncoder(plain, AugmentSettings(copies=5, kinds=("telephone",)), 1)
    assert more.identity == one.identity  # the number of copies changes none of them


def test_it_is_of_sound_alone() -> None:
    text = create_encoder(EncoderSpec(modality="text", name="hashed-ngrams"))
    with pytest.raises(EmofuseError, match="of sound"):
        AugmentedEncoder(text, AugmentSettings(copies=1), 1)


@pytest.mark.parametrize(
    "wrong", [{"kinds": ()}, {"kinds": ("gain", "gain")}, {"snr_db": (20, 10)}, {"copies": -1}]
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AugmentSettings(**wrong)
