"""Speech as it comes: the gate, the cutter, a conversation that is remembered, and the verb."""

import io
import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from emofuse import EmofuseError, EmotionPipeline, Manifest
from emofuse.app.live import media_stream, recogniser, websocket
from emofuse.app.live.camera import CameraWithMicrophone, FilmedBy
from emofuse.app.live.cutter import Cut, CutSettings, SpeechBegan, UtteranceCutter
from emofuse.app.live.detectors import BLOCK, BLOCK_SECONDS, EnergyGate
from emofuse.app.live.events import SpokenUtterance, UtteranceLatency
from emofuse.app.live.jpegs import film_of
from emofuse.app.live.listening import listen
from emofuse.app.live.media_stream import MediaSource
from emofuse.app.live.picture_intake import LARGEST_PICTURE, MOST_REFUSED, PictureIntake
from emofuse.app.live.pictures import PICTURE_RATE, PictureBuffer, SeenPicture, as_film
from emofuse.app.live.recogniser import LiveRecogniser
from emofuse.app.live.session import HeardCut, LiveSession, samples_of_pcm
from emofuse.app.live.sources import Microphone, Piece, SoundFile, StandardInput, open_source
from emofuse.app.live.summary import latency_line
from emofuse.app.refusals import RefusedError
from emofuse.app.tasks import HearTask
from emofuse.cli.main import app
from emofuse.data.audio import read_audio
from emofuse.data.given_arrays import write_pictures
from emofuse.data.media_writer import write_video, write_wav
from emofuse.data.utterance import Utterance
from emofuse.inference.segments import EmotionSegment
from emofuse.runs.run_folder import RunFolder
from emofuse.training.fit import fit_run
from tests.inference.timelines.made import segment
from tests.small_corpus import COLOURS, TONES, small_settings
from tests.small_runs import text_run

RATE = 16_000


def tone(seconds: float, hertz: float = 440.0, level: float = 0.3) -> NDArray[np.float32]:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def room(seconds: float, level: float = 0.002, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, level, round(seconds * RATE)).astype(np.float32)


def cuts_of(sound: NDArray[np.float32], settings: CutSettings | None = None, piece: int = 700) -> list[Cut]:
    cutter = UtteranceCutter(EnergyGate(), settings)
    events: list[SpeechBegan | Cut] = []
    for begin in range(0, len(sound), piece):
        events += cutter.push(sound[begin : begin + piece])
    return [event for event in [*events, *cutter.flush()] if isinstance(event, Cut)]


def spans(cuts: list[Cut]) -> list[tuple[float, float]]:
    return [(cut.start, cut.end) for cut in cuts]


def test_utterances_are_cut_where_they_begin_and_end_whatever_the_noise_of_the_room() -> None:
    for level in (0.0, 0.0005, 0.004, 0.01):
        parts = [room(1.0, level), tone(0.8), room(0.9, level), tone(1.2, level=0.15), room(1.0, level)]
        found = cuts_of(np.concatenate(parts))
        assert np.array(spans(found)) == pytest.approx(np.array([(1.0, 1.8), (2.7, 3.9)]), abs=0.07), level
        assert [cut.decided - cut.end for cut in found] == pytest.approx([0.5, 0.5], abs=0.04)
        # The padding is part of the sound, not of the times.
        assert [len(cut.samples) / RATE for cut in found] == pytest.approx([1.1, 1.5], abs=0.1)
    assert cuts_of(room(5.0, 0.01)) == []


def test_short_pauses_and_clicks_make_no_utterance() -> None:
    sound = np.concatenate([room(1.0), tone(0.06), room(1.0), tone(0.5), room(0.3), tone(0.5), room(1.0)])
    assert np.array(spans(cuts_of(sound))) == pytest.approx(np.array([(2.06, 3.36)]), abs=0.07)


