"""The files are pickles from elsewhere: arrays come out of them and nothing in them is run."""

import pickle
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest

from emofuse.encoders.mtcnn import MTCNN
from emofuse.encoders.mtcnn_weights import NETS, load_mtcnn_weights, mtcnn_folder
from emofuse.errors import EmofuseError

lz4 = pytest.importorskip("lz4.frame", reason="the extra faces is not installed")


@pytest.fixture
def folder(tmp_path) -> Path:
    """Small files in the true format."""
    for seed, net in enumerate(NETS):
        rng = np.random.default_rng(seed)
        arrays = [
            rng.normal(size=shape).astype(np.float32) for shape in ((3, 3, 3, 2), (2,), (1, 1, 2), (0,))
        ]
        joblib.dump(arrays, tmp_path / f"{net}.lz4", compress=("lz4", 3))
    return tmp_path


def test_arrays_are_those_that_joblib_reads(folder):
    arrays, digest = load_mtcnn_weights(folder)
    for net in NETS:
        for found, expected in zip(arrays[net], joblib.load(folder / f"{net}.lz4"), strict=True):
            np.testing.assert_array_equal(found, expected)
    assert len(digest) == 16
    assert load_mtcnn_weights(folder)[1] == digest


def test_the_package_is_read_and_not_imported():
    arrays, _ = load_mtcnn_weights(mtcnn_folder())
    assert [len(arrays[net]) for net in NETS] == [13, 16, 21]
    for net in NETS:
        for found, expected in zip(arrays[net], joblib.load(mtcnn_folder() / f"{net}.lz4"), strict=True):
            np.testing.assert_array_equal(found, expected)
    assert not {"mtcnn", "tensorflow"} & set(sys.modules)


def test_fortran_order_float64_and_big_endian_come_out_right(folder):
    values = np.arange(24.0).reshape(2, 3, 4)
    for array in (np.asfortranarray(values), values.astype(">f4"), values.astype(np.int16)):
        joblib.dump([array], folder / "pnet.lz4", compress=("lz4", 3))
        np.testing.assert_array_equal(load_mtcnn_weights(folder)[0]["pnet"][0], values)


class Hostile:
    """Runs something when it is unpickled."""

    def __init__(self, function, *args) -> None:
        self.made_of = (function, args)

    def __reduce__(self):
        return self.made_of


def packed(content: object) -> bytes:
    return lz4.compress(content if isinstance(content, bytes) else pickle.dumps(content))


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_that_a_pickle_asks_for_is_run(folder, tmp_path, protocol):
    witness = tmp_path / "it ran"
    for hostile in (
        Hostile(Path.touch, witness),
        [Hostile(eval, f"open({str(witness)!r}, 'w')")],
        {"a": Hostile(getattr, "", "join")},
        Hostile(exec, "raise SystemExit"),
    ):
        (folder / "rnet.lz4").write_bytes(lz4.compress(pickle.dumps(hostile, protocol=protocol)))
        with pytest.raises(EmofuseError, match=r"rnet\.lz4: not loaded: it asks for"):
            load_mtcnn_weights(folder)
    assert not witness.exists()


def test_anything_but_arrays_of_numbers_is_refused(folder):
    joblib.dump([np.array([{}, []], dtype=object)], folder / "onet.lz4", compress=("lz4", 3))
    with pytest.raises(EmofuseError, match=r"onet\.lz4: not loaded"):
        load_mtcnn_weights(folder)
    for content in ({"a": 1}, [1, 2], "text", [np.float32], 7):
        (folder / "onet.lz4").write_bytes(packed(content))
        with pytest.raises(EmofuseError, match=r"onet\.lz4: not loaded: it "):
            load_mtcnn_weights(folder)


def test_a_bomb_takes_no_memory(folder):
    (folder / "pnet.lz4").write_bytes(lz4.compress(bytes(200 << 20)))
    with pytest.raises(EmofuseError, match="larger than a face detector can be"):
        load_mtcnn_weights(folder)


@pytest.mark.parametrize("seed", range(25))
def test_damage_is_one_clear_line(folder, seed):
    rng = np.random.default_rng(seed)
    raw = bytearray(lz4.decompress((folder / "pnet.lz4").read_bytes()))
    if seed % 5 == 0:
        raw = raw[: rng.integers(1, len(raw))]
    for place in rng.integers(0, len(raw), 6):
        raw[place] = rng.integers(0, 256)
    (folder / "pnet.lz4").write_bytes(lz4.compress(bytes(raw)))
    try:
        arrays = load_mtcnn_weights(folder)[0]["pnet"]
    except EmofuseError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either is fine, and nothing else
    else:
        assert all(isinstance(array, np.ndarray) for array in arrays)


def test_what_is_missing_says_how_to_get_it(tmp_path, monkeypatch, folder):
    with pytest.raises(EmofuseError, match=r"pnet\.lz4: cannot be read .*emofuse\[faces\]"):
        load_mtcnn_weights(tmp_path / "nowhere")
    (folder / "pnet.lz4").write_bytes(b"nothing of the kind")
    with pytest.raises(EmofuseError, match=r"pnet\.lz4: damaged"):
        load_mtcnn_weights(folder)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        EmofuseError, match=r"the weights of the face detector are missing.*emofuse\[faces\].*MIT"
    ):
        MTCNN()


def test_weights_of_another_net_are_refused(folder):
    with pytest.raises(EmofuseError, match="the detector has"):
        MTCNN(folder=folder)
