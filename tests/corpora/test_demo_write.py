"""The corpus on disk: whole, the same each time, resumable, and never mixed with something else."""

import json
import os

import av
import numpy as np
import pandas as pd
import pytest

from emofuse.corpora.demo import (
    EMOTIONS,
    SOURCE,
    VALENCE,
    Cues,
    generate_clip,
    generate_demo_corpus,
    is_demo_corpus,
    write,
)
from emofuse.corpora.demo.write import FEWEST_CLIPS
from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError

pytestmark = pytest.mark.usefixtures("quickly_spawned")

SMALL = {"clips": FEWEST_CLIPS, "size": 48, "frame_rate": 10.0}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "corpus ü"
    calls = []
    manifest = generate_demo_corpus(folder, **SMALL, workers=1, progress=lambda *call: calls.append(call))
    return folder, manifest, calls


def _decoded(path):
    with av.open(str(path)) as container:
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
        rate = float(container.streams.video[0].average_rate)
    with av.open(str(path)) as container:
        sound = np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)
        assert container.streams.audio[0].codec_context.sample_rate == 16000
    return np.stack(frames), sound, rate


def test_every_clip_has_picture_and_sound_of_one_length(corpus):
    _, manifest, _ = corpus
    for utterance in manifest.rows():
        frames, sound, rate = _decoded(utterance.video)
        assert frames.shape[1:] == (48, 48, 3)
        assert rate == pytest.approx(10)
        assert 1.1 <= len(frames) / rate <= 2.5
        assert sound.shape[1] / 16000 == pytest.approx(len(frames) / rate, abs=0.2)
        assert np.abs(sound).max() > 0.03


def test_the_manifest_is_sound(corpus):
    folder, manifest, _ = corpus
    assert manifest.problems(labels=EMOTIONS) == []
    assert Manifest.read(folder / "manifest.csv").fingerprint() == manifest.fingerprint()
    assert len(manifest) == FEWEST_CLIPS
    assert manifest.frame["speaker"].nunique() == 12
    assert any(not name.isascii() for name in manifest.frame["speaker"])
    assert list(manifest.frame["valence"]) == [VALENCE[label] for label in manifest.frame["label"]]
    per_group = manifest.frame.groupby("group")["speaker"].nunique()
    assert (per_group == 2).all()
    assert (manifest.frame.groupby("speaker")["split"].nunique() == 1).all()


def test_it_says_that_it_is_synthetic(corpus):
    folder, manifest, _ = corpus
    assert set(manifest.frame["corpus"]) == {SOURCE}
    assert is_demo_corpus(manifest)
    assert is_demo_corpus(manifest.select(manifest.ids[:3]))
    assert not is_demo_corpus(Manifest.from_frame(pd.DataFrame({"id": ["a"], "label": ["joy"]}), folder))
    note = (folder / "README.md").read_text(encoding="utf-8")
    assert "synthetic" in note
    assert "| text + audio + video | 0.978 | 0.987 |" in note


def test_cues_are_beside_the_manifest_and_not_in_it(corpus):
    folder, manifest, _ = corpus
    cues = pd.read_csv(folder / "cues.csv")
    assert list(cues["id"]) == manifest.ids
    assert list(cues["label"]) == list(manifest.frame["label"])
    assert all(set(cues[f"{m}_cue"]) <= set(EMOTIONS) for m in ("text", "audio", "video"))
    assert not any("cue" in column for column in manifest.frame.columns)


def test_progress_counts_every_clip(corpus):
    _, _, calls = corpus
    assert [done for done, _, _ in calls] == list(range(1, FEWEST_CLIPS + 1))
    assert {total for _, total, _ in calls} == {FEWEST_CLIPS}


