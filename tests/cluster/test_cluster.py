"""A cluster of two nodes on this machine; starting it takes seconds, so all tests share one."""

import importlib.util
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

pytest.importorskip("ray", reason="the extra cluster is not installed")

from emofuse.cluster import extraction, session
from emofuse.cluster.executor import RayCluster, ray_cluster
from emofuse.cluster.extraction import ClusterExtraction, _NodeEncoder
from emofuse.cluster.shared_folders import SharedFolders, UnseenFolderError
from emofuse.cluster.tasks import TRIES, run_tasks
from emofuse.data.manifest import Manifest
from emofuse.data.quarantine import Quarantine
from emofuse.encoders import EncoderSpec, create_encoder
from emofuse.errors import EmofuseError
from emofuse.experiments.cross_validation.run import cross_validate
from emofuse.features import FeatureStore, extract_features
from emofuse.runs.settings import RunSettings
from tests.cluster import on_nodes
from tests.cluster.dying_encoder import POISON, DyingEncoder
from tests.feature_file import emofuse
from tests.small_runs import text_corpus, text_settings

MEMORY = 100 << 20
TINY = {"dim": 8, "ff_dim": 8, "heads": 2, "context": "none"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[object]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        from ray.cluster_utils import Cluster

        patch.setattr(
            "ray._private.utils.set_sigterm_handler", lambda handler: None
        )  # it would outlive this file
        made = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 1, "object_store_memory": MEMORY, "include_dashboard": False},
        )
        made.add_node(num_cpus=1, object_store_memory=MEMORY)
        yield made
        made.shutdown()


@pytest.fixture(scope="module")
def joined(cluster) -> Iterator[RayCluster]:
    with ray_cluster(cluster.address) as found:
        yield found


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return text_corpus(tmp_path_factory.mktemp("corpus ü"), dialogues=9, turns=4)


class Meeting(RayCluster):
    """Two tasks begin to work together, so that each node has one."""

    def run(self, tasks, *arguments, **options) -> None:  # type: ignore[no-untyped-def]
        super().run(
            {path: partial(on_nodes.meet, task, 2) for path, task in tasks.items()}, *arguments, **options
        )


def fast(corpus: Manifest) -> RunSettings:
    return text_settings(corpus, model__name="mfcre", model__options=TINY, optimiser__epochs=2)


def test_features_are_those_of_one_process_and_a_row_that_kills_its_process_is_named(
    joined: RayCluster, words: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "_NodeEncoder", DyingEncoder)
    spec = EncoderSpec(modality="text", name="hashed-ngrams", dim=64)
    encoder, quarantine = create_encoder(spec), Quarantine(tmp_path / "quarantine.csv")
    stores = [FeatureStore(tmp_path / name) for name in ("cluster", "here")]
    file = words.root / "manifest.csv"
    elsewhere = joined.extraction(file, spec, stores[0], device="cpu", workers=0, threads=1)
    assert isinstance(elsewhere, ClusterExtraction)
    report = extract_features(words, encoder, stores[0], quarantine=quarantine, elsewhere=elsewhere)
    assert (report.done, report.reasons) == (len(words) - 1, {"worker-died": 1})
    assert [(entry.id, entry.reason) for entry in quarantine.entries] == [(POISON, "worker-died")]

    extract_features(words, encoder, stores[1], quarantine=Quarantine(tmp_path / "none.csv"))
    found, expected = (store.reader(encoder.identity) for store in stores)
    ids = [id for id in words.ids if id != POISON]
    np.testing.assert_array_equal(found.matrix(ids), expected.matrix(ids))
    assert POISON not in found
    assert [found.fingerprint(id) for id in ids] == [expected.fingerprint(id) for id in ids]
    assert len(list((tmp_path / "cluster").glob("*/*.arrow"))) > 1, "each block of rows is a shard"
    assert not list((tmp_path / "cluster").glob(".seen-*"))


def test_a_task_that_dies_is_tried_again_and_named_and_takes_no_other_with_it(
    joined: RayCluster, words: Manifest, tmp_path: Path
) -> None:
    ended: dict[Path, str | None] = {}
    tasks = {tmp_path / "dies": on_nodes.die, tmp_path / "works": on_nodes.work}
    joined.run(tasks, [fast(words)], tmp_path, finished=lambda path, why: ended.update({path: why}))
    assert ended[tmp_path / "works"] is None
    assert "its process died, 3 times" in str(ended[tmp_path / "dies"])
    assert len(list((tmp_path / "dies").glob("try-*"))) == TRIES
    assert (tmp_path / "works" / "cwd").read_text() == f"{Path.cwd()} 1"

    unseen = SharedFolders(str(Path.cwd()), str(tmp_path / ".seen"), (str(tmp_path / "corpus.csv"),))
    with pytest.raises(UnseenFolderError, match=r"node \S+ does not see .*corpus\.csv as this machine does"):
        run_tasks(tasks, [fast(words)], unseen, lambda path, why: None)


