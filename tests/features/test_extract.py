import os
import signal
import threading
import time
import weakref
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emofuse.data.audio import Sound
from emofuse.data.channels import CHANNELS_CANCEL
from emofuse.data.manifest import Manifest
from emofuse.data.media_writer import write_video, write_wav
from emofuse.data.quarantine import Quarantine
from emofuse.encoders.hashed_text import HashedTextEncoder
from emofuse.encoders.logmel import LogMelFunctionals
from emofuse.errors import EmofuseError
from emofuse.features import (
    ExtractionReport,
    FeatureStore,
    UnusableInputError,
    encode_utterances,
    extract_features,
)
from emofuse.features.sources import sources_of
from tests.data.material import encode_sound, wave_file
from tests.features.simple_encoders import (
    BrightnessEncoder,
    DyingEncoder,
    LengthEncoder,
    NeighbourEncoder,
    SlowNamedEncoder,
)

pytestmark = pytest.mark.usefixtures("quickly_spawned")


def texts(root: Path, **rows: str | None) -> Manifest:
    frame = pd.DataFrame({"id": list(rows), "text": list(rows.values()), "label": "joy"})
    return Manifest.from_frame(frame, root)


def run(manifest, encoder, root, **options) -> ExtractionReport:
    store, quarantine = FeatureStore(root / "features"), Quarantine(root / "quarantine.csv")
    return extract_features(manifest, encoder, store, quarantine=quarantine, **options)


def reader(root, encoder):
    return FeatureStore(root / "features").reader(encoder.identity)


def test_texts_are_encoded_once(tmp_path):
    manifest = texts(tmp_path, a="hi", b="日本語 😀", c=None, d=" ")
    encoder = LengthEncoder()
    assert run(manifest, encoder, tmp_path) == ExtractionReport(done=3, absent=1)
    assert reader(tmp_path, encoder).matrix(["b", "a", "d"])[:, 0].tolist() == [5.0, 2.0, 1.0]
    again = LengthEncoder()
    assert run(manifest, again, tmp_path) == ExtractionReport(skipped=3, absent=1)
    assert again.calls == []
    assert not (tmp_path / "quarantine.csv").exists()


def test_a_changed_text_is_encoded_again_and_a_removed_one_withdrawn(tmp_path):
    encoder = LengthEncoder()
    run(texts(tmp_path, a="one", b="two", c="three"), encoder, tmp_path)
    report = run(texts(tmp_path, a="one", b="twenty", c=None), encoder, tmp_path)
    assert report == ExtractionReport(done=1, skipped=1, absent=1)
    held = reader(tmp_path, encoder)
    assert sorted(held.ids) == ["a", "b"]
    assert held["b"][0] == 6.0


def test_one_bad_utterance_does_not_take_its_batch_along(tmp_path):
    encoder = LengthEncoder(refuse="bad", spoil="nan")
    report = run(texts(tmp_path, a="fine", b="bad", c="nan", d="good"), encoder, tmp_path)
    assert report == ExtractionReport(done=2, quarantined=2)
    assert sorted(reader(tmp_path, encoder).ids) == ["a", "d"]
    entries = {entry.id: entry for entry in Quarantine(tmp_path / "quarantine.csv").entries}
    assert set(entries) == {"b", "c"}
    assert all(entry.reason == "not-encodable" and entry.modality == "text" for entry in entries.values())
    assert "utterance c" in entries["c"].message


def test_a_mended_utterance_leaves_the_quarantine_and_a_spoilt_one_the_store(tmp_path):
    run(texts(tmp_path, a="one", b="bad"), LengthEncoder(refuse="bad"), tmp_path)
    encoder = LengthEncoder(refuse="worse")
    assert run(texts(tmp_path, a="worse", b="bad"), encoder, tmp_path) == ExtractionReport(
        done=1, quarantined=1
    )
    assert reader(tmp_path, encoder).ids == ["b"]
    assert [entry.id for entry in Quarantine(tmp_path / "quarantine.csv").entries] == ["a"]


def test_batches_are_bounded_and_texts_of_like_length_meet(tmp_path):
    encoder = LengthEncoder()
    rows = {f"u{n}": "x" * (1 + (7 * n) % 20) for n in range(20)}
    run(texts(tmp_path, **rows), encoder, tmp_path, batch_size=6)
    assert encoder.calls == [6, 6, 6, 2]
    assert [len(item) for item in encoder.seen] == sorted((len(text) for text in rows.values()), reverse=True)


