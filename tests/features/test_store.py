import os
import pickle
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emofuse.errors import EmofuseError
from emofuse.features import EncoderIdentity, FeatureStore


def identity(dim: int = 3, pooling: str = "mean") -> EncoderIdentity:
    return EncoderIdentity(
        modality="text", kind="fake", name="fake", revision="1", pooling=pooling, dim=dim, sampling={}
    )


def fill(
    store: FeatureStore, who: EncoderIdentity, rows: dict[str, np.ndarray], fingerprint: str = "f"
) -> None:
    with store.writer(who) as writer:
        for utterance_id, features in rows.items():
            writer.add(utterance_id, fingerprint, features)


def shards(store: FeatureStore, who: EncoderIdentity) -> list:
    return sorted((store.root / who.digest).glob("[0-9]*.arrow"))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.dictionaries(
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=8),
        st.one_of(
            arrays(np.float32, 3, elements=st.floats(width=32, allow_nan=False, allow_infinity=False)),
            st.integers(0, 4).flatmap(
                lambda t: arrays(np.float32, (t, 3), elements=st.floats(-9, 9, width=32))
            ),
        ),
        max_size=12,
    ),
    shard_rows=st.integers(1, 5),
)
def test_what_goes_in_comes_out(tmp_path_factory, rows, shard_rows):
    store = FeatureStore(tmp_path_factory.mktemp("store"), shard_rows=shard_rows)
    fill(store, identity(), rows)
    reader = store.reader(identity())
    assert sorted(reader.ids) == sorted(rows)
    assert len(shards(store, identity())) == -(-len(rows) // shard_rows)
    for utterance_id, features in rows.items():
        assert reader[utterance_id].dtype == np.float32
        assert reader[utterance_id].shape == features.shape
        np.testing.assert_array_equal(reader[utterance_id], features)


def test_nothing_stored_is_an_empty_reader(tmp_path):
    reader = FeatureStore(tmp_path / "none").reader(identity())
    assert reader.ids == []
    assert "a" not in reader
    assert reader.missing(["b", "a"]) == ["b", "a"]
    assert reader.matrix([]).shape == (0, 3)
    assert not (tmp_path / "none").exists()
    with pytest.raises(KeyError):
        reader["a"]


def test_reading_maps_the_file_and_copies_nothing(tmp_path):
    store = FeatureStore(tmp_path)
    fill(store, identity(dim=4096), {str(n): np.full(4096, n, np.float32) for n in range(500)})
    before = pa.total_allocated_bytes()
    reader = store.reader(identity(dim=4096))
    row = reader["7"]
    assert pa.total_allocated_bytes() - before < 500 * 4096  # the features are four times that
    assert not row.flags.writeable
    assert np.shares_memory(row, reader["7"])


def test_matrix_follows_the_ids_asked_for(tmp_path):
    generator = np.random.default_rng(0)
    rows = {f"u{n}": generator.normal(size=3).astype(np.float32) for n in range(50)}
    store = FeatureStore(tmp_path, shard_rows=7)
    fill(store, identity(), rows)
    ids = [f"u{n}" for n in generator.integers(0, 50, size=120)]
    matrix = store.reader(identity()).matrix(ids)
    np.testing.assert_array_equal(matrix, np.stack([rows[utterance_id] for utterance_id in ids]))
    matrix[0] = 0.0  # a copy that may be changed


def test_matrix_names_what_is_missing_and_refuses_sequences(tmp_path):
    store = FeatureStore(tmp_path)
    fill(store, identity(), {"a": np.zeros(3), "s": np.zeros((2, 3))})
    with pytest.raises(
        EmofuseError, match=r"1 of 2 utterances have no features, the first is nobody.*extract"
    ):
        store.reader(identity()).matrix(["a", "nobody"])
    with pytest.raises(EmofuseError, match="sequences"):
        store.reader(identity()).matrix(["s"])


def test_the_newest_row_counts(tmp_path):
    store = FeatureStore(tmp_path)
    with store.writer(identity()) as writer:
        writer.add("a", "old", np.zeros(3))
        writer.add("a", "newer", np.ones(3))
    assert store.reader(identity()).fingerprint("a") == "newer"
    fill(store, identity(), {"a": np.full(3, 2.0)}, "newest")
    reader = store.reader(identity())
    assert reader.ids == ["a"]
    assert reader.fingerprint("a") == "newest"
    np.testing.assert_array_equal(reader.matrix(["a"]), [[2.0, 2.0, 2.0]])


def test_the_newest_row_counts_after_the_clock_was_set_back(tmp_path, monkeypatch):
    store = FeatureStore(tmp_path)
    fill(store, identity(), {"a": np.zeros(3)}, "old")
    monkeypatch.setattr(time, "time_ns", lambda: 5)
    fill(store, identity(), {"a": np.ones(3)}, "new")
    assert store.reader(identity()).fingerprint("a") == "new"


def test_two_writers_do_not_touch_each_other(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "time_ns", lambda: 5)  # even in the same nanosecond
    store = FeatureStore(tmp_path, shard_rows=2)
    with store.writer(identity()) as one, store.writer(identity()) as two:
        for n in range(9):
            one.add(f"one{n}", "f", np.full(3, n))
            two.add(f"two{n}", "f", np.full(3, -n))
    reader = store.reader(identity())
    assert len(reader) == 18
    assert all(reader[f"one{n}"][0] == n and reader[f"two{n}"][0] == -n for n in range(9))


def test_time_and_size_close_a_shard_too(tmp_path):
    for store in (
        FeatureStore(tmp_path / "t", shard_seconds=0.0),
        FeatureStore(tmp_path / "b", shard_bytes=12),
    ):
        with store.writer(identity()) as writer:
            writer.add("a", "f", np.zeros(3))
            assert store.reader(identity()).ids == ["a"]


def test_what_was_added_before_an_error_is_kept(tmp_path):
    store = FeatureStore(tmp_path)

    def interrupted():
        with store.writer(identity()) as writer:
            writer.add("a", "f", np.zeros(3))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert store.reader(identity()).ids == ["a"]


def test_the_writer_keeps_its_own_copy(tmp_path):
    store = FeatureStore(tmp_path)
    batch = np.ones((2, 3), np.float32)
    with store.writer(identity()) as writer:
        writer.add("a", "f", batch[0])
        batch[:] = 7.0
    assert store.reader(identity())["a"].tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_numbers_that_are_not_finite_are_refused(tmp_path, bad):
    store = FeatureStore(tmp_path)
    with store.writer(identity()) as writer, np.errstate(over="ignore"):
        writer.add("good", "f", np.zeros(3))
        with pytest.raises(EmofuseError, match=r"utterance ünwohl: .*NaN or infinity"):
            writer.add("ünwohl", "f", np.array([0.0, bad, 0.0]))
    assert store.reader(identity()).ids == ["good"]


@pytest.mark.parametrize("shape", [(), (4,), (2, 4), (2, 3, 3), (0,)])
def test_features_of_another_shape_are_refused(tmp_path, shape):
    with (
        FeatureStore(tmp_path).writer(identity()) as writer,
        pytest.raises(EmofuseError, match="utterance a"),
    ):
        writer.add("a", "f", np.zeros(shape))


def test_encoders_do_not_mix(tmp_path):
    store = FeatureStore(tmp_path)
    fill(store, identity(3), {"a": np.zeros(3)})
    fill(store, identity(4), {"b": np.zeros(4)})
    assert store.reader(identity(3)).ids == ["a"]
    assert store.reader(identity(4)).ids == ["b"]
    assert sorted(store.identities(), key=lambda who: who.dim) == [identity(3), identity(4)]


def test_a_shard_moved_to_another_encoder_is_refused(tmp_path):
    store = FeatureStore(tmp_path)
    fill(store, identity(3, "mean"), {"a": np.zeros(3)})
    fill(store, identity(3, "cls"), {"b": np.zeros(3)})
    (shard,) = shards(store, identity(3, "mean"))
    shard.replace(tmp_path / identity(3, "cls").digest / shard.name)
    with pytest.raises(EmofuseError, match=rf"{shard.name}.*another encoder.*delete this file"):
        assert store.reader(identity(3, "cls")).ids


@pytest.mark.parametrize("damage", ["empty", "half", "tail", "text", "zeros"])
def test_a_damaged_shard_is_named_with_the_way_out(tmp_path, damage):
    store = FeatureStore(tmp_path)
    fill(store, identity(), {f"u{n}": np.zeros(3) for n in range(20)})
    (shard,) = shards(store, identity())
    whole = shard.read_bytes()
    shard.write_bytes(
        {
            "empty": b"",
            "half": whole[: len(whole) // 2],
            "tail": whole[:-1],
            "text": b"id,features\n",
            "zeros": bytes(len(whole)),
        }[damage]
    )
    with pytest.raises(EmofuseError) as caught:
        assert store.reader(identity()).ids
    assert str(shard) in str(caught.value)
    assert "delete this file and run `emofuse extract` again" in str(caught.value)
    assert "\n" not in str(caught.value)
    shard.unlink()
    assert store.reader(identity()).ids == []


def test_flipped_bytes_are_refused_or_leave_readable_rows(tmp_path):
    store = FeatureStore(tmp_path)
    fill(store, identity(), {f"u{n}": np.full(3, n) for n in range(5)})
    (shard,) = shards(store, identity())
    whole, generator, refused = shard.read_bytes(), np.random.default_rng(0), 0
    for _ in range(300):
        spoilt = bytearray(whole)
        start = int(generator.integers(len(whole)))
        spoilt[start : start + 8] = generator.bytes(len(spoilt[start : start + 8]))
        shard.unlink()
        shard.write_bytes(spoilt)
        reader = store.reader(identity())
        try:
            assert all(reader[utterance_id].shape == (3,) for utterance_id in reader.ids)
        except EmofuseError:
            refused += 1
    assert refused > 30


def test_a_folder_that_names_no_encoder_or_another_is_refused(tmp_path):
    store = FeatureStore(tmp_path)
    fill(store, identity(), {"a": np.zeros(3)})
    file = tmp_path / identity().digest / "identity.json"
    file.write_text(identity(4).model_dump_json())
    with pytest.raises(EmofuseError, match="another encoder"):
        store.writer(identity())
    file.write_text("{")
    with pytest.raises(EmofuseError, match=r"identity\.json: does not say which encoder"):
        store.identities()


def test_leftovers_of_dead_writers_are_ignored_and_the_old_ones_removed(tmp_path):
    store = FeatureStore(tmp_path)
    fill(store, identity(), {"a": np.zeros(3)})
    folder = tmp_path / identity().digest
    old, fresh = folder / ".00001-old.77.arrow", folder / ".00002-fresh.78.arrow"
    for leftover in (old, fresh):
        leftover.write_bytes(b"half a sha")
    os.utime(old, (1.0, 1.0))
    with store.writer(identity()):
        pass
    assert not old.exists()
    assert fresh.exists()  # another writer may be about to rename it
    assert store.reader(identity()).ids == ["a"]


def test_a_store_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(
        EmofuseError, match=r"cannot keep features there .*; make room, .* data\.features=FOLDER"
    ):
        FeatureStore(tmp_path / "file").writer(identity())


def read_one(reader, utterance_id):
    return reader[utterance_id].tolist()


def test_a_reader_goes_to_other_processes_without_its_data(tmp_path):
    store = FeatureStore(tmp_path)
    fill(store, identity(dim=1000), {str(n): np.full(1000, n) for n in range(100)})
    reader = store.reader(identity(dim=1000))
    assert len(reader.ids) == 100  # opened here, and still small to send
    assert len(pickle.dumps(reader)) < 2000
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        assert pool.submit(read_one, reader, "42").result() == [42.0] * 1000


def test_a_compressed_shard_is_refused_before_it_unfolds(tmp_path):
    store = FeatureStore(tmp_path)
    fill(store, identity(), {"a": np.zeros(3)})
    (shard,) = shards(store, identity())
    with pa.memory_map(str(shard)) as source:
        small = ipc.open_file(source).read_all()
    rows = 2_000_000
    features = pa.LargeListArray.from_arrays(
        pa.array([0, 3 * rows]), pa.array(np.zeros(3 * rows, np.float32)), type=small.schema.field(3).type
    )
    columns = [pa.array(["a"]), pa.array(["f"]), pa.array([rows]), features]
    shard.unlink()
    batch = pa.record_batch(columns, schema=small.schema)
    with ipc.new_file(str(shard), batch.schema, options=ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_batch(batch)
    del features, columns, batch
    assert shard.stat().st_size < 20_000
    before = pa.total_allocated_bytes()
    with pytest.raises(
        EmofuseError, match=r"\.arrow: a damaged feature shard \(it is compressed.*delete this file"
    ):
        assert store.reader(identity()).ids
    assert pa.total_allocated_bytes() - before < 1 << 20


@pytest.mark.timeout(20)  # who opens a pipe waits
def test_pipes_in_the_place_of_files_are_refused(tmp_path):
    store = FeatureStore(tmp_path)
    fill(store, identity(), {"a": np.zeros(3)})
    (shard,) = shards(store, identity())
    shard.unlink()
    os.mkfifo(shard)
    with pytest.raises(EmofuseError, match=r"no regular file.*delete this file"):
        assert store.reader(identity()).ids
    file = tmp_path / identity().digest / "identity.json"
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(EmofuseError, match=r"no regular file.*extract again"):
        store.identities()
    file.unlink()
    file.symlink_to("/dev/zero")
    with pytest.raises(EmofuseError, match=r"no regular file.*extract again"):
        store.identities()
