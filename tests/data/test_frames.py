"""The frames returned are those on screen at the times asked for, whatever the file looks like inside."""

import multiprocessing
import os
import re
import struct
import zlib
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from emofuse.data import frame_decoding
from emofuse.data.frame_decoding import LostFrameStepError, NeededFrames
from emofuse.data.frames import read_frames
from emofuse.data.media import MediaError, probe
from emofuse.data.media_writer import write_video, write_wav
from emofuse.data.pictures import PictureSampling, open_pictures
from tests.data.material import (
    damage,
    encode,
    expected_numbers,
    numbered_frame,
    numbered_frames,
    numbers,
    patch_box,
    still_with_sound,
    turn,
)

SOUND = (0.3 * np.sin(np.arange(16000 * 4) / 20)).astype(np.float32)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 s at 25 frames per second, with sound."""
    path = tmp_path_factory.mktemp("media") / "clip.mp4"
    write_video(path, numbered_frames(100), 25, audio=SOUND)
    return path


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2 minutes at 25 frames per second, a keyframe every 2 seconds at the latest."""
    path = tmp_path_factory.mktemp("media") / "long.mp4"
    write_video(path, (numbered_frame(number) for number in range(3000)), 25, keyframe_interval=50)
    return path


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of frames that came out of the decoder, one entry for each packet."""
    counts: list[int] = []
    real = frame_decoding.decode

    def counting(stream, packet):
        frames = real(stream, packet)
        counts.append(len(frames))
        return frames

    monkeypatch.setattr(frame_decoding, "decode", counting)
    return counts


def reason_of(path: Path, **segment) -> str:
    with pytest.raises(MediaError) as caught:
        read_frames(path, **segment)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return caught.value.reason


def frames_or_reason(path: Path, **request) -> tuple[np.ndarray | None, str | None]:
    """What a file that may be damaged gives; any other exception passes through."""
    try:
        return read_frames(path, n=5, **request), None
    except MediaError as error:
        return None, error.reason


# Which frames


@pytest.mark.parametrize("codec", [None, "mpeg4"])
@pytest.mark.parametrize("rate", [7.5, 23.976, Fraction(30000, 1001), 30, 1000])
def test_frames_of_any_constant_rate(tmp_path: Path, rate: float, codec: str | None) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, numbered_frames(60), rate, video_codec=codec)
    times = np.arange(60) / float(rate)
    frames = read_frames(path, n=15)
    assert frames.shape == (15, 48, 64, 3)
    assert frames.dtype == np.uint8
    assert numbers(frames) == expected_numbers(times, 0.0, 60 / float(rate), 15)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_frames_of_a_variable_rate(tmp_path: Path, name: str) -> None:
    pts = np.cumsum(np.random.default_rng(0).integers(5, 400, 60))
    pts -= pts[0]
    path = encode(tmp_path / name, numbered_frames(60), pts.tolist(), Fraction(1, 1000))
    finish = (pts[-1] + 40) / 1000
    assert numbers(read_frames(path, n=40, end=finish)) == expected_numbers(pts / 1000, 0.0, finish, 40)
    segment = {"start": 2.345, "end": 7.5}
    assert numbers(read_frames(path, n=9, **segment)) == expected_numbers(pts / 1000, 2.345, 7.5, 9)


@pytest.mark.parametrize(
    ("start", "end", "n"),
    [(0, 4, 15), (1.5, 3.2, 15), (3.9, 4, 5), (1.001, 1.002, 3), (None, 2, 7), (2, None, 1)],
)
def test_segments(clip: Path, start: float | None, end: float | None, n: int) -> None:
    expected = expected_numbers(np.arange(100) / 25, start or 0.0, end or 4.0, n)
    assert numbers(read_frames(clip, n=n, start=start, end=end)) == expected


def test_more_parts_than_frames_repeat_frames(clip: Path) -> None:
    assert numbers(read_frames(clip, n=6, start=1.0, end=1.12)) == [25, 25, 26, 26, 27, 27]


def test_end_beyond_the_end_is_the_end(clip: Path) -> None:
    assert np.array_equal(read_frames(clip, start=3, end=99), read_frames(clip, start=3))


def test_one_frame_is_repeated(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", numbered_frames(6)[5:], 25)
    assert numbers(read_frames(tmp_path / "clip.mp4", n=15)) == [5] * 15


def test_clock_starts_with_the_first_moment_of_the_file(tmp_path: Path) -> None:
    """Broadcast recordings start their clock anywhere."""
    path = encode(tmp_path / "clip.ts", numbered_frames(100), range(2500, 2600), Fraction(1, 25))
    assert numbers(read_frames(path, n=4)) == [12, 37, 62, 87]
    assert numbers(read_frames(path, n=2, start=2, end=4)) == [62, 87]


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_time_stamps_below_zero(tmp_path: Path, name: str) -> None:
    muxer = {"avoid_negative_ts": "disabled"}
    path = encode(
        tmp_path / name, numbered_frames(50), range(-10, 40), Fraction(1, 25), codec="mpeg4", muxer=muxer
    )
    with av.open(str(path)) as container:
        begins = round(
            -container.start_time / av.time_base * 25
        )  # an MP4 says by its edit list what comes first
    shown = numbers(read_frames(path, n=4))
    first = 10 - begins
    assert shown == expected_numbers([k / 25 for k in range(50)], first / 25, 2.0, 4)


def test_video_that_begins_later_than_the_sound(tmp_path: Path) -> None:
    path = encode(tmp_path / "clip.mkv", numbered_frames(50), range(50, 100), Fraction(1, 25), sound=SOUND)
    assert numbers(read_frames(path, n=4, start=0, end=4)) == [0, 0, 12, 37]
    assert reason_of(path, start=0, end=1.5) == "no-frames-in-segment"


# How much is decoded


@pytest.mark.parametrize("start", [0.3, 37.2, 100.5, 118.4])
def test_a_segment_of_a_long_file_is_read_alone(long_clip: Path, decoded: list[int], start: float) -> None:
    frames = read_frames(long_clip, n=15, start=start, end=start + 1.5)
    assert numbers(frames) == expected_numbers(np.arange(3000) / 25, start, start + 1.5, 15)
    assert sum(decoded) < 50 + 38 + 8, (
        "up to a keyframe interval before, the segment, what the decoder delays"
    )


def test_a_sparse_sample_leaves_out_what_lies_between(long_clip: Path, decoded: list[int]) -> None:
    assert numbers(read_frames(long_clip, n=4)) == [375, 1125, 1875, 2625]
    assert sum(decoded) < 4 * 50


def test_no_more_than_the_frames_are_converted(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from emofuse.data import frames

    converted = []
    real = frames._rgb
    monkeypatch.setattr(frames, "_rgb", lambda *args: converted.append(args) or real(*args))
    read_frames(clip, n=7)
    assert len(converted) == 7


CODECS = {
    "h264.mp4": ("libx264", {"g": "30"}),
    "h264.mkv": ("libx264", {"g": "30"}),
    "h264.ts": ("libx264", {"g": "30"}),
    "h264.flv": ("libx264", {"g": "30"}),
    "h264.h264": ("libx264", {"g": "30"}),
    "open-gop.mp4": ("libx264", {"x264-params": "keyint=30:open-gop=1:bframes=3:scenecut=0"}),
    "no-keyframes.mp4": ("libx264", {"x264-params": "keyint=30:intra-refresh=1"}),
    "hevc.mp4": ("libx265", {"x265-params": "keyint=30:open-gop=1:log-level=0"}),
    "mpeg4.avi": ("mpeg4", {"bf": "2"}),
    "mpeg2.ts": ("mpeg2video", {"bf": "2"}),
    "mpeg2.mpg": ("mpeg2video", {"bf": "2"}),
    "vp9.webm": ("libvpx-vp9", {"g": "30", "deadline": "realtime", "cpu-used": "8"}),
    "av1.mp4": ("libsvtav1", {"preset": "13", "svtav1-params": "keyint=30"}),
}


@pytest.mark.parametrize("name", CODECS)
def test_shortcuts_change_no_pixel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    codec, options = CODECS[name]
    if codec not in av.codecs_available:
        pytest.skip(f"PyAV has no {codec} here")
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (150, 6, 8, 3), np.uint8).repeat(8, 1).repeat(8, 2)
    path = encode(tmp_path / name, noise, range(150), Fraction(1, 25), codec=codec, options=options)
    requests = [
        (15, None, None),
        (15, 3.1, 4.2),
        (3, 5.5, 5.9),
        (1, 5.9, None),
        (2, 0.0, 5.0),
        (4, 0.5, 60.0),
    ]
    quick = [read_frames(path, n=n, start=start, end=end) for n, start, end in requests]

    def fails(self):
        raise LostFrameStepError

    monkeypatch.setattr(NeededFrames, "__iter__", fails)
    for (n, start, end), frames in zip(requests, quick, strict=True):
        assert np.array_equal(frames, read_frames(path, n=n, start=start, end=end)), (n, start, end)


# Sizes, turns, colours


@pytest.mark.parametrize("codec", [None, "mpeg4"])
@pytest.mark.parametrize("size", [None, (33, 17), (256, 256), (1, 1)])
def test_odd_sizes(tmp_path: Path, codec: str | None, size: tuple[int, int] | None) -> None:
    write_video(tmp_path / "clip.mp4", numbered_frames(20, 49, 65), 25, video_codec=codec)
    frames = read_frames(tmp_path / "clip.mp4", n=5, size=size)
    assert frames.shape == (5, *(size or (49, 65)), 3)
    if size != (1, 1):
        assert numbers(frames) == [2, 6, 10, 14, 18]


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("clockwise", [0, 1, 2, 3])
def test_orientation(tmp_path: Path, clockwise: int, mirrored: bool) -> None:
    """All eight that a display matrix can say; a mirror image is one of left and right, then turned."""
    path = tmp_path / "clip.mp4"
    write_video(path, numbered_frames(20), 25)
    upright = read_frames(path, n=5)
    turn(path, clockwise, mirrored)
    turned = np.rot90(upright[:, :, ::-1] if mirrored else upright, -clockwise, axes=(1, 2))
    assert np.array_equal(read_frames(path, n=5), turned)
    scaled = read_frames(path, n=5, size=(30, 20))
    assert scaled.shape == (5, 30, 20, 3)
    back = np.rot90(scaled, clockwise, axes=(1, 2))
    assert numbers(back[:, :, ::-1] if mirrored else back) == [2, 6, 10, 14, 18]
    info = probe(path)
    assert (info.height, info.width) == turned.shape[1:3]
    assert info.mirrored is mirrored
    shown = np.rot90(upright, info.rotation // 90, axes=(1, 2))
    assert np.array_equal(shown[:, :, ::-1] if mirrored else shown, turned)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("grey.mkv", "ffv1", "gray"),
        ("ten-bit.mkv", "ffv1", "yuv420p10le"),
        ("alpha.mkv", "ffv1", "yuva420p"),
        ("alpha.mov", "qtrle", "argb"),
        ("rgb.avi", "rawvideo", "bgr24"),
        ("full-range.avi", "mjpeg", "yuvj420p"),
    ],
)
def test_pixel_formats_become_rgb(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    pictures = numbered_frames(10)
    path = encode(tmp_path / name, pictures, range(10), Fraction(1, 25), codec=codec, pixels=pixels)
    frames = read_frames(path, n=10)
    assert np.abs(frames.astype(int) - pictures).mean() < 4


def test_colours_are_kept(tmp_path: Path) -> None:
    colours = np.array([[200, 40, 40], [40, 180, 60], [50, 60, 210], [220, 200, 40]], np.uint8)
    picture = np.broadcast_to(colours[:, None, None], (4, 48, 64, 3))
    write_video(tmp_path / "clip.mp4", picture.copy(), 25, crf=5)
    frames = read_frames(tmp_path / "clip.mp4", n=4)
    assert np.abs(frames.mean(axis=(1, 2)) - colours).max() < 6


def test_pictures_of_changing_size_fit_the_first(tmp_path: Path) -> None:
    parts = b""
    for number, height in enumerate((48, 96)):
        write_video(tmp_path / "part.ts", numbered_frames(25, height, 64) + np.uint8(number), 25)
        parts += (tmp_path / "part.ts").read_bytes()
    (tmp_path / "joined.ts").write_bytes(parts)
    assert read_frames(tmp_path / "joined.ts", n=6).shape == (6, 48, 64, 3)


def with_size(path: Path, height: int, width: int) -> Path:
    """A GIF, PNG or MJPEG video of three small pictures that say another size of themselves."""
    codec = {".gif": "gif", ".mov": "png", ".avi": "mjpeg"}[path.suffix]
    pixels = {"gif": "rgb8", "png": "rgb24", "mjpeg": "yuvj420p"}[codec]
    encode(path, numbered_frames(3), range(3), Fraction(1, 25), codec=codec, pixels=pixels)
    content = bytearray(path.read_bytes())
    if codec == "gif":
        content[6:10] = struct.pack("<HH", width, height)
    elif codec == "png":
        for found in re.finditer(b"IHDR", bytes(content)):
            at = found.start()
            content[at + 4 : at + 12] = struct.pack(">II", width, height)
            content[at + 17 : at + 21] = struct.pack(">I", zlib.crc32(bytes(content[at : at + 17])))
    else:
        for found in re.finditer(b"\xff\xc0\x00\x11", bytes(content)):
            content[found.start() + 5 : found.start() + 9] = struct.pack(">HH", height, width)
        at = content.index(b"strf") + 12
        content[at : at + 8] = struct.pack("<ii", width, height)
    path.write_bytes(bytes(content))
    return path


@pytest.mark.parametrize("name", ["still.gif", "clip.mov", "clip.avi"])
def test_pictures_that_are_too_large_are_named_as_such(tmp_path: Path, name: str) -> None:
    path = with_size(tmp_path / name, 9000, 8000)
    for read in (read_frames, lambda path: open_pictures(path, PictureSampling(frames=2, longest=64))):
        with pytest.raises(MediaError) as caught:
            read(path)
        assert caught.value.reason == "too-large"
        assert "8000 × 9000 pixels; at most 64 megapixels are read: scale it down" in str(caught.value)
    info = probe(path)
    assert (info.height, info.width) == (9000, 8000)


def test_pictures_larger_than_any_decoder_knows_are_one_line(tmp_path: Path) -> None:
    path = with_size(tmp_path / "still.gif", 30000, 40000)
    with pytest.raises(MediaError, match="or they are far too large"):
        open_pictures(path, PictureSampling(frames=2, longest=64))


# Files that say something wrong, or nothing, of their length


@pytest.mark.parametrize("factor", [0.2, 0.9, 1.5, 20])
def test_wrong_duration(tmp_path: Path, factor: float) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, numbered_frames(100), 25)
    with av.open(str(path)) as container:
        timescale = container.streams.video[0].time_base.denominator
    patch_box(path, b"mdhd", 16, struct.pack(">I", round(4 * factor * timescale)))
    patch_box(path, b"mvhd", 16, struct.pack(">I", round(4000 * factor)))
    assert numbers(read_frames(path, n=4)) == [12, 37, 62, 87]
    assert numbers(read_frames(path, n=2, start=2.0, end=4.5)) == [62, 87]
    assert reason_of(path, start=5.0 if factor < 1 else 4 * factor + 1) == "no-frames-in-segment"


@pytest.mark.parametrize(
    ("name", "muxer"),
    [
        ("live.mkv", {"live": "1"}),
        ("live.webm", {"live": "1"}),
        ("fragments.mp4", {"movflags": "frag_keyframe+empty_moov"}),
        ("bare.h264", {}),
    ],
)
def test_missing_duration(tmp_path: Path, name: str, muxer: dict[str, str]) -> None:
    codec = "libvpx" if name.endswith("webm") else "libx264"
    path = encode(
        tmp_path / name, numbered_frames(100), range(100), Fraction(1, 25), muxer=muxer, codec=codec
    )
    assert probe(path).duration == pytest.approx(4, abs=0.05)
    assert numbers(read_frames(path, n=4)) == [12, 37, 62, 87]
    assert numbers(read_frames(path, n=2, start=2.0, end=4.0)) == [62, 87]
    assert reason_of(path, start=5.0) == "no-frames-in-segment"


# Damaged, wrong and missing files


def test_not_usable_files(tmp_path: Path, clip: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(20000))
    (tmp_path / "words.mp4").write_text("Not a video.\n" * 100)
    (tmp_path / "folder.mp4").mkdir()
    write_wav(tmp_path / "sound.wav", SOUND)
    (tmp_path / "sound.mp4").write_bytes((tmp_path / "sound.wav").read_bytes())
    reasons = {
        "missing.mp4": "missing-file",
        "empty.mp4": "empty-file",
        "noise.mp4": "not-media",
        "words.mp4": "not-media",
        "folder.mp4": "unreadable",
        "sound.wav": "no-video",
        "sound.mp4": "no-video",
    }
    assert {name: reason_of(tmp_path / name) for name in reasons} == reasons


@pytest.mark.parametrize(
    "script",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nclip.mp4\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile clip.mp4\n",
    ],
)
def test_a_clip_cannot_name_another_file(tmp_path: Path, clip: Path, script: str) -> None:
    (tmp_path / "clip.mp4").write_bytes(clip.read_bytes())
    (tmp_path / "script.mp4").write_text(script)
    assert reason_of(tmp_path / "script.mp4") == "not-media"


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("libmp3lame", rate=16000, layout="mono")
        cover = container.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(numbered_frame(3), format="rgb24")
        container.mux(cover.encode(picture))
        container.mux(cover.encode(None))
        frame = av.AudioFrame.from_ndarray(SOUND[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1, "otherwise this test shows nothing"
    assert reason_of(path) == "no-video"
    assert probe(path).has_video is False
    assert probe(path).has_audio is True


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "mpeg4"), ("a.mkv", "mpeg4"), ("a.mov", "mjpeg"), ("a.avi", "mjpeg"), ("a.ts", "mpeg2video")],
)
def test_one_picture_beside_much_longer_sound_is_a_cover(tmp_path: Path, name: str, codec: str) -> None:
    path = still_with_sound(tmp_path / name, 12.0, codec)
    with av.open(str(path)) as container:
        assert not container.streams.video[0].disposition & Disposition.attached_pic, (
            "otherwise this test shows nothing"
        )
    info = probe(path)
    assert (info.has_video, info.has_audio) == (False, True)
    assert info.duration == pytest.approx(12, abs=0.15)
    assert reason_of(path) == "no-video"


def test_one_picture_beside_as_short_a_sound_is_a_video(tmp_path: Path) -> None:
    path = still_with_sound(tmp_path / "a.mkv", 0.5)
    assert probe(path).has_video
    assert numbers(read_frames(path, n=2)) == [0, 0]


@pytest.mark.parametrize(
    ("error", "reason"), [(ValueError("no such format"), "undecodable"), (MemoryError(), "out-of-memory")]
)
def test_any_exception_of_a_decoder_is_the_file_s(
    clip: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr("emofuse.data.frames._rgb", fails)
    assert reason_of(clip) == reason


@pytest.mark.parametrize(
    "segment", [(2, 2), (3, 1), (float("nan"), 2), (0, float("nan")), (float("inf"), None)]
)
def test_segments_that_make_no_sense(clip: Path, segment: tuple[float, float | None]) -> None:
    assert reason_of(clip, start=segment[0], end=segment[1]) == "bad-segment"


@pytest.mark.parametrize("segment", [(4.0, None), (4.5, 6.0), (1e9, 1e12), (1e300, None)])
def test_segments_past_the_end(clip: Path, segment: tuple[float, float | None]) -> None:
    assert reason_of(clip, start=segment[0], end=segment[1]) == "no-frames-in-segment"


def test_a_start_below_zero_is_zero(clip: Path) -> None:
    assert np.array_equal(read_frames(clip, start=-1.0, end=2.0), read_frames(clip, end=2.0))


@pytest.mark.parametrize("wrong", [{"n": 0}, {"size": (0, 5)}])
def test_wrong_arguments(clip: Path, wrong: dict) -> None:
    with pytest.raises(ValueError, match="at least one"):
        read_frames(clip, **wrong)


def test_a_recording_cut_off_anywhere_in_its_table_of_contents_is_truncated(tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    write_video(path, numbered_frames(30), 25)
    content = path.read_bytes()
    end = content.index(b"mdat") - 4
    reasons = set()
    for length in range(12, end, 5):
        path.write_bytes(content[:length])
        frames, reason = frames_or_reason(path)
        assert frames is None
        reasons.add(reason)
    assert reasons == {"truncated"}


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv", "cut.ts", "cut.avi"])
@pytest.mark.parametrize("part", [0.001, 0.03, 0.3, 0.6, 0.9, 0.999])
def test_cut_off_files(tmp_path: Path, name: str, part: float) -> None:
    """What is there is spread over what is there; too little to decode is an error."""
    path = tmp_path / name
    noise = np.random.default_rng(0).integers(0, 30, (100, 96, 128, 3), np.uint8)
    write_video(path, numbered_frames(100, 96, 128) + noise, 25, keyframe_interval=20)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    if part <= 0.03:
        frames, reason = frames_or_reason(path)
        assert reason in {"truncated", "not-media"} if frames is None else max(numbers(frames)) < 20
        return
    shown = numbers(read_frames(path, n=5))
    assert shown[-1] < 100 * part + 20
    last = shown[-1] + (shown[-1] - shown[0]) / 8  # the middle of the last part is half a part from the end
    assert shown == pytest.approx([(k + 0.5) * last / 5 for k in range(5)], abs=2.5)


def test_segment_in_the_part_that_was_cut_off(tmp_path: Path, clip: Path) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    assert reason_of(path, start=3.5, end=3.9) == "truncated"
    assert reason_of(path, start=3.5) == "truncated"
    assert reason_of(path, start=7.0) == "no-frames-in-segment"


def test_recording_without_its_index(tmp_path: Path) -> None:
    """A camera that was switched off before it could write the index, which comes last."""
    path = encode(tmp_path / "clip.mp4", numbered_frames(50), range(50), Fraction(1, 25))
    content = path.read_bytes()
    assert content.index(b"moov") > len(content) / 2
    path.write_bytes(content[: len(content) // 2])
    assert reason_of(path) == "truncated"


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.avi", "clip.ts"])
def test_damaged_bytes(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Frames or a MediaError, nothing else, and nothing is printed."""
    path = tmp_path / name
    write_video(
        path, numbered_frames(60), 25, audio=SOUND[:38400], video_codec="mpeg4" if "avi" in name else None
    )
    whole = path.read_bytes()
    read = 0
    for seed in range(25):
        path.write_bytes(whole)
        damage(path, seed)
        for segment in ({}, {"start": 1.2, "end": 2.0}):
            frames, _ = frames_or_reason(path, size=(24, 32), **segment)
            assert frames is None or frames.shape == (5, 24, 32, 3)
            read += frames is not None
    assert read > 0
    assert capfd.readouterr() == ("", "")


