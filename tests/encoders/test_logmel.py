import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emofuse.data.audio import read_audio
from emofuse.encoders.logmel import LogMelFunctionals
from emofuse.errors import EmofuseError

ENCODER = LogMelFunctionals()


def voice(
    f0: np.ndarray | float = 150.0, seconds: float = 1.0, level: float = 0.2, partials: int = 12
) -> np.ndarray:
    """A buzz with harmonics that follows a course of F0."""
    frequency = np.broadcast_to(f0, int(seconds * 16000))
    phase = 2 * np.pi * np.cumsum(frequency) / 16000
    return (level * sum(np.sin(k * phase) / k for k in range(1, partials))).astype(np.float32)


def described(samples: np.ndarray) -> dict[str, float]:
    return dict(zip(ENCODER.feature_names, ENCODER.encode([samples])[0].tolist(), strict=True))


def test_names_are_unique_and_as_many_as_features():
    assert len(set(ENCODER.feature_names)) == ENCODER.dim == ENCODER.identity.dim
    assert 200 <= ENCODER.dim <= 300
    assert ENCODER.encode([voice()]).shape == (1, ENCODER.dim)
    assert ENCODER.encode([]).shape == (0, ENCODER.dim)
    assert ENCODER.encode([voice()]).dtype == np.float32


NOISE = 0.3 * np.random.default_rng(0).normal(size=16000)
HARD = {
    "nothing": np.zeros(0),
    "one-sample": np.ones(1),
    "hundred-samples": NOISE[:100],
    "just-short-of-a-frame": NOISE[:399],
    "digital-silence": np.zeros(16000),
    "constant": np.ones(16000),
    "click": np.eye(1, 16000)[0],
    "square": np.sign(NOISE),
    "clipped": np.clip(20 * voice(), -1, 1),
    "offset": voice() + 0.7,
    "beyond-full-scale": 50 * NOISE,
    "denormal": np.full(16000, 1e-40) * np.sign(NOISE),
    "long-silence-then-click": np.concatenate([np.zeros(48000), [1.0]]),
}


@pytest.mark.parametrize("samples", HARD.values(), ids=HARD)
def test_every_sound_gives_finite_numbers_of_sane_size(samples):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        features = ENCODER.encode([samples.astype(np.float32)])
    assert np.isfinite(features).all()
    assert np.abs(features).max() < 3000


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 5000), st.integers(0, 2**31), st.sampled_from([1e-8, 1e-3, 0.1, 1.0]), st.integers(1, 400)
)
def test_random_sounds_are_finite(samples, seed, level, smooth):
    sound = np.random.default_rng(seed).normal(size=samples + smooth)
    sound = level * np.convolve(sound, np.ones(smooth) / smooth, mode="valid")[:samples]
    assert np.isfinite(ENCODER.encode([sound.astype(np.float32)])).all()


@pytest.mark.parametrize(
    ("samples", "message"),
    [(np.array([0.1, np.nan]), "NaN"), (np.array([np.inf]), "NaN"), (np.zeros((2, 8)), "one channel")],
)
def test_what_is_no_sound_is_refused(samples, message):
    with pytest.raises(EmofuseError, match=message):
        ENCODER.encode([samples])


def test_neighbours_and_order_change_nothing():
    sounds = [voice(), NOISE.astype(np.float32), voice(220, 0.3), np.zeros(10, np.float32)]
    together = ENCODER.encode(sounds)
    alone = np.concatenate([ENCODER.encode([sound]) for sound in sounds])
    np.testing.assert_array_equal(together, alone)


def test_the_input_is_left_as_it_was():
    sound = voice() + 0.5
    before = sound.copy()
    sound.flags.writeable = False
    ENCODER.encode([sound])
    np.testing.assert_array_equal(sound, before)


def test_a_constant_offset_changes_next_to_nothing():
    np.testing.assert_allclose(*(ENCODER.encode([voice() + offset])[0] for offset in (0.0, 0.3)), atol=0.3)


