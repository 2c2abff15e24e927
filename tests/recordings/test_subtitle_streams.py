from pathlib import Path

import av
import pytest

from emofuse.recordings.cues import utterances_of
from emofuse.recordings.spoken import Spoken
from emofuse.recordings.subtitle_streams import read_subtitle_stream, text_streams
from tests.data.material import encode_sound
from tests.recordings.made import MadeRecording
from tests.recordings.test_subtitles import ASS, SRT, VTT


def with_stream(recording: Path, subtitles: Path, out: Path) -> Path:
    """The same recording with its subtitles inside; nothing is encoded anew."""
    with (
        av.open(str(recording)) as source,
        av.open(str(subtitles)) as texts,
        av.open(str(out), "w") as target,
    ):
        streams = {
            s.index: target.add_stream_from_template(s)
            for s in source.streams
            if s.type in ("video", "audio")
        }
        said = target.add_stream_from_template(texts.streams.subtitles[0])
        for packet in source.demux():
            if packet.dts is not None and packet.stream.index in streams:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
        for packet in texts.demux():
            if packet.size and packet.pts is not None:
                packet.stream = said
                target.mux(packet)
    return out


@pytest.mark.parametrize(
    ("text", "suffix", "name"), [(SRT, "srt", "ROSS"), (VTT, "vtt", "Ross"), (ASS, "ass", "Ross")]
)
def test_a_stream_says_what_its_file_says(
    film: MadeRecording, tmp_path: Path, text: str, suffix: str, name: str
) -> None:
    file = tmp_path / f"a.{suffix}"
    file.write_text(text, "utf-8")
    inside = with_stream(film.path, file, tmp_path / "inside.mkv")
    assert text_streams(inside) == 1
    assert utterances_of(read_subtitle_stream(inside)).spoken == [
        Spoken(1.0, 2.5, name, "We were on a break!"),
        Spoken(3.0, 4.0, None, "How old is he?"),
        Spoken(5.0, 6.0, None, "42"),
    ]


def test_a_recording_without_subtitles_has_none(film: MadeRecording) -> None:
    assert text_streams(film.path) == 0
    assert read_subtitle_stream(film.path) == []


def test_sound_alone_has_none(tmp_path: Path) -> None:
    import numpy as np

    path = encode_sound(tmp_path / "a.flac", np.zeros((1, 1600)), 16000, "flac")
    assert read_subtitle_stream(path) == []