def test_hysteresis_keeps_a_voice_that_falls_and_a_fan_becomes_the_floor() -> None:
    falling = tone(1.0) * np.linspace(1, 0.02, RATE, dtype=np.float32)
    [cut] = cuts_of(np.concatenate([room(1.0), falling, room(1.0)]))
    assert cut.end == pytest.approx(2.0, abs=0.1)
    fan = np.concatenate([room(2.0, 0.0004), room(20.0, 0.003, seed=1), room(1.0, 0.0004)])
    assert len(cuts_of(fan)) <= 2


def test_a_monologue_is_cut_at_its_quietest_moment_and_nothing_of_it_is_lost() -> None:
    sound = np.concatenate([room(0.5), tone(1.7), tone(0.1, level=0.05), tone(4.0), room(1.0)])
    cuts = cuts_of(sound, CutSettings(longest=2.5, padding=0.1))
    assert cuts[0].end == pytest.approx(2.25, abs=0.1)
    assert all(cut.end - cut.start <= 2.6 for cut in cuts)
    assert [cut.start for cut in cuts[1:]] == pytest.approx([cut.end for cut in cuts[:-1]])
    assert cuts[-1].end == pytest.approx(6.3, abs=0.07)
    heard = np.concatenate([cut.samples for cut in cuts])
    begin = round((cuts[0].start) * RATE) - round(0.1 * RATE) // BLOCK * BLOCK
    np.testing.assert_array_equal(heard, sound[begin : begin + len(heard)])


def test_what_follows_a_cut_at_the_last_block_is_announced() -> None:
    falling = [np.full(BLOCK, level, np.float32) for level in np.linspace(0.9, 0.5, 20)]
    said = np.full(5 * BLOCK, 0.5, np.float32)
    settings = CutSettings(pause=2 * BLOCK_SECONDS, shortest=2 * BLOCK_SECONDS, longest=20 * BLOCK_SECONDS)
    cutter = UtteranceCutter(lambda block: bool(block.any()), settings)
    events = cutter.push(np.concatenate([*falling, np.zeros(6 * BLOCK, np.float32), said]))
    assert [type(event) for event in events] == [SpeechBegan, Cut, SpeechBegan]
    assert isinstance(events[1], Cut)
    assert len(events[1].samples) == 20 * BLOCK
    assert [type(event) for event in cutter.flush()] == [Cut]


def test_a_stream_in_pieces_of_any_size_and_rate_is_the_same() -> None:
    sound = np.concatenate([room(1.0), tone(0.8), room(1.0)])
    expected = spans(cuts_of(sound))
    for piece in (511, 4096, len(sound)):
        assert spans(cuts_of(sound, piece=piece)) == expected
    session = LiveSession(48_000)
    slow = np.repeat(sound, 3)  # three samples for each, crudely at 48 kHz
    events = [e for begin in range(0, len(slow), 2000) for e in session.push(slow[begin : begin + 2000])]
    [heard] = [e for e in [*events, *session.flush()] if isinstance(e, HeardCut)]
    assert (heard.cut.start, heard.cut.end) == pytest.approx(expected[0], abs=0.04)


def test_memory_is_bounded_while_nobody_speaks() -> None:
    cutter = UtteranceCutter(EnergyGate())
    for seed in range(60):
        cutter.push(room(1.0, seed=seed))
    held = sum(block.nbytes for block in [*cutter._before, *cutter._blocks]) + cutter._rest.nbytes
    assert held < 0.5 * RATE * 4


def test_pcm_is_read_as_it_is_meant_and_an_odd_byte_dropped() -> None:
    data = np.array([0, 16384, -32768], "<i2").tobytes()
    assert samples_of_pcm(data + b"\x01").tolist() == [0.0, 0.5, -1.0]


def test_the_latency_of_answers_is_told_with_its_percentile() -> None:
    made = [UtteranceLatency(pause=0.5, answer=a, total=0.5 + a) for a in np.linspace(0.1, 0.3, 21)]
    line = latency_line(made)
    assert "21 utterances" in line
    assert "median 0.70 s, 95th percentile 0.79 s" in line
    assert latency_line([]) == "no utterance was heard"


