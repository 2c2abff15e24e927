"""Lengths that are only guessed, channels that cancel, streams whose seeks are off, integers of 64 bits."""

from pathlib import Path

import av
import numpy as np
import pytest

from emofuse.data.audio import read_audible, read_audio, read_sound
from emofuse.data.channels import CHANNELS_CANCEL, LOW_EFFECTS_ALONE
from emofuse.data.clip import clip_utterance, fixed_length_segments
from emofuse.data.container import MediaError
from emofuse.data.media import probe
from tests.data.material import encode_sound, wave_file

RATE = 16000


def noise(seconds: float, level: float = 0.3, seed: int = 0) -> np.ndarray:
    return level * np.random.default_rng(seed).standard_normal(round(seconds * RATE)).clip(-3, 3) / 3


@pytest.mark.parametrize(
    ("name", "codec", "rate", "bit_rates", "loud_first"),
    [
        ("a.aac", "aac", 16000, (96000, 16000), True),
        ("a.aac", "aac", 16000, (96000, 16000), False),
        ("a.mp3", "libmp3lame", 16000, (128000, 16000), True),
        ("a.mp3", "libmp3lame", 16000, (128000, 16000), False),
        ("a.ac3", "ac3", 32000, (256000, 64000), True),
        ("a.eac3", "eac3", 32000, (256000, 64000), False),
        ("a.amr", "libopencore_amrnb", 8000, (12200, 4750), True),
    ],
)
def test_a_length_that_is_only_guessed_comes_from_the_packets(
    tmp_path: Path, name: str, codec: str, rate: int, bit_rates: tuple[int, int], loud_first: bool
) -> None:
    """Forty seconds, half of them loud with many bits and half of them quiet with few."""
    if codec not in av.codecs_available:
        pytest.skip(f"PyAV has no {codec} here")
    content = b""
    levels = ((0.3, bit_rates[0]), (0.03, bit_rates[1]))
    for level, bits in levels if loud_first else levels[::-1]:
        sound = level * np.random.default_rng(4).standard_normal((1, 20 * rate)).clip(-3, 3)
        muxer = {"write_xing": "0", "id3v2_version": "0"} if codec == "libmp3lame" else {}
        half = encode_sound(tmp_path / name, sound, rate, codec, bit_rate=bits, muxer=muxer).read_bytes()
        content += half[len(b"#!AMR\n") :] if content and codec.endswith("amrnb") else half
    path = tmp_path / name
    path.write_bytes(content)
    with av.open(str(path)) as container:
        assert abs(container.duration / av.time_base - 40) > 10, "otherwise this test shows nothing"
    assert probe(path).duration == pytest.approx(40, abs=0.2)
    whole = read_audio(path, rate=rate)
    assert len(whole) / rate == pytest.approx(40, abs=0.2)
    recording, duration = clip_utterance(path)
    segments = fixed_length_segments(recording, duration, 10.0)
    assert [segment.start for segment in segments] == [0.0, 10.0, 20.0, 30.0]
    assert segments[-1].end == pytest.approx(40, abs=0.2)
    loud = []
    for segment in segments[:-1]:
        part = read_audio(path, start=segment.start, end=segment.end, rate=rate)
        first = round(segment.start * rate)
        np.testing.assert_allclose(part[4000:], whole[first : first + 10 * rate][4000:], atol=1e-3)
        loud.append(part.std())
    last = read_audio(path, start=segments[-1].start, end=segments[-1].end, rate=rate)
    loud = np.array([*loud, last.std()])
    assert len(last) / rate == pytest.approx(10, abs=0.2)
    one, other = (loud[:2], loud[2:]) if loud_first else (loud[2:], loud[:2])
    assert one.min() > 5 * other.max()