# Names, processes, threads


@pytest.mark.parametrize(
    "name", ["ein Gespräch.mp4", "会話 #1?.mp4", "concat:a|b.mp4", "-y.mp4", "100%d.mp4"]
)
def test_any_name(tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / name).write_bytes(clip.read_bytes())
    assert numbers(read_frames(tmp_path / name, n=2)) == [25, 75]
    monkeypatch.chdir(tmp_path)
    assert numbers(read_frames(Path(name), n=2)) == [25, 75]


def test_a_name_that_is_no_text(tmp_path: Path, clip: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff\xfe.mp4")
    try:
        path.write_bytes(clip.read_bytes())
    except OSError:
        pytest.skip("this file system takes only names that are text")
    assert numbers(read_frames(path, n=2)) == [25, 75]
    path.write_bytes(b"")
    with pytest.raises(MediaError) as caught:
        read_frames(path)
    assert str(caught.value).isascii()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_in_worker_processes(clip: Path, tmp_path: Path, method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} on this system")
    expected = read_frames(clip)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        for frames in pool.map(read_frames, [clip] * 4):
            assert np.array_equal(frames, expected)
        with pytest.raises(MediaError) as caught:
            pool.submit(read_frames, tmp_path / "missing.mp4").result()
    assert caught.value.reason == "missing-file"
    assert caught.value.path == tmp_path / "missing.mp4"


def test_in_threads(clip: Path, long_clip: Path) -> None:
    paths = [clip, long_clip] * 6
    expected = {path: read_frames(path) for path in (clip, long_clip)}
    with ThreadPoolExecutor(4) as pool:
        for path, frames in zip(paths, pool.map(read_frames, paths), strict=True):
            assert np.array_equal(frames, expected[path])


def test_decoders_start_no_threads(clip: Path) -> None:
    from emofuse.data.container import open_media, video_stream

    with open_media(clip) as container:
        assert video_stream(container, clip).codec_context.thread_count == 1


# Real recordings


@pytest.mark.parametrize("name", ["interview.mp4", "talking_head_1.mp4", "talking_head_2.mp4"])
def test_real_clips(shared_media: Path, name: str) -> None:
    frames = read_frames(shared_media / name, size=(96, 128))
    assert frames.shape == (15, 96, 128, 3)
    assert frames.mean() > 20, "not black"
    assert frames.std(axis=(1, 2, 3)).min() > 10, "no frame is plain"
    assert not np.array_equal(frames[0], frames[-1])
    info = probe(shared_media / name)
    assert info.has_video
    assert info.has_audio
    assert info.frame_rate == 25
    assert info.duration == pytest.approx(4.2 if name == "interview.mp4" else 8.0, abs=0.05)
