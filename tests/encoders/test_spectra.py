import numpy as np
import pytest
from transformers.audio_utils import mel_filter_bank

from emofuse.encoders import spectra
from emofuse.encoders.spectra import SpectralAnalysis, frame_count, mel_filterbank


def sine(hertz: float, seconds: float = 1.0, amplitude: float = 0.5) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(int(seconds * 16000)) / 16000)).astype(
        np.float32
    )


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).normal(size=samples)).astype(np.float32)


def slow_filterbank(bands: int, fft: int, rate: int, low: float, high: float) -> np.ndarray:
    def mel(f):
        return 2595.0 * np.log10(1.0 + f / 700.0)

    def hertz(m):
        return 700.0 * (10.0 ** (m / 2595.0) - 1.0)

    weights = np.zeros((bands, fft // 2 + 1))
    for band in range(bands):
        left, centre, right = (
            hertz(mel(low) + (mel(high) - mel(low)) * (band + side) / (bands + 1)) for side in (0, 1, 2)
        )
        for k in range(fft // 2 + 1):
            f = k * rate / fft
            if left < f <= centre:
                weights[band, k] = (f - left) / (centre - left)
            elif centre < f < right:
                weights[band, k] = (right - f) / (right - centre)
    return weights


def slow_log_mel(samples: np.ndarray) -> np.ndarray:
    """Frame by frame with a literal Fourier sum, in float64."""
    x = np.asarray(samples, dtype=np.float64)
    n = np.arange(400)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / 400)
    k = np.arange(257)[:, None]
    fourier = np.exp(-2j * np.pi * k * n / 512)
    bank = slow_filterbank(40, 512, 16000, 60.0, 7600.0)
    rows = []
    for frame in range(1 + (len(x) - 400) // 160):
        power = np.abs(fourier @ (window * x[frame * 160 : frame * 160 + 400])) ** 2
        rows.append(10 * np.log10(np.maximum(bank @ power * 2 / (512 * (window**2).sum()), 1e-10)))
    return np.array(rows)


@pytest.mark.parametrize(
    ("bands", "fft", "rate", "low", "high"), [(40, 512, 16000, 60.0, 7600.0), (13, 256, 8000, 0.0, 4000.0)]
)
def test_filterbank_is_the_formula(bands, fft, rate, low, high):
    ours = mel_filterbank(bands, fft, rate, low, high)
    np.testing.assert_allclose(ours, slow_filterbank(bands, fft, rate, low, high), atol=1e-12)
    theirs = mel_filter_bank(fft // 2 + 1, bands, low, high, rate, norm=None, mel_scale="htk")
    np.testing.assert_allclose(ours, theirs.T, atol=1e-9)


def test_log_mel_is_the_definition():
    samples = noise(3000) + sine(440, 0.1875)
    np.testing.assert_allclose(SpectralAnalysis()(samples).log_mel, slow_log_mel(samples), atol=1e-3)


@pytest.mark.parametrize(("samples", "frames"), [(0, 1), (1, 1), (400, 1), (559, 1), (560, 2), (16000, 98)])
def test_frames_are_counted_and_analysed(samples, frames):
    assert frame_count(samples) == frames
    analysed = SpectralAnalysis()(noise(samples))
    assert analysed.log_mel.shape == (frames, 40)
    assert analysed.energy.shape == (frames,)
    assert all(course.shape == (frames,) for course in analysed.descriptors.values())


def test_blocks_change_nothing(monkeypatch):
    samples = noise(20000)
    whole = SpectralAnalysis()(samples)
    monkeypatch.setattr(spectra, "BLOCK_FRAMES", 7)
    parts = SpectralAnalysis()(samples)
    np.testing.assert_allclose(parts.log_mel, whole.log_mel, atol=1e-3)
    for name, course in whole.descriptors.items():
        np.testing.assert_allclose(parts.descriptors[name], course, atol=2e-3, err_msg=name)


@pytest.mark.parametrize("amplitude", [1.0, 0.1, 0.001])
def test_energy_is_the_power_in_decibel_of_full_scale(amplitude):
    energy = SpectralAnalysis()(sine(1000, amplitude=amplitude)).energy
    np.testing.assert_allclose(energy, 10 * np.log10(amplitude**2 / 2), atol=0.1)


@pytest.mark.parametrize("hertz", [300, 1000, 4000])
def test_centroid_zero_crossings_and_bands_follow_the_frequency(hertz):
    analysed = SpectralAnalysis()(sine(hertz))
    np.testing.assert_allclose(analysed.descriptors["centroid"], hertz / 1000, rtol=0.02)
    np.testing.assert_allclose(analysed.descriptors["zero_crossings"].mean(), 2 * hertz / 1000, rtol=0.03)
    loudest = int(analysed.log_mel.mean(axis=0).argmax())
    edges = spectra.mel_edges()
    assert edges[loudest] < hertz < edges[loudest + 2]


@pytest.mark.parametrize("samples", [1, 300, 400, 1234, 3000])
def test_zero_crossings_are_counted_frame_by_frame(samples):
    sound = noise(samples)
    found = SpectralAnalysis()(sound).descriptors["zero_crossings"]
    for frame, rate in enumerate(found):
        begin, end = frame * 160, min(frame * 160 + 400, samples - 1)
        slow = sum((sound[i] < 0) != (sound[i + 1] < 0) for i in range(begin, end))
        assert rate == pytest.approx(slow / 25)


def test_tilt_is_the_slope_per_octave():
    """White noise has more power in the wider bands; its level per hertz is flat."""
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft(rng.normal(size=160000))
    frequency = np.fft.rfftfreq(160000, 1 / 16000)
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(frequency, 20)))
    white = np.fft.irfft(spectrum)
    analysis = SpectralAnalysis()
    tilt = {
        name: analysis((0.1 * x / x.std()).astype(np.float32))
        for name, x in (("pink", pink), ("white", white))
    }
    difference = tilt["white"].descriptors["tilt"].mean() - tilt["pink"].descriptors["tilt"].mean()
    assert difference == pytest.approx(10 * np.log10(2), abs=0.3)  # 3 dB per octave


def test_alpha_ratio_compares_below_and_above_1_khz():
    analysis = SpectralAnalysis()
    equal = analysis(sine(500) + sine(2000)).descriptors["alpha_ratio"]
    np.testing.assert_allclose(equal, 0.0, atol=0.1)
    darker = analysis(sine(500) + sine(2000, amplitude=0.05)).descriptors["alpha_ratio"]
    np.testing.assert_allclose(darker, 20.0, atol=0.2)


def test_flux_is_nought_for_a_steady_tone_and_large_at_an_onset():
    tone = sine(1000)
    tone[:8000] = 0.0
    flux = SpectralAnalysis()(tone).descriptors["flux"]
    assert flux[60:].max() < 0.5
    assert flux[46:52].max() > 20
