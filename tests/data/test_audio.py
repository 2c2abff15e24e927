"""Sound comes at the right moment, in the right length, from every kind of file."""

import re
import struct
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
from scipy.signal import resample_poly

import emofuse
from emofuse.data import sound_parts
from emofuse.data.audio import read_audio
from emofuse.data.media import MediaError, probe
from emofuse.data.media_writer import write_video, write_wav
from tests.data.material import damage, encode, encode_sound, numbered_frames

RATE = 16000


@cache
def noise(seconds: float, rate: int, seed: int = 0) -> np.ndarray:
    """Noise below 3 kHz, by which any moment is known again."""
    coarse = np.random.default_rng(seed).standard_normal(round(seconds * 6000))
    return (0.2 * np.clip(resample_poly(coarse, rate // 100, 60), -4, 4)).astype(np.float32)


def tone(seconds: float, rate: int, hertz: float) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def lag(sound: np.ndarray, reference: np.ndarray, at: float, within: int = 40) -> int:
    """By how many samples ``sound`` lies later than in the reference it was taken from, at ``at`` seconds."""
    inner = sound[100 : min(len(sound), RATE) - 100]
    begin = round(at * RATE) + 100
    likeness = [
        np.dot(inner, reference[begin - shift : begin - shift + len(inner)])
        for shift in range(-within, within + 1)
    ]
    return int(np.argmax(likeness)) - within


def reason_of(path: Path, **segment) -> str:
    with pytest.raises(MediaError) as caught:
        read_audio(path, **segment)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    return caught.value.reason


def sound_or_reason(path: Path, **request) -> tuple[np.ndarray | None, str | None]:
    try:
        return read_audio(path, **request), None
    except MediaError as error:
        return None, error.reason


# Values


@pytest.mark.parametrize(
    ("codec", "step"),
    [("pcm_u8", 2**-7), ("pcm_s16le", 2**-15), ("pcm_s32le", 1e-7), ("pcm_f32le", 1e-7), ("pcm_f64le", 1e-7)],
)
def test_samples_of_any_format(tmp_path: Path, codec: str, step: float) -> None:
    sound = np.linspace(-0.9, 0.9, 5000, dtype=np.float32)[None]
    path = encode_sound(tmp_path / "a.wav", sound, RATE, codec)
    read = read_audio(path)
    assert read.dtype == np.float32
    assert read.shape == (5000,)
    assert np.abs(read - sound[0]).max() <= step


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_f32le", "flac"])
def test_channels_are_averaged(tmp_path: Path, codec: str) -> None:
    left, right = tone(1, RATE, 300), tone(1, RATE, 700)
    suffix = "flac" if codec == "flac" else "wav"
    path = encode_sound(tmp_path / f"a.{suffix}", np.stack([left, right]), RATE, codec)
    assert np.abs(read_audio(path) - (left + right) / 2).max() < 1e-4


def test_the_sampling_rate_stands_in_one_module() -> None:
    package = Path(emofuse.__file__).parent
    said = [f for f in package.rglob("*.py") if re.search(r"\b16_?000\b", f.read_text("utf-8"))]
    assert [file.relative_to(package).as_posix() for file in said] == ["data/sampling_rate.py"]


@pytest.mark.parametrize("own_rate", [8000, 11025, 22050, 44100, 48000, 96000])
def test_resampling(tmp_path: Path, own_rate: int) -> None:
    path = encode_sound(tmp_path / "a.wav", tone(1, own_rate, 440)[None], own_rate, "pcm_f32le")
    read = read_audio(path)
    assert read.shape == (RATE,)
    assert np.abs(read - tone(1, RATE, 440))[100:-100].max() < 1e-3


def test_resampling_lets_no_alias_through(tmp_path: Path) -> None:
    path = encode_sound(tmp_path / "a.wav", tone(1, 48000, 11000)[None], 48000, "pcm_f32le")
    assert np.abs(read_audio(path)[500:-500]).max() < 1e-3


def test_other_rates_can_be_asked_for(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", tone(1, RATE, 440))
    assert np.abs(read_audio(tmp_path / "a.wav", rate=22050) - tone(1, 22050, 440))[200:-200].max() < 1e-3


def test_silence_is_sound(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", numbered_frames(25), 25, audio=np.zeros(RATE, np.float32))
    assert np.array_equal(read_audio(tmp_path / "clip.mp4"), np.zeros(RATE, np.float32))


# Moments


def test_segments_are_exact_to_the_sample(tmp_path: Path) -> None:
    """Sample i of the file holds i: what comes back says where it was."""
    path = tmp_path / "ramp.wav"
    count = RATE * 10
    encode_sound(path, (np.arange(count, dtype=np.float32) / 2**20)[None], RATE, "pcm_f32le")
    rng = np.random.default_rng(0)
    for start, end in rng.uniform(0, 10, (40, 2)):
        begin, finish = sorted((start, end))
        places = np.round(read_audio(path, start=begin, end=finish) * 2**20).astype(int)
        assert np.array_equal(places, np.arange(places[0], places[0] + len(places)))
        assert abs(places[0] - begin * RATE) <= 1
        assert abs(len(places) - (finish - begin) * RATE) <= 1


@pytest.mark.parametrize(
    ("name", "codec", "own_rate", "allowed"),
    [
        ("a.wav", "pcm_s16le", 44100, 0),
        ("a.flac", "flac", 44100, 0),
        ("a.mp3", "libmp3lame", 44100, 0),
        ("a.m4a", "aac", 44100, 0),
        ("a.opus", "libopus", 48000, 0),
        ("a.mkv", "aac", 44100, 16),  # this container's clock ticks in milliseconds
    ],
)
def test_segments_of_a_long_file(tmp_path: Path, name: str, codec: str, own_rate: int, allowed: int) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"PyAV has no {codec} here")
    sound = noise(20, own_rate)
    path = encode_sound(tmp_path / name, np.stack([1.2 * sound, 0.8 * sound]), own_rate, codec)
    reference = np.pad(noise(20, RATE), (0, 1000))
    for start, end in [(0.4, 1.1), (3.3, 4.7), (11.987, 13.02), (18.5, 19.5)]:
        part = read_audio(path, start=start, end=end)
        assert abs(len(part) - (end - start) * RATE) <= 1
        assert abs(lag(part, reference, start)) <= allowed
    whole = read_audio(path)
    assert abs(lag(whole[: 5 * RATE], reference, 0.0)) <= allowed
    if name != "a.mkv":
        assert len(whole) == 20 * RATE, "without what the codec padded"


def test_a_segment_is_read_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = encode_sound(tmp_path / "a.m4a", noise(60, RATE)[None], RATE, "aac")
    seconds = []
    real = sound_parts.channels_of
    monkeypatch.setattr(
        sound_parts, "channels_of", lambda frame: seconds.append(frame.samples / RATE) or real(frame)
    )
    assert len(read_audio(path, start=40, end=42)) == 2 * RATE
    assert sum(seconds) < 3


def test_an_end_beyond_the_end_is_the_end(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", tone(2, RATE, 440))
    assert np.array_equal(
        read_audio(tmp_path / "a.wav", start=1.5, end=9), read_audio(tmp_path / "a.wav", start=1.5)
    )


def test_start_below_zero_is_zero(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", tone(2, RATE, 440))
    assert np.array_equal(
        read_audio(tmp_path / "a.wav", start=-3, end=1), read_audio(tmp_path / "a.wav", end=1)
    )


def test_a_late_track_is_preceded_by_silence(tmp_path: Path) -> None:
    path = encode_sound(
        tmp_path / "a.mkv", tone(2, RATE, 440)[None], RATE, "pcm_s16le", pts=[(RATE, 2 * RATE)]
    )
    with av.open(str(path)) as container:
        offset = container.start_time / av.time_base  # the clock starts with the first stream, here the sound
    assert len(read_audio(path)) == round((3 - offset) * RATE)
    film = encode(
        tmp_path / "film.mkv",
        numbered_frames(75),
        range(75),
        Fraction(1, 25),
        sound=np.zeros(RATE, np.float32),
    )
    with av.open(str(film)) as source, av.open(str(tmp_path / "late.mkv"), "w") as target:
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                if packet.stream.type == "audio":
                    packet.pts, packet.dts = packet.pts + 1500, packet.dts + 1500
                packet.stream = streams[packet.stream_index]
                target.mux(packet)
    late = read_audio(tmp_path / "late.mkv")
    assert 2.4 * RATE < len(late) < 2.7 * RATE
    assert reason_of(tmp_path / "late.mkv", start=0, end=1.2) == "no-samples-in-segment"


def test_gaps_are_silent_and_keep_later_sound_in_place(tmp_path: Path) -> None:
    sound = tone(3, RATE, 440)
    pts = [(0, RATE), (2 * RATE, 2 * RATE)]  # the second of four seconds is missing
    path = encode_sound(tmp_path / "a.mkv", sound[None], RATE, "pcm_s16le", pts=pts)
    read = read_audio(path)
    expected = np.concatenate([sound[:RATE], np.zeros(RATE, np.float32), sound[RATE:]])
    assert read.shape == expected.shape
    assert np.abs(read - expected).max() < 1e-3
    assert np.abs(read_audio(path, start=1.25, end=3) - expected[RATE * 5 // 4 : 3 * RATE]).max() < 1e-3


def test_a_rate_that_changes_halfway(tmp_path: Path) -> None:
    parts = b""
    for rate in (44100, 22050):
        parts += encode_sound(
            tmp_path / "part.mp3", tone(2, rate, 440)[None], rate, "libmp3lame"
        ).read_bytes()
    (tmp_path / "joined.mp3").write_bytes(parts)
    read = read_audio(tmp_path / "joined.mp3")
    assert len(read) == pytest.approx(4 * RATE, rel=0.05)
    spectrum = np.abs(np.fft.rfft(read[-RATE - 2000 : -2000]))
    assert np.argmax(spectrum) == pytest.approx(440, abs=3)


def test_picture_and_sound_share_one_clock(tmp_path: Path) -> None:
    """A click at the 50th frame is found at 2 s, whatever the container."""
    sound = np.zeros(4 * RATE, np.float32)
    sound[2 * RATE : 2 * RATE + 800] = tone(0.05, RATE, 1000)
    for name in ("clip.mp4", "clip.mkv"):
        write_video(tmp_path / name, numbered_frames(100), 25, audio=sound)
        loud = np.abs(read_audio(tmp_path / name, start=1.5, end=2.5)) > 0.2
        assert np.argmax(loud) == pytest.approx(RATE / 2, abs=40)


# Files that cannot be used


def test_not_usable_files(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "noise.wav").write_bytes(np.random.default_rng(1).bytes(20000))
    write_wav(tmp_path / "nothing.wav", np.zeros(0, np.float32))
    write_video(tmp_path / "silent-film.mp4", numbered_frames(10), 25)
    reasons = {
        "missing.wav": "missing-file",
        "empty.wav": "empty-file",
        "noise.wav": "not-media",
        "nothing.wav": "no-samples-in-segment",
        "silent-film.mp4": "no-audio",
    }
    assert {name: reason_of(tmp_path / name) for name in reasons} == reasons


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_sound_that_is_not_finite(tmp_path: Path, bad: float) -> None:
    sound = tone(3, RATE, 440)
    sound[RATE + 5] = bad
    path = tmp_path / "a.wav"
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + 4 * len(sound), b"WAVE", b"fmt ", 16, 3, 1, RATE,
                         4 * RATE, 4, 32, b"data", 4 * len(sound))  # fmt: skip
    path.write_bytes(header + sound.tobytes())
    assert reason_of(path) == "not-finite"
    assert reason_of(path, start=0.9, end=1.1) == "not-finite"
    assert len(read_audio(path, start=1.5)) == 1.5 * RATE, "a flaw elsewhere in the file does no harm"
    assert len(read_audio(path, end=0.5)) == 0.5 * RATE


@pytest.mark.parametrize("segment", [(1, 1), (2, 1), (float("nan"), None), (None, float("nan"))])
def test_segments_that_make_no_sense(tmp_path: Path, segment: tuple[float | None, float | None]) -> None:
    write_wav(tmp_path / "a.wav", tone(3, RATE, 440))
    assert reason_of(tmp_path / "a.wav", start=segment[0], end=segment[1]) == "bad-segment"


def test_what_a_codec_padded_is_no_sound(tmp_path: Path) -> None:
    path = encode_sound(tmp_path / "a.m4a", tone(3, RATE, 440)[None], RATE, "aac")
    assert reason_of(path, start=3.001) == "no-samples-in-segment"
    assert len(read_audio(path, start=2.99, end=3.05)) == 160


@pytest.mark.parametrize("start", [3.0, 60.0, 1e12, 1e300])
def test_segments_past_the_end(tmp_path: Path, start: float) -> None:
    for name in ("a.wav", "a.m4a"):
        codec = "aac" if name == "a.m4a" else "pcm_s16le"
        path = encode_sound(tmp_path / name, tone(3, RATE, 440)[None], RATE, codec)
        assert reason_of(path, start=start + 0.1) == "no-samples-in-segment"


def test_wrong_rate(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sample rate"):
        read_audio(tmp_path / "a.wav", rate=0)


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.flac", "clip.mp4", "clip.mkv"])
def test_cut_off_files(tmp_path: Path, name: str) -> None:
    path, sound = tmp_path / name, noise(8, RATE)
    codec = {"wav": "pcm_s16le", "mp3": "libmp3lame", "flac": "flac"}.get(path.suffix[1:])
    if codec:
        encode_sound(path, sound[None], RATE, codec)
    else:
        write_video(path, numbered_frames(200), 25, audio=sound)
    whole = path.read_bytes()
    for part in (0.4, 0.7, 0.95):
        path.write_bytes(whole[: int(part * len(whole))])
        read = read_audio(path)
        assert len(read) == pytest.approx(part * 8 * RATE, rel=0.25)
        assert abs(lag(read[:RATE], sound, 0.0)) <= 1
        assert reason_of(path, start=7.9) in {"truncated", "no-samples-in-segment"}
    for part in (0.0002, 0.002):
        path.write_bytes(whole[: max(1, int(part * len(whole)))])
        read, reason = sound_or_reason(path)
        assert (
            reason in {"truncated", "not-media", "no-audio", "no-samples-in-segment"}
            if read is None
            else len(read) < RATE
        )


def test_eight_channels_are_averaged(tmp_path: Path) -> None:
    path, one = tmp_path / "surround.m4a", tone(2, RATE, 440)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=RATE, layout="7.1")
        packed = np.repeat(one[:, None], 8, axis=1).reshape(1, -1).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout="7.1")
        frame.sample_rate, frame.pts = RATE, 0
        container.mux([*stream.encode(frame), *stream.encode(None)])
    read, _ = sound_or_reason(path)
    assert read is not None
    assert len(read) == pytest.approx(len(one), abs=1024)
    # The channel for low tones loses this one, so seven in eight of it are left, or all where it is let through.
    loudness = np.sqrt(np.mean(read[4000:-4000] ** 2)) / np.sqrt(np.mean(one[4000:-4000] ** 2))
    assert 0.8 < loudness < 1.05


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.flac", "a.m4a", "clip.mp4", "clip.mkv"])
def test_damaged_bytes(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Finite sound or a MediaError, nothing else, and nothing is printed."""
    path, sound = tmp_path / name, noise(3, RATE)
    codec = {"wav": "pcm_f32le", "mp3": "libmp3lame", "flac": "flac", "m4a": "aac"}.get(path.suffix[1:])
    if codec:
        encode_sound(path, sound[None], RATE, codec)
    else:
        write_video(path, numbered_frames(75), 25, audio=sound)
    whole = path.read_bytes()
    found = 0
    for seed in range(20):
        path.write_bytes(whole)
        damage(path, seed)
        for segment in ({}, {"start": 1.5, "end": 2.0}):
            read, _ = sound_or_reason(path, **segment)
            assert read is None or (read.ndim == 1 and np.isfinite(read).all())
            found += read is not None
    assert found > 0
    assert capfd.readouterr() == ("", "")


def test_no_exception_of_the_library_escapes_probe(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", numbered_frames(50), 25, audio=tone(2, RATE, 440))
    whole = (tmp_path / "clip.mp4").read_bytes()
    outcomes = set()
    for seed in range(40):
        (tmp_path / "clip.mp4").write_bytes(whole)
        damage(tmp_path / "clip.mp4", seed)
        try:
            probe(tmp_path / "clip.mp4")
            outcomes.add("told")
        except MediaError as error:
            outcomes.add(error.reason)
    assert "told" in outcomes


# Real recordings


@pytest.mark.parametrize("name", ["interview.mp4", "talking_head_1.mp4", "talking_head_2.mp4"])
def test_real_clips(shared_media: Path, name: str) -> None:
    sound = read_audio(shared_media / name)
    info = probe(shared_media / name)
    assert len(sound) == pytest.approx(info.duration * RATE, rel=0.02)
    assert 0.003 < np.sqrt(np.mean(sound**2)) < 0.5
    assert np.abs(sound).max() <= 1.5
    part = read_audio(shared_media / name, start=1.5, end=2.5)
    assert len(part) == RATE
    assert abs(lag(part, sound, 1.5)) <= 1