def test_pitch_is_absolute_and_relative_to_the_speaker():
    """The same melody an octave higher: the absolute pitch moves by 12 semitones, its shape not at all."""
    melody = 110 * 2 ** (0.3 * np.sin(2 * np.pi * np.arange(24000) / 24000))
    low, high = described(voice(melody, 1.5)), described(voice(2 * melody, 1.5))
    assert high["pitch_mean"] - low["pitch_mean"] == pytest.approx(12.0, abs=0.1)
    assert high["pitch_hz_mean"] == pytest.approx(2 * low["pitch_hz_mean"], rel=0.01)
    shapes = [
        name for name in low if name.startswith(("pitch_relative", "pitch_dct", "pitch_rise", "pitch_mod"))
    ]
    assert len(shapes) >= 15
    for name in shapes:
        assert high[name] == pytest.approx(low[name], abs=0.15), name
    assert low["pitch_range"] == pytest.approx(2 * 12 * 0.3 * np.sin(0.4 * np.pi), rel=0.05)


def test_rising_and_falling_voices_differ_in_the_contour():
    rise = described(voice(np.linspace(120, 240, 16000)))
    fall = described(voice(np.linspace(240, 120, 16000)))
    assert rise["pitch_slope"] == pytest.approx(12.0, rel=0.1)
    assert fall["pitch_slope"] == pytest.approx(-12.0, rel=0.1)
    assert rise["pitch_dct1"] < -3 < 3 < fall["pitch_dct1"]
    assert rise["pitch_mean"] == pytest.approx(fall["pitch_mean"], abs=0.2)


def test_trembling_is_heard_at_its_rate():
    time = np.arange(32000) / 16000
    still = described(voice(180, 2.0))
    tremor = described(voice(180 * 2 ** (np.sin(2 * np.pi * 6.5 * time) / 12), 2.0))
    assert tremor["pitch_modulation_5_8hz"] == pytest.approx(1 / np.sqrt(2), rel=0.25)
    assert still["pitch_modulation_5_8hz"] < 0.02
    assert tremor["jitter"] > 10 * still["jitter"]


def test_level_moves_energy_and_leaves_the_spectrum_alone():
    loud, soft = described(voice(level=0.4)), described(voice(level=0.1))
    assert loud["energy_mean"] - soft["energy_mean"] == pytest.approx(12.04, abs=0.1)
    names = [
        name
        for name in loud
        if name.startswith("mel") or name in ("centroid_mean", "pitch_mean", "alpha_ratio_mean")
    ]
    assert len(names) == 83
    for name in names:
        assert loud[name] == pytest.approx(soft[name], abs=0.05), name


def test_tempo_is_counted():
    burst, gap = voice(seconds=0.15), np.zeros(1600, np.float32)
    quick = described(np.concatenate([burst, gap] * 8))
    slow = described(np.concatenate([burst, gap, gap, gap, gap] * 8))
    assert quick["rhythm_voiced_segments_per_second"] == pytest.approx(8 / 1.9, rel=0.1)
    assert slow["rhythm_voiced_segments_per_second"] == pytest.approx(8 / 4.0, rel=0.1)
    assert slow["rhythm_pause_share"] > quick["rhythm_pause_share"] + 0.2


def test_dark_and_bright_voices_differ_in_tilt():
    assert described(voice(partials=4))["tilt_mean"] < described(voice(partials=40))["tilt_mean"] - 2


def test_real_voices_have_the_pitch_of_voices(shared_media):
    for name, low, high in (("talking_head_1.mp4", 120, 200), ("talking_head_2.mp4", 180, 260)):
        found = described(read_audio(shared_media / name))
        assert low < found["pitch_hz_mean"] < high
        assert 0.3 < found["rhythm_voiced_share"] < 0.8
        assert 2 < found["rhythm_energy_peaks_per_second"] < 8  # syllables
        assert found["jitter"] < 0.03