def conversation(folder: Path, labels: list[str]) -> tuple[Path, list[NDArray[np.float32]]]:
    said = [tone(0.6 + 0.1 * i, TONES[label]) for i, label in enumerate(labels)]
    parts = [part for one in said for part in (one, room(1.0))]
    write_wav(folder / "talk.wav", np.concatenate([room(1.0), *parts]))
    return folder / "talk.wav", said


class Sound:
    """A source that comes at once."""

    rate = RATE

    def __init__(self, path: Path) -> None:
        self._file = SoundFile(path, at_once=True)

    def pieces(self):
        yield from self._file.pieces()


@pytest.fixture(scope="module")
def causal_run(media_corpus: Manifest, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    options = {"dim": 16, "heads": 2, "context": "causal", "window": 3}
    settings = small_settings(
        media_corpus,
        model__name="mfcre",
        model__modalities=["audio", "video"],
        model__options=options,
        optimiser__epochs=2,
        encoders__audio={"modality": "audio", "name": "logmel-functionals"},
        encoders__video={"modality": "video", "name": "frame-statistics", "frames": 4},
    )
    return fit_run(settings, media_corpus, tmp_path_factory.mktemp("runs") / "causal")


def test_a_causal_run_remembers_the_conversation_as_it_does_in_a_batch(
    causal_run: RunFolder, tmp_path: Path
) -> None:
    pipe = EmotionPipeline.from_pretrained(causal_run.path, device="cpu")
    path, _ = conversation(tmp_path, ["joy", "anger", "sadness", "joy", "joy"])
    told = [e for e in listen(pipe, Sound(path)) if isinstance(e, SpokenUtterance)]
    assert [e.number for e in told] == [0, 1, 2, 3, 4]

    session, heard = LiveSession(RATE), []
    for piece in Sound(path).pieces():
        heard += [e for e in session.push(piece.samples) if isinstance(e, HeardCut)]
    for one in heard:
        write_wav(tmp_path / f"{one.number}.wav", one.cut.samples)
    rows = pd.DataFrame(
        [
            {"id": str(one.number), "dialogue": "d", "turn": one.number, "audio": f"{one.number}.wav"}
            for one in heard
        ]
    )
    Manifest.from_frame(rows, tmp_path).write(tmp_path / "manifest.csv")
    batch = pipe.predict_manifest(Manifest.read(tmp_path / "manifest.csv").validate())
    alone = [pipe(tmp_path / f"{number}.wav")[0] for number in range(5)]
    for live, expected in zip(told, batch, strict=True):
        assert live.probabilities == pytest.approx(expected.probabilities, abs=1e-4)
    assert told[0].probabilities == pytest.approx(alone[0].probabilities, abs=1e-4)
    assert told[4].probabilities != pytest.approx(alone[4].probabilities, abs=1e-4), "the past counts"


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A conversation that is seen in a colour for each emotion, grey between."""
    folder = tmp_path_factory.mktemp("film")
    path, _ = conversation(folder, ["joy", "anger", "sadness"])
    sound = read_audio(path, rate=RATE)
    frames = np.full((round(len(sound) / RATE * 10), 32, 40, 3), 90, np.uint8)
    begin = 1.0
    for i, label in enumerate(["joy", "anger", "sadness"]):
        frames[round(10 * begin) : round(10 * (begin + 0.6 + 0.1 * i))] = COLOURS[label]
        begin += 1.6 + 0.1 * i
    write_video(folder / "film.mp4", frames, 10, audio=sound, crf=4)
    return folder / "film.mp4"


def test_what_is_seen_while_somebody_speaks_counts_as_it_does_in_a_batch(
    causal_run: RunFolder, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks: list[HearTask] = []
    hear = LiveRecogniser.hear
    monkeypatch.setattr(LiveRecogniser, "hear", lambda self, task: tasks.append(task) or hear(self, task))
    pipe = EmotionPipeline.from_pretrained(causal_run.path, device="cpu")
    told = [e for e in listen(pipe, open_source(str(film), at_once=True)) if isinstance(e, SpokenUtterance)]
    assert [e.used for e in told] == [["audio", "video"]] * 3
    rows = []
    for task, label in zip(tasks, ["joy", "anger", "sadness"], strict=True):
        assert task.pictures is not None
        assert 5 <= len(task.pictures) <= 8
        middle = task.pictures[1:-1].reshape(-1, 3).mean(axis=0)
        assert middle == pytest.approx(np.array(COLOURS[label]), abs=8)
        write_wav(tmp_path / f"{task.number}.wav", task.samples)
        write_pictures(tmp_path / f"{task.number}.avi", task.pictures, PICTURE_RATE)
        files = {"audio": f"{task.number}.wav", "video": f"{task.number}.avi"}
        rows.append({"id": str(task.number), "dialogue": "d", "turn": task.number, **files})
    batch = pipe.predict_manifest(Manifest.from_frame(pd.DataFrame(rows), tmp_path).validate())
    for live, expected in zip(told, batch, strict=True):
        assert live.probabilities == pytest.approx(expected.probabilities, abs=1e-4)


@pytest.mark.parametrize("hurried", [False, True])
def test_a_stream_of_the_network_gives_what_the_file_gives(
    film: Path, hurried: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media_stream, "_HURRIED", ("http",) if hurried else ())

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given, directory=str(film.parent))

        def log_message(self, format: str, *args: object) -> None:
            pass

    def taken(source: MediaSource) -> tuple[NDArray[np.float32], list[SeenPicture]]:
        source.wants_pictures = True
        pieces = list(source.pieces())
        assert not any(piece.lost for piece in pieces)
        return np.concatenate([p.samples for p in pieces]), [seen for p in pieces for seen in p.pictures]

    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        sound, pictures = taken(MediaSource(f"{address}/film.mp4", at_once=True))
        with pytest.raises(EmofuseError, match=r"none\.mp4: cannot be listened to") as refused:
            open_source(f"{address}/none.mp4".replace("//", "//me:secret@", 1))
        assert "secret" not in str(refused.value)
        server.shutdown()
    expected = read_audio(film, rate=RATE)
    assert len(sound) == pytest.approx(len(expected), abs=RATE // 20)
    np.testing.assert_allclose(sound[: len(expected)], expected[: len(sound)], atol=0.02)
    times = [seen.time for seen in pictures]
    assert np.diff(times) == pytest.approx(np.full(len(times) - 1, 0.1), abs=0.11)
    assert times[-1] == pytest.approx(len(sound) / RATE, abs=0.3)
    _, same = taken(MediaSource(str(film), at_once=True))
    assert [seen.time for seen in same] == pytest.approx(times)


def test_pictures_are_let_go_when_they_are_old_and_repeated_where_none_came() -> None:
    buffer: PictureBuffer[SeenPicture] = PictureBuffer(2.0)
    for i in range(200):
        buffer.add([SeenPicture(i / 10, np.full((2, 2, 3), i, np.uint8))])
    assert len(buffer._held) <= 32
    found = as_film([seen.pixels for seen in buffer.between(19.0, 19.5)])
    assert found is not None
    assert found[:, 0, 0, 0].tolist() == [190, 191, 193, 194]
    assert buffer.between(3.0, 4.0) == []
    assert as_film([]) is None
    sparse: PictureBuffer[SeenPicture] = PictureBuffer(10.0)
    sparse.add([SeenPicture(0.5, np.full((2, 2, 3), 7, np.uint8))])
    assert len(sparse.between(0.0, 1.0)) == 8


def test_live_on_a_file_tells_lines_and_json(causal_run: RunFolder, tmp_path: Path) -> None:
    path, said = conversation(tmp_path, ["joy", "anger"])
    arguments = [
        "live",
        str(causal_run.path),
        "--input",
        str(path),
        "--at-once",
        "--gate",
        "energy",
        "--device",
        "cpu",
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "2 utterances; from its end to its answer: median 0." in result.output
    assert result.output.count("s after its end") == 2
    events = CliRunner().invoke(app, [*arguments, "--json", "--quiet"])
    parsed = [json.loads(line) for line in events.stdout.splitlines()]
    assert [e["event"] for e in parsed] == ["ready", "speech", "utterance", "speech", "utterance", "end"]
    assert parsed[2]["end"] - parsed[2]["start"] == pytest.approx(len(said[0]) / RATE, abs=0.1)


def test_raw_pcm_comes_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Standard:
        buffer = io.BytesIO(np.arange(1000, dtype="<i2").tobytes())

    monkeypatch.setattr(sys, "stdin", Standard())
    pieces = list(open_source("-", rate=8000).pieces())
    assert sum(len(piece.samples) for piece in pieces) == 1000
    assert len(pieces[0].samples) == 256


def test_a_file_plays_at_its_own_pace(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", tone(0.5))
    begun = time.monotonic()
    pieces = list(SoundFile(tmp_path / "a.wav").pieces())
    assert time.monotonic() - begun > 0.45
    assert sum(len(piece.samples) for piece in pieces) == RATE // 2
    assert pieces[-1].arrived - pieces[0].arrived == pytest.approx(0.5 - len(pieces[0].samples) / RATE)


def test_what_cannot_be_heard_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, causal_run: RunFolder
) -> None:
    with pytest.raises(EmofuseError, match="no such file"):
        open_source(str(tmp_path / "none.wav"))
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(EmofuseError, match=r"emofuse\[microphone\]"):
        open_source("mic")


def test_a_run_of_words_alone_says_that_it_cannot_hear(tmp_path: Path, words: RunFolder) -> None:
    write_wav(tmp_path / "a.wav", tone(0.5))
    pipe = EmotionPipeline.from_pretrained(words.path, device="cpu")
    with pytest.raises(EmofuseError, match="--modalities audio"):
        next(iter(listen(pipe, SoundFile(tmp_path / "a.wav", at_once=True))))


def test_a_microphone_that_is_not_emptied_says_what_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    class Device:
        class PortAudioError(Exception):
            pass

        def check_input_settings(self, **settings: object) -> None:
            pass

    monkeypatch.setitem(sys.modules, "sounddevice", Device())  # type: ignore[arg-type]
    microphone = Microphone()
    block = np.zeros((512, 1), np.float32)
    kept = microphone._waiting.maxsize
    for _ in range(kept + 10):
        microphone._hear(block, 512, None, None)
    first = microphone._waiting.get_nowait()
    assert isinstance(first, Piece)
    microphone._hear(block, 512, None, None)
    lost = [microphone._waiting.get_nowait().lost for _ in range(kept)]
    assert lost[-1] == pytest.approx(10 * 512 / RATE)
    assert not any(lost[:-1])


def test_a_camera_is_seen_while_the_microphone_is_heard(causal_run: RunFolder, tmp_path: Path) -> None:
    """FFmpeg's made-up camera, red alone, in the place of a device."""
    write_wav(tmp_path / "a.wav", np.concatenate([room(0.4), tone(0.5), room(0.8)]))
    camera = FilmedBy("color=red:size=1280x720:rate=25,realtime", "lavfi")
    source = CameraWithMicrophone(camera, SoundFile(tmp_path / "a.wav"))
    pipe = EmotionPipeline.from_pretrained(causal_run.path, device="cpu")
    source.wants_pictures = True
    pieces = list(source.pieces())
    seen = [picture for piece in pieces for picture in piece.pictures]
    times = np.array([picture.time for picture in seen])
    assert 5 <= len(seen) <= 16
    assert np.all(np.diff(times) >= 0)
    assert 0 <= times[0] < times[-1] <= 1.7
    assert seen[0].pixels.shape == (360, 640, 3)
    assert seen[0].pixels.reshape(-1, 3).mean(axis=0) == pytest.approx([254, 0, 0], abs=3)
    told = [
        e
        for e in listen(pipe, CameraWithMicrophone(camera, SoundFile(tmp_path / "a.wav")))
        if isinstance(e, SpokenUtterance)
    ]
    assert [e.used for e in told] == [["audio", "video"]]


def test_a_camera_that_is_not_there_or_goes_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(EmofuseError, match=r"camera /dev/none: cannot be used .*--input camera:DEVICE"):
        CameraWithMicrophone(FilmedBy.of_system("/dev/none", "linux"), StandardInput(RATE))
    assert FilmedBy.of_system("", "linux").device == "/dev/video0"
    with pytest.raises(EmofuseError, match="say which"):
        FilmedBy.of_system("", "win32")
    write_wav(tmp_path / "a.wav", room(1.0))
    source = CameraWithMicrophone(
        FilmedBy("color=red:size=64x64:rate=25:duration=0.1", "lavfi"), SoundFile(tmp_path / "a.wav")
    )
    source.wants_pictures = True
    with pytest.raises(EmofuseError, match="gives no pictures any more"):
        list(source.pieces())


def test_what_breaks_in_a_thread_that_reads_is_told_to_the_one_that_waits(
    tmp_path: Path, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*given: Any) -> Any:
        raise ValueError("no such layout")

    def exhausts(*given: Any) -> Any:
        raise MemoryError("no room")

    source = MediaSource(str(film), at_once=True)
    monkeypatch.setattr(source, "_read", breaks)
    told: list[Exception] = []

    def take() -> None:
        try:
            list(source._hurried())
        except Exception as error:
            told.append(error)

    waiting = threading.Thread(target=take, daemon=True)
    waiting.start()
    waiting.join(timeout=5)
    assert [type(error) for error in told] == [EmofuseError]
    assert str(told[0]) == f"{film}: cannot be listened to any more (ValueError: no such layout)"

    write_wav(tmp_path / "a.wav", room(1.0))
    camera = CameraWithMicrophone(
        FilmedBy("color=red:size=64x64:rate=25", "lavfi"), SoundFile(tmp_path / "a.wav")
    )
    camera.wants_pictures = True
    monkeypatch.setattr("emofuse.app.live.camera.shrunk", exhausts)
    with pytest.raises(EmofuseError, match=r"gives no pictures any more \(MemoryError: no room\)"):
        list(camera.pieces())


def jpeg(shade: int = 200, size: tuple[int, int] = (64, 48), **options: Any) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", size, (shade, 0, 0)).save(made, "JPEG", **options)
    return made.getvalue()


def test_pictures_of_a_client_are_taken_by_the_clock_of_the_sound() -> None:
    intake = PictureIntake(10.0)
    taken = [intake.take(jpeg(10 * i), i / 25) for i in range(25)]
    assert [line for line in taken if line] == [
        "pictures come faster than 8 for each second of sound; those between are left out"
    ]
    film = film_of(intake.between(0.0, 1.0))
    assert film is not None
    assert film.shape == (8, 48, 64, 3)
    assert np.all(np.diff(film[:, 0, 0, 0].astype(int)) > 0)
    assert intake.between(5.0, 6.0) == ()
    for _ in range(1000):  # pictures without sound
        intake.take(jpeg(), 1.0)
    assert len(intake.between(0.0, 2.0)) <= 16
    large = film_of([jpeg(size=(1920, 1080), quality=30)])
    assert large is not None
    assert large.shape == (1, 360, 640, 3)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"", "no JPEG"),
        (b"GIF89a" + bytes(100), "no JPEG"),
        (jpeg()[:30], "no JPEG"),
        (jpeg(progressive=True), "progressive"),
        (jpeg(size=(8, 8)), "too small"),
        (jpeg().replace(b"\x00\x30\x00\x40", b"\xff\xff\xff\xff"), "of so many pixels is larger"),
        (jpeg(size=(2600, 1500)), "2600×1500 pixels is larger"),
        (jpeg() + bytes(LARGEST_PICTURE), "at most 131072 bytes"),
    ],
)
def test_hostile_pictures_are_refused_in_a_line(data: bytes, line: str) -> None:
    intake = PictureIntake(10.0)
    assert line in str(intake.take(data, 1.0))
    assert intake.between(0.0, 2.0) == ()
    assert not intake.is_abused
    for _ in range(MOST_REFUSED):
        intake.take(data, 1.0)
    assert intake.is_abused