def test_channels_that_cancel_each_other_are_not_averaged(tmp_path: Path) -> None:
    voice, hum = noise(3.0), noise(3.0, 0.1, seed=1)
    turned = np.where(np.arange(len(voice)) < 2 * RATE, 1, -1)  # a cable that is changed after two seconds
    for other, common in ((-0.9 * voice, 0), (-0.4 * voice, 0), (-voice, hum), (turned * voice, 0)):
        channels = np.stack([voice + common, other + common])
        found = read_sound(encode_sound(tmp_path / "a.wav", channels, RATE, "pcm_s16le"))
        assert found.notes == (CHANNELS_CANCEL,)
        louder = channels[channels.std(axis=1).argmax()]
        np.testing.assert_allclose(found.samples, louder, atol=1e-3)


def test_channels_that_do_not_cancel_are_averaged(tmp_path: Path) -> None:
    voice, somebody = noise(3.0), noise(3.0, seed=1)
    for other in (voice, somebody, np.roll(voice, 20)):
        found = read_sound(encode_sound(tmp_path / "a.wav", np.stack([voice, other]), RATE, "pcm_s16le"))
        assert found.notes == ()
        np.testing.assert_allclose(found.samples, (voice + other) / 2, atol=1e-3)


def test_a_silent_channel_does_not_lower_the_voice(tmp_path: Path) -> None:
    voice, hiss = noise(1.0), noise(1.0, 0.008, seed=1)  # 31 dB below
    for other in (0 * voice, hiss):
        for channels in ([voice, other], [other, voice]):
            path = encode_sound(tmp_path / "a.wav", np.stack(channels), RATE, "pcm_s16le")
            np.testing.assert_allclose(read_audio(path), voice + other, atol=1e-3)


def test_what_the_channel_for_low_effects_alone_holds_is_heard(tmp_path: Path) -> None:
    voice, none = noise(1.0), np.zeros(RATE)
    path = encode_sound(
        tmp_path / "a.wav", np.stack([none, none, none, voice, none, none]), RATE, "pcm_s16le"
    )
    found = read_sound(path)
    assert found.notes == (LOW_EFFECTS_ALONE,)
    np.testing.assert_allclose(found.samples, voice, atol=1e-3)


