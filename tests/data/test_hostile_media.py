"""Small recordings whose headers and time stamps lie: bounded in memory, and set aside where they cannot be read."""

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import SHARED
from tests.data.material import encode, encode_sound, numbered_frames, patch_box, wave_file

# Reads every file named on its input in three gigabytes of address space, and prints a line of JSON for each.
READ = """
import json, resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
from emofuse.data.audio import read_audio
from emofuse.data.clip import clip_utterance, fixed_length_segments
from emofuse.data.frames import read_frames
from emofuse.data.media_error import MediaError
from emofuse.data.pictures import PictureSampling, open_pictures

def seconds(path):
    return len(read_audio(path)) / 16000

def frames(path):
    return len(read_frames(path, n=3, size=(32, 32)))

def pictures(path):
    return sum(map(len, open_pictures(path, PictureSampling(rate=5, size=(32, 32)))))

def segments(path):
    return len(fixed_length_segments(*clip_utterance(path), 10.0))

for line in sys.stdin:
    told = {}
    for read in (seconds, frames, pictures, segments):
        try:
            told[read.__name__] = read(Path(line.strip()))
        except MediaError as error:
            told[read.__name__] = error.reason
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    told["peak"] = int(status["VmHWM"].split()[0])
    print(json.dumps(told), flush=True)
"""
MEGABYTE = 1024  # of the kilobytes that the system counts in
LYING = ("gap599x100.mp4", "gap599x3_192k.mkv", "mjpegpcm-58-lie.avi", "h264frag-0-flip_head.mp4")

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="only Linux bounds and tells the memory of a process"
)


def read_apart(paths: list[Path]) -> list[dict[str, float | str]]:
    """What a process of its own makes of files: numbers, or the reason of a MediaError."""
    done = subprocess.run(
        [sys.executable, "-c", READ],
        input="\n".join(map(str, paths)),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == len(paths)
    return told


def test_recordings_that_lie_about_their_time_take_no_gigabytes() -> None:
    paths = [SHARED / "cases" / name for name in LYING]
    if not all(path.exists() for path in paths):
        pytest.skip(f"the shared material {SHARED / 'cases'} is not on this machine")
    for told in read_apart(paths):
        assert told["peak"] < 200 * MEGABYTE
        assert all(isinstance(value, str) or value < 1e5 for value in told.values())
        assert told["segments"] < 100


def sound(seconds: float) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal((1, round(16000 * seconds)))


def pictures_far_apart(codec: str) -> Callable[[Path], object]:
    """Five pictures, each ten minutes after the one before, beside one second of sound."""
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    pts = [25 * 600 * k for k in range(5)]
    return lambda path: encode(
        path, numbered_frames(5), pts, Fraction(1, 25), codec=codec, pixels=pixels, sound=sound(1)[0]
    )


def sound_far_apart(codec: str) -> Callable[[Path], object]:
    """Twenty tenths of a second, 599 s apart."""
    pts = [(16000 * 599 * k, 1600) for k in range(20)]
    return lambda path: encode_sound(path, sound(2), 16000, codec, pts=pts)


def boxes(box: bytes, offset: int, value: int) -> Callable[[Path], object]:
    """One second of pictures and sound whose MP4 boxes of a kind say something else."""

    def make(path: Path) -> None:
        encode(path, numbered_frames(25), range(25), Fraction(1, 25), sound=sound(1)[0])
        patch_box(path, box, offset, struct.pack(">I", value))

    return make


def rate_of_pictures(scale: int, rate: int) -> Callable[[Path], object]:
    """Twenty-five pictures at ``rate / scale`` per second, says the AVI."""

    def make(path: Path) -> None:
        encode(path, numbered_frames(25), range(25), Fraction(1, 25), codec="mjpeg", pixels="yuvj420p")
        content = bytearray(path.read_bytes())
        at = content.index(b"strh") + 8 + 20
        content[at : at + 8] = struct.pack("<II", scale, rate)
        path.write_bytes(bytes(content))

    return make


def rate_of_sound(rate: int, bits: int = 8) -> Callable[[Path], object]:
    """16000 samples, a second's, at another rate."""
    samples = np.random.default_rng(0).integers(0, 256, 16000, np.uint8).tobytes()
    return lambda path: wave_file(path, samples, bits=bits, rate=rate)


# name → how it is made, seconds of sound, pictures at 5 per second.
SPARSE_PICTURES = (pytest.approx(1.0, abs=0.1), 1)
SPARSE_SOUND = (pytest.approx(2.0, abs=0.1), "no-video")
ONE_SECOND = (pytest.approx(1.0, abs=0.1), 5)
KINDS: dict[str, tuple[Callable[[Path], object], object, object]] = {
    "pictures.mp4": (pictures_far_apart("libx264"), *SPARSE_PICTURES),
    "pictures.mkv": (pictures_far_apart("libx264"), *SPARSE_PICTURES),
    "pictures.mov": (pictures_far_apart("mjpeg"), *SPARSE_PICTURES),
    "pictures.avi": (pictures_far_apart("mjpeg"), *SPARSE_PICTURES),
    "pictures.ts": (pictures_far_apart("mpeg2video"), *SPARSE_PICTURES),
    "pictures.flv": (pictures_far_apart("libx264"), *SPARSE_PICTURES),
    "sound.mp4": (sound_far_apart("aac"), *SPARSE_SOUND),
    "sound.mov": (sound_far_apart("pcm_s16le"), *SPARSE_SOUND),
    "sound.mkv": (sound_far_apart("pcm_s16le"), *SPARSE_SOUND),
    "sound.avi": (sound_far_apart("pcm_s16le"), *SPARSE_SOUND),
    "sound.ts": (sound_far_apart("mp2"), *SPARSE_SOUND),
    "sound.nut": (sound_far_apart("pcm_s16le"), *SPARSE_SOUND),
    "long-film.mp4": (boxes(b"mvhd", 16, 0x7FFFFFFF), *ONE_SECOND),
    "long-stream.mp4": (boxes(b"mdhd", 16, 0x7FFFFFFF), *ONE_SECOND),
    "slow.avi": (rate_of_pictures(1_000_000, 1), "no-audio", 5),
    "never.avi": (rate_of_pictures(2**32 - 1, 1), "no-audio", 5),
    "slow.wav": (rate_of_sound(1), "undecodable", "no-video"),
    "fast.wav": (rate_of_sound(2**28), "undecodable", "no-video"),
    "fastest.wav": (rate_of_sound(2**31 - 1), "undecodable", "no-video"),
    "ultrasonic.wav": (rate_of_sound(768_000), pytest.approx(1 / 48, abs=1e-3), "no-video"),
}


def test_what_is_claimed_is_not_believed_beyond_what_packets_hold(tmp_path: Path) -> None:
    for name, (make, _, _) in KINDS.items():
        make(tmp_path / name)
    told = dict(zip(KINDS, read_apart([tmp_path / name for name in KINDS]), strict=True))
    assert {name: (one["seconds"], one["pictures"]) for name, one in told.items()} == {
        name: (seconds, pictures) for name, (_, seconds, pictures) in KINDS.items()
    }
    with_pictures = [one["frames"] for one in told.values() if one["frames"] != "no-video"]
    assert with_pictures == [3] * 10
    assert told["fastest.wav"]["peak"] < 200 * MEGABYTE
    assert {name for name, one in told.items() if one["segments"] != 1} == {"slow.wav"}