def hearing_run(predict: Callable[[list[Utterance]], list[EmotionSegment]], place: Path | None = None) -> Any:
    """What stands in for a run that hears each utterance alone."""
    return SimpleNamespace(
        modalities=("audio",),
        model=SimpleNamespace(config=None),
        task=SimpleNamespace(name="regression"),
        predict=predict,
        folder=None if place is None else RunFolder(place),
    )


def test_a_client_is_told_no_place_of_the_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    task, run = HearTask(0, 0.0, np.full(1600, 0.1, np.float32)), tmp_path / "runs" / "first"

    def noted(utterances: list[Utterance]) -> list[EmotionSegment]:
        line = f"{utterances[0].audio}: see {run}/run.json"
        return [replace(segment(0.0, 0.1), notes={"audio": line})]

    def refused(utterances: list[Utterance]) -> list[EmotionSegment]:
        raise EmofuseError(f"{run}/run.json: is damaged")

    heard = LiveRecogniser(hearing_run(noted, run), tmp_path).hear(task)
    assert heard.notes == {"audio": "the stream: see the run/run.json"}
    with pytest.raises(RefusedError, match=r"^the run/run\.json: is damaged$"):
        LiveRecogniser(hearing_run(refused, run), tmp_path).hear(task)

    def start(seconds: float, stopping: object) -> None:
        refused([])

    worker: Any = SimpleNamespace(start=start)
    with pytest.raises(RefusedError, match=r"^the run cannot be loaded; the server's log says why$"):
        websocket._Conversation(LiveSession(16000), worker, None).load(1.0)
    assert f"{run}/run.json: is damaged" in caplog.text