def test_interrupted_work_goes_on_and_comes_out_the_same(corpus):
    folder, manifest, _ = corpus
    clips = sorted((folder / "clips").iterdir())
    assert not any(clip.name.startswith(".") for clip in clips)
    before = {clip: clip.read_bytes() for clip in clips}
    stamps = {clip: clip.stat().st_mtime_ns for clip in clips}
    clips[0].unlink()
    clips[1].write_bytes(before[clips[1]][:100])
    clips[2].write_bytes(b"")
    (folder / "manifest.csv").unlink()
    calls = []
    again = generate_demo_corpus(folder, **SMALL, workers=1, progress=lambda *call: calls.append(call[0]))
    assert calls == [FEWEST_CLIPS - 2, FEWEST_CLIPS - 1, FEWEST_CLIPS]
    assert again.fingerprint() == manifest.fingerprint()
    assert {clip: clip.read_bytes() for clip in clips} == before
    assert all(clip.stat().st_mtime_ns == stamps[clip] for clip in clips[3:])


def test_workers_change_nothing(corpus, tmp_path):
    folder, manifest, _ = corpus
    other = generate_demo_corpus(tmp_path / "two", **SMALL, workers=2)
    assert other.fingerprint() == manifest.fingerprint()
    for one, two in zip(manifest.rows(), other.rows(), strict=True):
        assert one.video.read_bytes() == two.video.read_bytes()
    for name in ("cues.csv", "README.md", "manifest.csv"):
        assert (folder / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def _die(number, line):
    os._exit(1)


def test_a_process_that_is_ended_leaves_one_clear_line():
    with pytest.raises(EmofuseError, match="run it again"):
        list(write._each(_die, range(9), [None] * 9, workers=2))


def test_other_settings_are_not_mixed_in(corpus):
    folder, _, _ = corpus
    with pytest.raises(EmofuseError, match=r"other settings.*seed 0"):
        generate_demo_corpus(folder, **SMALL, seed=1)


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(EmofuseError, match="something else"):
        generate_demo_corpus(tmp_path, **SMALL)
    with pytest.raises(EmofuseError, match="is a file"):
        generate_demo_corpus(tmp_path / "thesis.txt", **SMALL)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_broken_record_is_named(tmp_path):
    (tmp_path / "demo.json").write_text("{")
    with pytest.raises(EmofuseError, match=r"demo\.json"):
        generate_demo_corpus(tmp_path, **SMALL)
    (tmp_path / "demo.json").write_text(json.dumps([1]))
    with pytest.raises(EmofuseError, match="other settings"):
        generate_demo_corpus(tmp_path, **SMALL)


@pytest.mark.parametrize(
    "wrong",
    [
        {"clips": 35},
        {"clips": 0},
        {"speakers": 20},
        {"speakers": 6},
        {"speakers": 54},
        {"speakers": 24},
        {"seed": -1},
        {"workers": 0},
        {"size": 95},
        {"size": 8},
        {"frame_rate": 0.0},
    ],
)
def test_settings_out_of_bounds_are_refused_before_anything_is_written(tmp_path, wrong):
    with pytest.raises(EmofuseError):
        generate_demo_corpus(tmp_path / "new", **{**SMALL, **wrong})
    assert not (tmp_path / "new").exists()


def test_a_single_clip_of_a_stranger(tmp_path):
    clip = generate_clip(tmp_path / "new.mp4", emotion="fear", speaker_seed=3, size=64)
    frames, sound, _ = _decoded(clip.path)
    assert frames.shape[1:] == (64, 64, 3)
    assert sound.size > 16000
    assert clip.label == "fear"
    assert clip.cues == Cues.same_emotion("fear")
    assert clip.text
    assert clip.speaker == "stranger 3"


def test_a_single_clip_can_mislead_and_is_reproducible(tmp_path):
    cues = Cues("joy", "fear", "fear")
    one, two = (generate_clip(tmp_path / f"{i}.mp4", emotion="fear", cues=cues, size=48) for i in range(2))
    assert one.text == two.text
    assert one.path.read_bytes() == two.path.read_bytes()
    assert one.cues.text == "joy"
    other = generate_clip(tmp_path / "other.mp4", emotion="fear", cues=cues, size=48, seed=1)
    assert other.path.read_bytes() != one.path.read_bytes()


@pytest.mark.parametrize(
    "wrong", [{"emotion": "envy"}, {"emotion": "joy", "cues": Cues("joy", "envy", "joy")}]
)
def test_unknown_emotions_are_refused(tmp_path, wrong):
    with pytest.raises(EmofuseError, match="envy"):
        generate_clip(tmp_path / "new.mp4", **wrong)
