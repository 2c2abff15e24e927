"""Files that Git LFS has not downloaded, wherever one is read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emofuse.corpora import load_corpus, read_corpus
from emofuse.corpora.iemocap import _lines
from emofuse.corpora.table_files import read_table_file
from emofuse.data.git_lfs import is_lfs_pointer
from emofuse.data.manifest import Manifest
from emofuse.data.media import MediaError, probe
from emofuse.data.safe_pickle import load_pickle
from emofuse.data.stored_files import check_regular, stored_json, stored_table
from emofuse.errors import EmofuseError
from emofuse.evaluation.protocols.published_splits import read_published_split
from emofuse.features import EncoderIdentity, FeatureStore
from emofuse.features.importers import import_features, style_of
from emofuse.nn.vsc_swin import VSCSwin
from emofuse.runs.stored_model import stored_shapes
from emofuse.training.checkpoints import checkpoint_to_resume

POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0a1b' * 16}\nsize 68000\n"

READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "manifest": ("m.csv", Manifest.read),
    "manifest as lines": ("m.jsonl", Manifest.read),
    "manifest in Parquet": ("m.parquet", Manifest.read),
    "table": ("t.tsv", read_table_file),
    "Excel": ("t.xlsx", read_table_file),
    "recording": ("a.mp4", probe),
    "picture": ("a.png", probe),
    "pickle": ("f.pkl", load_pickle),
    "arrays": ("f.npz", lambda path: import_features(path, "npz", path.parent / "features")),
    "feature file of some style": ("f.pkl", style_of),
    "settings of a run": ("run.json", lambda path: stored_json(path, "train again")),
    "predictions of a run": ("p.parquet", lambda path: stored_table(path, "train again")),
    "weights of a run": ("model.safetensors", stored_shapes),
    "any file by its name": ("history.csv", lambda path: check_regular(path, "train again")),
    "split": ("s.csv", lambda path: read_published_split(str(path))),
    "lists of a split": ("s.txt", lambda path: read_published_split(f"train={path}")),
    "transcript of IEMOCAP": ("Ses01F_impro01.txt", _lines),
    "state of a training": ("last.ckpt", lambda path: checkpoint_to_resume(path.parent)),
    "Swin": ("model.safetensors", lambda path: VSCSwin.from_pretrained(path.parent)),
}


@pytest.mark.parametrize("case", READERS)
def test_a_pointer_is_told_as_one(tmp_path: Path, case: str) -> None:
    name, read = READERS[case]
    (tmp_path / name).write_text(POINTER)
    with pytest.raises(EmofuseError) as caught:
        read(tmp_path / name)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / name))
    assert "Git LFS pointer" in message
    assert "run `git lfs pull`" in message
    assert "\n" not in message


def test_the_reason_in_the_quarantine(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text(POINTER)
    with pytest.raises(MediaError) as caught:
        probe(tmp_path / "a.wav")
    assert caught.value.reason == "not-downloaded"


def test_a_feature_store(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    who = EncoderIdentity(
        modality="text", kind="k", name="n", revision="1", pooling="mean", dim=2, sampling={}
    )
    for number, file in enumerate(("1-a.arrow", "identity.json")):
        folder = tmp_path / who.digest
        folder.mkdir(exist_ok=True)
        (folder / file).write_text(POINTER)
        with pytest.raises(EmofuseError, match="Git LFS pointer"):
            len(store.reader(who)) if number == 0 else store.identities()


def test_what_is_no_pointer(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(POINTER + "x" * 1024)  # larger than any pointer is
    (tmp_path / "b").write_text("version https://example.org/\n")
    assert not any(is_lfs_pointer(tmp_path / name) for name in ("a", "b", "gone", "", "x" * 300))


def test_a_corpus_of_nothing_but_pointers(tmp_path: Path) -> None:
    """A clone without Git LFS; what there is of words does not make a corpus of it."""
    for name in (
        "VideoFlash/1001_DFA_ANG_XX.flv",
        "AudioWAV/1001_DFA_ANG_XX.wav",
        "AudioWAV/1001_IEO_HAP_HI.wav",
    ):
        path = tmp_path / "crema-d" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(POINTER)
    for number in (1, 2):
        path = tmp_path / "ravdess" / "Actor_01" / f"03-01-0{number}-01-01-01-01.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(POINTER)
    for corpus, count in (("crema-d", 3), ("ravdess", 2)):
        with pytest.raises(EmofuseError) as caught:
            load_corpus(corpus, tmp_path / corpus)
        assert str(caught.value) == (
            f"{tmp_path / corpus}: holds Git LFS pointers in place of all recordings ({count}): the files "
            "themselves were not downloaded; run `git lfs pull` there"
        )
    (tmp_path / "ravdess" / "Actor_01" / "03-01-01-01-01-01-01.wav").write_bytes(b"a file of its own")
    assert len(read_corpus("ravdess", tmp_path / "ravdess").manifest) == 2