def test_workers_that_share_a_scratch_do_not_hear_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recogniser, "id", lambda _: 1, raising=False)  # two processes may count alike
    heard: dict[int, float] = {}

    def task(number: int) -> HearTask:
        return HearTask(number, 0.0, np.full(1600, 0.1 * number, np.float32))

    def predict(utterances: list[Utterance]) -> list[EmotionSegment]:
        [utterance] = utterances
        if utterance.turn == 1:
            other.hear(task(2))
        assert utterance.audio is not None
        heard[int(utterance.id)] = float(read_audio(utterance.audio).max())
        return [segment(0.0, 0.1)]

    pipe = hearing_run(predict)
    other = LiveRecogniser(pipe, tmp_path)
    LiveRecogniser(pipe, tmp_path).hear(task(1))
    assert heard == pytest.approx({1: 0.1, 2: 0.2}, abs=1e-3)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_breaks_off_is_left_out_where_it_is_read() -> None:
    whole = jpeg(size=(640, 480))
    assert film_of([whole[:-400]]) is None
    film = film_of([whole, whole[:-400], whole])
    assert film is not None
    assert len(film) == 2


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    from tests.small_runs import text_corpus

    folder = tmp_path_factory.mktemp("words")
    return text_run(text_corpus(folder), folder / "run", optimiser__epochs=1)