def test_progress_is_told_from_nought_to_all(tmp_path):
    told = []
    rows = {f"u{n}": "x" for n in range(10)}
    run(
        texts(tmp_path, **rows),
        LengthEncoder(),
        tmp_path,
        batch_size=4,
        progress=lambda *now: told.append(now),
    )
    assert [(done, total) for done, total, _ in told] == [(0, 10), (4, 10), (8, 10), (10, 10)]
    assert "text" in told[0][2]


def test_parts_cover_every_row_once(tmp_path):
    manifest = texts(tmp_path, **{f"u{n}": str(n) for n in range(11)})
    encoder = LengthEncoder()
    reports = [run(manifest, encoder, tmp_path, shard=(part, 3)) for part in range(3)]
    assert [report.done for report in reports] == [4, 4, 3]
    assert sorted(reader(tmp_path, encoder).ids) == sorted(manifest.ids)
    for wrong in ((3, 3), (-1, 3), (0, 0)):
        with pytest.raises(EmofuseError, match="does not exist"):
            run(manifest, encoder, tmp_path, shard=wrong)


def test_parts_may_run_at_once(tmp_path):
    manifest = texts(tmp_path, **{f"u{n}": "x" * (n + 1) for n in range(40)})
    store = FeatureStore(tmp_path / "features", shard_rows=3)

    def part(number):
        quarantine = Quarantine(tmp_path / f"quarantine{number}.csv")
        extract_features(
            manifest, LengthEncoder(), store, quarantine=quarantine, batch_size=2, shard=(number, 4)
        )

    threads = [threading.Thread(target=part, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    held = reader(tmp_path, LengthEncoder())
    assert held.matrix(manifest.ids)[:, 0].tolist() == list(range(1, 41))


def tone(seconds: float) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * 200 * np.arange(int(seconds * 16000)) / 16000)


@pytest.fixture
def recordings(tmp_path) -> Manifest:
    """Sound on its own, in a video, in a part of a file; and all that can be wrong with it."""
    frames = np.zeros((5, 32, 32, 3), np.uint8)
    write_wav(tmp_path / "ton.wav", tone(1.0))
    write_wav(tmp_path / "né.wav", tone(0.5))
    write_video(tmp_path / "clip.mp4", frames, 10, audio=tone(0.5))
    write_video(tmp_path / "silent film.mp4", frames, 10)
    (tmp_path / "broken.wav").write_bytes(b"RIFF\x10\0\0\0WAVEgarbage")
    (tmp_path / "empty.wav").write_bytes(b"")
    rows = [
        {"id": "wav", "audio": "ton.wav"},
        {"id": "part", "audio": "ton.wav", "start": 0.25, "end": 0.5},
        {"id": "non-ascii", "audio": "né.wav"},
        {"id": "in-video", "video": "clip.mp4"},
        {"id": "both", "video": "silent film.mp4", "audio": "né.wav"},
        {"id": "no-track", "video": "silent film.mp4"},
        {"id": "nothing", "text": "only words"},
        {"id": "broken", "audio": "broken.wav"},
        {"id": "empty", "audio": "empty.wav"},
        {"id": "gone", "audio": "gone.wav"},
        {"id": "beyond", "audio": "né.wav", "start": 5.0, "end": 6.0},
    ]
    return Manifest.from_frame(pd.DataFrame(rows), tmp_path)


@pytest.mark.parametrize("workers", [0, 2])
def test_sound_is_decoded_and_what_cannot_be_is_set_aside(recordings, tmp_path, workers):
    encoder = LengthEncoder("audio")
    report = run(recordings, encoder, tmp_path, workers=workers, batch_size=2)
    assert report == ExtractionReport(done=5, absent=2, quarantined=4)
    assert report.total == len(recordings)
    held = reader(tmp_path, encoder)
    lengths = {utterance_id: int(held[utterance_id][0]) for utterance_id in held.ids}
    assert lengths.pop("in-video") == pytest.approx(8000, abs=1100)  # AAC comes in blocks of 1024
    assert lengths == {"wav": 16000, "part": 4000, "non-ascii": 8000, "both": 8000}
    reasons = {entry.id: entry.reason for entry in Quarantine(tmp_path / "quarantine.csv").entries}
    assert reasons.pop("no-track") == "no-audio"
    assert reasons["gone"] == "missing-file"
    assert set(reasons) == {"broken", "empty", "gone", "beyond"}


def test_silence_is_absent_and_channels_that_cancel_are_told(tmp_path):
    voice = tone(0.5)
    write_wav(tmp_path / "zeros.wav", np.zeros(8000))
    encode_sound(tmp_path / "opposed.wav", np.stack([voice, -voice]), 16000, "pcm_s16le")
    encode_sound(tmp_path / "alike.wav", np.stack([voice, voice]), 16000, "pcm_s16le")
    names = ["zeros", "opposed", "alike"]
    rows = [{"id": name, "audio": f"{name}.wav"} for name in names]
    encoder = LengthEncoder("audio")
    report = run(Manifest.from_frame(pd.DataFrame(rows), tmp_path), encoder, tmp_path)
    assert report == ExtractionReport(done=2, absent=1)
    assert (report.reasons, report.notes) == ({"silent": 1}, {CHANNELS_CANCEL: 1})
    assert sorted(reader(tmp_path, encoder).ids) == ["alike", "opposed"]
    heard = sorted(float(np.abs(sound).max()) for sound in encoder.seen)
    assert heard == pytest.approx([0.5, 0.5], abs=1e-3)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("told", ["by the manifest", "by the file"])
def test_of_long_sounds_no_more_than_two_are_held(tmp_path, monkeypatch, workers, told):
    """Files of twenty minutes, more than may wait; they are holes, so they take no space."""
    rows, alive, most = [], set(), []
    for number in range(5):
        wave_file(tmp_path / f"{number}.wav", b"", bits=8, rate=8000, stated=8000 * 1200)
        os.truncate(tmp_path / f"{number}.wav", 44 + 8000 * 1200)
        rows.append({"id": str(number), "audio": f"{number}.wav"})
        rows[-1] |= {"start": 0.0, "end": 1200.0} if told == "by the manifest" else {}

    def read(path, start, end):
        sound = np.ones(16000, np.float32)
        alive.add(path.name)
        most.append(len(alive))
        weakref.finalize(sound, alive.discard, path.name)
        return Sound(sound)

    class Forgetful(LengthEncoder):
        def encode(self, items):
            return np.array([self._one(item) for item in items], np.float32)

    monkeypatch.setattr("emofuse.features.encoding._WAITING_BYTES", 16000 * 4)
    monkeypatch.setattr("emofuse.features.sources.read_audible", read)
    manifest = Manifest.from_frame(pd.DataFrame(rows), tmp_path)
    assert run(manifest, Forgetful("audio"), tmp_path, workers=workers).done == 5
    assert max(most) <= (2 if workers else 1)
    assert not alive


def test_a_file_that_changed_is_decoded_again(recordings, tmp_path):
    encoder = LengthEncoder("audio")
    run(recordings, encoder, tmp_path)
    write_wav(tmp_path / "ton.wav", tone(2.0))
    write_wav(tmp_path / "gone.wav", tone(0.1))
    report = run(recordings, encoder, tmp_path)
    assert (report.done, report.skipped, report.quarantined) == (
        3,
        3,
        3,
    )  # wav and part of it, and the new one
    held = reader(tmp_path, encoder)
    assert held["wav"][0] == 32000
    assert held["gone"][0] == 1600


def test_a_file_that_broke_is_withdrawn(recordings, tmp_path):
    encoder = LengthEncoder("audio")
    run(recordings, encoder, tmp_path)
    (tmp_path / "né.wav").write_bytes(b"")
    run(recordings, encoder, tmp_path)
    assert sorted(reader(tmp_path, encoder).ids) == ["in-video", "part", "wav"]


def test_little_sound_waits_for_the_encoder(tmp_path, monkeypatch):
    write_wav(tmp_path / "ton.wav", tone(1.0))
    frame = pd.DataFrame({"id": [f"u{n}" for n in range(50)], "audio": "ton.wav"})
    monkeypatch.setattr("emofuse.features.encoding._WAITING_BYTES", 3 * 16000 * 4)
    encoder = LengthEncoder("audio")
    run(Manifest.from_frame(frame, tmp_path), encoder, tmp_path, batch_size=64)
    assert max(encoder.calls) == 3
    assert sum(encoder.calls) == 50


def test_a_store_that_cannot_be_written_stops_the_work(tmp_path):
    (tmp_path / "features").write_text("in the way")
    with pytest.raises(EmofuseError, match="cannot keep features there"):
        run(texts(tmp_path, a="hi"), LengthEncoder(), tmp_path)


def test_the_embedded_encoders_fill_a_store_from_real_clips(shared_media, tmp_path):
    clips = sorted(shared_media.glob("*.mp4"))
    rows = [
        {"id": clip.stem, "video": clip.name, "text": clip.stem.replace("_", " "), "end": 2.0}
        for clip in clips
    ]
    manifest = Manifest.from_frame(pd.DataFrame(rows), shared_media)
    for encoder in (HashedTextEncoder(), LogMelFunctionals()):
        assert run(manifest, encoder, tmp_path) == ExtractionReport(done=len(clips))
        matrix = reader(tmp_path, encoder).matrix(manifest.ids)
        assert matrix.shape == (len(clips), encoder.dim)
        assert len(np.unique(matrix, axis=0)) == len(clips)
    assert len(FeatureStore(tmp_path / "features").identities()) == 2


def slow_work(root: Path) -> None:
    store, quarantine = FeatureStore(root / "features", shard_rows=5), Quarantine(root / "quarantine.csv")
    extract_features(many(root), LengthEncoder(pause=0.01), store, quarantine=quarantine, batch_size=2)


def many(root: Path) -> Manifest:
    return texts(root, **{f"u{n}": "ö" * (n % 50 + 1) for n in range(200)})


def killed_when(root: Path, shards: int) -> None:
    """Run the extraction in a process of its own and kill it once it has written some shards."""
    process = get_context("fork").Process(target=slow_work, args=(root,))
    process.start()
    deadline = time.monotonic() + 60
    while len(list(root.glob("features/*/[0-9]*.arrow"))) < shards and time.monotonic() < deadline:
        assert process.is_alive(), "it ended before it could be killed"
        time.sleep(0.002)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def test_killed_work_resumes_and_gives_what_undisturbed_work_gives(tmp_path):
    disturbed, undisturbed = tmp_path / "disturbed", tmp_path / "undisturbed"
    encoder = LengthEncoder()
    killed_when(disturbed, shards=3)
    kept = reader(disturbed, encoder).ids
    assert 15 <= len(kept) < 200
    killed_when(disturbed, shards=len(list(disturbed.glob("features/*/[0-9]*.arrow"))) + 4)
    kept_later = reader(disturbed, encoder).ids
    assert len(kept_later) >= len(kept) + 20
    report = run(many(disturbed), encoder, disturbed)
    assert report.skipped == len(kept_later)
    assert report.done == 200 - len(kept_later)

    run(many(undisturbed), encoder, undisturbed)
    ids = many(undisturbed).ids
    one, other = reader(disturbed, encoder), reader(undisturbed, encoder)
    np.testing.assert_array_equal(one.matrix(ids), other.matrix(ids))
    assert [one.fingerprint(each) for each in ids] == [other.fingerprint(each) for each in ids]
    written = [row for file in disturbed.glob("features/*/[0-9]*.arrow") for row in stored_ids(file)]
    assert sorted(written) == sorted(ids)  # every row is in one shard only
    assert [folder.name for folder in (disturbed / "features").iterdir()] == [encoder.identity.digest]


def stored_ids(file: Path) -> list[str]:
    import pyarrow.ipc

    return pyarrow.ipc.open_file(file.read_bytes()).read_all()["id"].to_pylist()


def dialogue(root: Path, *texts: str | None) -> Manifest:
    rows = {"id": [f"t{n}" for n in range(len(texts))], "dialogue": "d", "text": list(texts)}
    return Manifest.from_frame(pd.DataFrame(rows), root)


def test_an_utterance_is_encoded_in_its_dialogue_and_anew_when_a_neighbour_changes(tmp_path):
    encoder = NeighbourEncoder()
    run(dialogue(tmp_path, "a", "bb", "ccc", "dddd"), encoder, tmp_path)
    assert reader(tmp_path, encoder).matrix(["t0", "t1", "t2", "t3"]).tolist() == [
        [1, 2],
        [2, 4],
        [3, 6],
        [4, 3],
    ]
    report = run(dialogue(tmp_path, "a", "bb", "ccc", "DDDD D"), NeighbourEncoder(), tmp_path)
    assert report == ExtractionReport(done=2, skipped=2)  # itself and the one before
    report = run(dialogue(tmp_path, "a", None, "ccc", "DDDD D"), NeighbourEncoder(), tmp_path)
    assert report == ExtractionReport(done=2, skipped=1, absent=1)
    assert reader(tmp_path, encoder)["t0"].tolist() == [1, 3]


def test_a_turn_before_is_not_a_turn_after(tmp_path):
    """The same words at other places are another source."""
    encoder = NeighbourEncoder()
    first = sources_of(dialogue(tmp_path, "x", "y").rows(), encoder)
    second = sources_of(dialogue(tmp_path, "y", "x").rows(), encoder)
    assert first["t1"].fingerprint != second["t0"].fingerprint


def test_a_part_sees_neighbours_that_belong_to_another(tmp_path):
    manifest = dialogue(tmp_path, "a", "bb", "ccc", "dddd")
    encoder = NeighbourEncoder()
    for part in range(3):
        run(manifest, encoder, tmp_path, shard=(part, 3))
    assert reader(tmp_path, encoder).matrix(manifest.ids).tolist() == [[1, 2], [2, 4], [3, 6], [4, 3]]


@pytest.fixture
def films(tmp_path) -> Manifest:
    for name, grey in (("dark", 0), ("grey", 120), ("bright", 200)):
        half = np.full((6, 16, 32, 3), grey, np.uint8)
        half[:, :, 16:] //= 2
        write_video(tmp_path / f"{name}.mp4", half, 10)
    (tmp_path / "broken.mp4").write_bytes(b"not a film")
    rows = [
        {"id": "grey", "video": "grey.mp4"},
        {"id": "dark", "video": "dark.mp4"},
        {"id": "left", "video": "bright.mp4", "crop": "left"},
        {"id": "right", "video": "bright.mp4", "crop": "right"},
        {"id": "broken", "video": "broken.mp4"},
        {"id": "nothing", "audio": "sound.wav"},
    ]
    return Manifest.from_frame(pd.DataFrame(rows), tmp_path)


@pytest.mark.parametrize("options", [{"workers": 0}, {"workers": 2}, {"processes": 2}])
def test_video_is_read_and_what_shows_nothing_is_counted(films, tmp_path, options):
    encoder = BrightnessEncoder()
    report = run(films, encoder, tmp_path, **options)
    assert report == ExtractionReport(done=3, absent=1, quarantined=2)
    assert report.reasons == {"no-face": 1, "not-media": 1}
    held = reader(tmp_path, encoder)
    assert {name: held[name].round(-1).tolist() for name in held} == {
        "grey": [0.0, 90.0], "left": [0.0, 200.0], "right": [0.0, 100.0]
    }  # fmt: skip
    entries = {entry.id: entry for entry in Quarantine(tmp_path / "quarantine.csv").entries}
    assert (entries["dark"].reason, entries["dark"].modality) == ("no-face", "video")
    assert set(encoder.calls) <= {1}


def test_the_other_half_of_the_picture_is_another_source(films):
    sources = sources_of(films.rows(), BrightnessEncoder())
    assert sources["left"].fingerprint != sources["right"].fingerprint
    assert sources["nothing"] is None


def test_a_video_encoder_must_say_which_pictures_it_needs(films, tmp_path):
    with pytest.raises(TypeError, match="which pictures"):
        run(films, LengthEncoder("video"), tmp_path)


def test_a_process_that_dies_is_one_clear_line_and_what_was_finished_is_kept(tmp_path):
    rows = {f"u{n:03}": "long enough to come first" for n in range(40)} | {"last": "die"}
    encoder = DyingEncoder()
    with pytest.raises(EmofuseError, match="a process that encodes has died"):
        run(texts(tmp_path, **rows), encoder, tmp_path, processes=2, batch_size=4)
    assert len(reader(tmp_path, encoder)) >= 4
    report = run(texts(tmp_path, **rows), LengthEncoder(), tmp_path)
    assert report.done + report.skipped == 41


def test_features_can_be_had_without_a_store(films, recordings):
    found = dict(encode_utterances(list(films.rows()), BrightnessEncoder()))
    assert found["nothing"] is None
    assert found["grey"].shape == (2,)
    assert isinstance(found["dark"], UnusableInputError)
    heard = dict(encode_utterances(list(recordings.rows()), LengthEncoder("audio"), batch_size=3))
    assert set(heard) == set(recordings.ids)
    assert heard["wav"][0] == 16000
    assert isinstance(heard["broken"], EmofuseError)


def slow_work_in_processes(root: Path) -> None:
    store, quarantine = FeatureStore(root / "features", shard_rows=4), Quarantine(root / "quarantine.csv")
    extract_features(
        many(root), SlowNamedEncoder(root), store, quarantine=quarantine, batch_size=2, processes=2
    )


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")
    return not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_killed_work_in_processes_leaves_none_behind_and_resumes(tmp_path):
    parent = get_context("fork").Process(target=slow_work_in_processes, args=(tmp_path,))
    parent.start()
    deadline = time.monotonic() + 150
    while not list(tmp_path.glob("features/*/[0-9]*.arrow")) and time.monotonic() < deadline:
        assert parent.is_alive(), "it ended before it could be killed"
        time.sleep(0.05)
    parent.kill()
    parent.join()
    workers = [int(file.stem) for file in tmp_path.glob("*.pid")]
    assert workers
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, workers))
    kept = reader(tmp_path, LengthEncoder()).ids
    assert 4 <= len(kept) < 200
    report = run(many(tmp_path), LengthEncoder(), tmp_path)
    assert (report.done, report.skipped) == (200 - len(kept), len(kept))