@pytest.mark.parametrize(("read", "kind"), [((), "not-set-up"), (("nowhere.csv",), "unseen")])
def test_a_node_says_why_its_encoder_could_not_be_set_up(
    read: tuple[str, ...], kind: str, tmp_path: Path
) -> None:
    encoder = _NodeEncoder(
        folders=asdict(SharedFolders(str(Path.cwd()), str(tmp_path), read)),
        manifest=str(tmp_path / "none.csv"),
        spec={"batch_size": 1},
        store=str(tmp_path),
        device="cpu",
        digest="",
        workers=0,
        threads=torch.get_num_threads(),
    )
    (told,) = encoder(pa.table({"id": ["a"], "fingerprint": ["f"]})).to_pylist()
    assert told["reason"] == kind
    assert (read[0] if read else "none.csv") in told["message"]


def test_folds_are_those_of_one_process_though_a_node_is_killed_midway(
    cluster, joined: RayCluster, words: Manifest, tmp_path: Path
) -> None:
    # A fold takes long enough to be lost midway on a quick machine too.
    settings = fast(words).with_changes({"optimiser.epochs": 20, "optimiser.patience": 20})
    whole = cross_validate(settings, words, tmp_path / "here")
    folder, node = tmp_path / "cluster", next(iter(cluster.worker_nodes))
    shutil.copytree(whole.folder, folder)
    for number in (0, 1):
        shutil.rmtree(folder / f"fold-{number:02d}")

    def kill() -> None:
        """When both nodes have a fold under way."""
        deadline = time.monotonic() + 120
        while len(list((folder / "begun").glob("*"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.3)
        assert node in cluster.worker_nodes
        cluster.remove_node(node, allow_graceful=False)

    killer = threading.Thread(target=kill)
    killer.start()
    outcome = cross_validate(settings, words, folder, executor=Meeting(joined.address), resume=True)
    killer.join()
    begun = Counter(file.name.partition("-")[2].partition("-")[0] for file in (folder / "begun").iterdir())
    assert sorted(begun.values()) == [1, 2], "one was lost, and it alone was tried again"
    assert [fold.failure for fold in outcome.folds] == [None] * 3
    for mine, theirs in zip(outcome.folds, whole.folds, strict=True):
        assert mine.folder.weights_file.read_bytes() == theirs.folder.weights_file.read_bytes()
        assert mine.report is not None
        assert theirs.report is not None
        assert mine.report.to_dict() == theirs.report.to_dict()


def test_who_is_no_cluster_is_told_in_one_line_and_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_JOIN_SECONDS", 2.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        for address, why in (
            ("127.0.0.1:1", "nobody answers there"),
            (f"127.0.0.1:{silent.getsockname()[1]}", "is no Ray cluster"),
            ("ray://127.0.0.1:10001", "as HOST:PORT"),
            ("auto", "as HOST:PORT"),
        ):
            with pytest.raises(EmofuseError, match=why) as error, session.ray_session(address):
                pass
            assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "command",
    [
        ["extract", "{corpus}", "--modality", "text"],
        ["train", "{corpus}", "-o", "{out}", "--all-folds"],
        ["sweep", "mfcre", "{corpus}", "--grid", "optimiser.epochs=1,2", "-o", "{out}"],
        ["ablate", "deepmsi-mer", "{corpus}", "-o", "{out}"],
        ["benchmark", "{corpus}", "-o", "{out}"],
        ["reproduce", "mfcre", "--corpus", "meld", "--root", "{corpus}", "-o", "{out}"],
    ],
)
def test_every_verb_says_how_to_install_what_it_lacks(
    command: list[str], words: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(session, "find_spec", lambda name: None if name == "ray" else real(name))
    places = [part.format(corpus=words.root, out=tmp_path / "out") for part in command]
    with pytest.raises(EmofuseError, match=r"^--ray needs Ray: pip install 'emofuse\[cluster\]'$"):
        emofuse(*places, "--ray", "local")
    assert not (tmp_path / "out").exists()


def test_an_interrupted_command_leaves_no_process_of_ray_behind() -> None:
    command = subprocess.Popen(
        [sys.executable, "-m", "tests.cluster.on_nodes"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert command.stdout is not None
        place = command.stdout.readline().strip()
        assert _processes_of(place)
        command.send_signal(signal.SIGINT)
        assert command.wait(180) == 130
        deadline = time.monotonic() + 20
        while _processes_of(place) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert _processes_of(place) == []
        assert not Path(place).exists()
    finally:
        command.kill()
        command.communicate()


def _processes_of(place: str) -> list[bytes]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes()
        except OSError:
            continue
        if place.encode() in line:
            found.append(line)
    return found