def test_no_more_than_some_hours_are_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes of FLAC stand for hours of silence; two seconds are as good in a test."""
    path = encode_sound(tmp_path / "a.flac", np.zeros((1, 2 * RATE)), RATE, "flac")
    monkeypatch.setattr("emofuse.data.audio.LONGEST_SOUND", 1.0)
    with pytest.raises(MediaError, match="hours of its sound are wanted at once: cut it, or give start"):
        read_audio(path)
    assert len(read_audio(path, start=0.5, end=1.0)) == RATE // 2


def test_the_centre_of_five_channels_keeps_its_level(tmp_path: Path) -> None:
    voice, none = noise(1.0), np.zeros(RATE)
    # FL, FR, FC, LFE, BL, BR
    path = encode_sound(
        tmp_path / "a.wav", np.stack([none, none, voice, none, none, none]), RATE, "pcm_s16le"
    )
    np.testing.assert_allclose(read_audio(path), voice, atol=1e-3)
    music = noise(1.0, 0.1, seed=1)
    mixed = encode_sound(
        tmp_path / "b.wav", np.stack([music, music, voice, music, none, none]), RATE, "pcm_s16le"
    )
    # The standard matrix: 1 for the centre, 3 dB less for left and right, nothing for low effects.
    expected = (voice + 2 * 2**-0.5 * music) / (1 + 2 * 2**-0.5)
    np.testing.assert_allclose(read_audio(mixed), expected, atol=1e-3)


def test_silence_is_no_voice(tmp_path: Path) -> None:
    path = encode_sound(tmp_path / "a.wav", np.zeros((2, RATE)), RATE, "pcm_s16le")
    with pytest.raises(MediaError, match="its sound is silent") as found:
        read_audible(path)
    assert found.value.reason == "silent"


@pytest.mark.parametrize("beside_pictures", [False, True])
@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.vob", "ac3", 48000),
        ("a.mpg", "mp2", 32000),
        ("b.mpg", "mp2", 44100),
        ("a.ts", "ac3", 48000),
        ("b.vob", "pcm_dvd", 48000),
    ],
)
def test_a_segment_of_a_program_stream_is_where_it_is_in_the_whole(
    tmp_path: Path, name: str, codec: str, rate: int, beside_pictures: bool
) -> None:
    sound = np.random.default_rng(3).standard_normal((1, 12 * rate)) * 0.1
    path = encode_sound(tmp_path / name, sound, rate, codec, beside_pictures=beside_pictures)
    whole = read_audio(path, rate=rate)
    for start in (0.0, 2.25, 7.3, 8.77, 11.01):
        part = read_audio(path, start=start, end=start + 0.5, rate=rate)
        first = round(start * rate)
        np.testing.assert_allclose(part[600:], whole[first : first + len(part)][600:], atol=1e-4)


@pytest.mark.parametrize("channels", [1, 2])
def test_integers_of_64_bits(tmp_path: Path, channels: int) -> None:
    voice = noise(0.5)
    samples = (voice * 2.0**62).astype("<i8").repeat(channels).tobytes()
    found = read_audio(wave_file(tmp_path / "a.wav", samples, bits=64, channels=channels))
    np.testing.assert_allclose(found, voice / 2, atol=1e-4)


@pytest.mark.parametrize(
    ("error", "reason"), [(ValueError("no such format"), "undecodable"), (MemoryError(), "out-of-memory")]
)
def test_any_exception_of_a_decoder_is_the_file_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    def fails(*_: object) -> None:
        raise error

    path = encode_sound(tmp_path / "a.wav", noise(0.5)[None], RATE, "pcm_s16le")
    monkeypatch.setattr("emofuse.data.sound_parts.channels_of", fails)
    with pytest.raises(MediaError) as found:
        read_audio(path)
    assert found.value.reason == reason
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("stated", "read"), [(0, 1.0), (16000, 0.5), (64000, 1.0), (2**31 - 1, 1.0), (2**32 - 1, 1.0)]
)
def test_a_wav_header_that_states_a_wrong_length(tmp_path: Path, stated: int, read: float) -> None:
    """One that is less than there is, is believed; 0 and more than there is mean up to the end."""
    voice = (20000 * noise(1.0)).astype("<i2")
    path = wave_file(tmp_path / "a.wav", voice.tobytes(), bits=16, stated=stated)
    np.testing.assert_allclose(read_audio(path), voice[: round(read * RATE)] / 2**15, atol=1e-6)
    assert probe(path).duration == pytest.approx(read, abs=1e-3)
    np.testing.assert_allclose(
        read_audio(path, start=0.2, end=0.4), voice[round(0.2 * RATE) : round(0.4 * RATE)] / 2**15, atol=1e-6
    )


@pytest.mark.parametrize(
    ("name", "codec", "rate", "muxer"),
    [
        ("live.webm", "libopus", 48000, {"live": "1"}),
        ("fragments.mp4", "flac", 48000, {"movflags": "frag_keyframe+empty_moov", "strict": "-2"}),
        ("edited.m4a", "aac", 48000, {}),
    ],
)
def test_sound_without_a_length_and_with_an_edit_list_is_in_its_place(
    tmp_path: Path, name: str, codec: str, rate: int, muxer: dict[str, str]
) -> None:
    """Four seconds of silence, but for a click at two."""
    if codec not in av.codecs_available:
        pytest.skip(f"PyAV has no {codec} here")
    sound = np.zeros((1, 4 * rate))
    sound[0, 2 * rate : 2 * rate + 480] = 0.8
    path = encode_sound(tmp_path / name, sound, rate, codec, muxer=muxer)
    assert probe(path).duration == pytest.approx(4, abs=0.05)
    for start in (0.0, 1.5):
        heard = np.abs(read_audio(path, start=start, rate=rate))
        assert np.argmax(heard > 0.4) / rate == pytest.approx(2 - start, abs=0.002)
