"""Two processes (gloo, CPU) must learn what one would."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from safetensors.torch import load_file

from emofuse.data.loader import EpochShuffle, Share, Shares
from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.inference.evaluate import evaluate_fit
from emofuse.runs.run_folder import RunFolder
from emofuse.training.fit import fit_run
from emofuse.training.processes import Processes
from tests.feature_file import import_file, write_feature_file
from tests.forked_command import ForkedCommand
from tests.small_corpus import SMALL_MODEL, make_corpus, small_settings
from tests.training import together_script
from tests.training.shared_steps import PROCESSES, SYSTEMS, gradients, work

pytestmark = [
    pytest.mark.skipif(not dist.is_gloo_available(), reason="torch was built without gloo"),
    pytest.mark.usefixtures("quickly_spawned"),
]


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("together")
    mp.spawn(work, args=(str(folder),), nprocs=PROCESSES)  # type: ignore[no-untyped-call]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(PROCESSES)]


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_step_has_the_gradients_of_one_process(system: str, together: list[dict[str, Any]]) -> None:
    alone = gradients(system, divided=False)
    for each in together:
        assert len(each[system]) == len(alone) == 3
        for step, expected in zip(each[system], alone, strict=True):
            for name, gradient in expected.items():
                torch.testing.assert_close(
                    step[name], gradient, rtol=1e-6, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}"
                )
            # A parameter that one process does not touch has a gradient of zero in two.
            assert all(not step[name].any() for name in step.keys() - expected.keys())


@pytest.mark.parametrize("size", [1, 4, 7, 8])
def test_processes_share_each_batch_and_read_every_row_once(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = EpochShuffle(size, seed=0)
    whole = [share.rows for share in Shares(order, 4)]
    shares: list[list[Share]] = []
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 3)
    for rank in range(3):
        monkeypatch.setattr(dist, "get_rank", lambda rank=rank: rank)
        shares.append(list(Shares(order, 4, divided=True)))
    assert {len(of) for of in shares} == {len(whole)}
    for batch, parts in zip(whole, zip(*shares, strict=True), strict=True):
        assert sum((part.rows for part in parts if not part.stands_in), ()) == batch
        counts = [0 if part.stands_in else len(part.rows) for part in parts]
        assert max(counts) - min(counts) <= 1
        assert all(len(part.rows) == 1 for part in parts if part.stands_in)


def test_a_run_on_two_devices_is_that_on_one(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus")
    (corpus.root / "clips" / "d1_t1.mp4").write_bytes(b"not a video")
    swin = {**SMALL_MODEL["swin"], "drop_path_rate": 0.0}  # type: ignore[dict-item]
    plain = {"swin": swin, "dropout": 0.0, "convolutional_stem": False, "frame_batch_norm": False}
    changes: dict[str, Any] = {"model.options": SMALL_MODEL | plain, "optimiser.batch_size": 5}
    changes["model.modalities"] = ["text", "video"]
    alone = fit_run(small_settings(corpus, **changes), corpus, tmp_path / "one")
    changes["data.workers"] = 1
    shared = fit_run(small_settings(corpus, devices=2, **changes), corpus, tmp_path / "two")
    expected, found = load_file(alone.weights_file), load_file(shared.weights_file)
    assert expected.keys() == found.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-3, atol=1e-4)
    histories = [pd.read_csv(run.history_file).drop(columns="seconds") for run in (alone, shared)]
    pd.testing.assert_frame_equal(*histories, rtol=1e-4)
    assert {file.name for file in alone.path.iterdir()} == {file.name for file in shared.path.iterdir()}
    assert shared.quarantine_file.read_text() == alone.quarantine_file.read_text()
    assert shared.read_record().best_epoch == alone.read_record().best_epoch
    assert evaluate_fit(shared, corpus).test.accuracy == evaluate_fit(alone, corpus).test.accuracy


def test_an_interrupted_training_on_two_devices_is_taken_up(tmp_path: Path) -> None:
    expected = together_script.main(tmp_path / "one", "never", devices=1)
    assert expected.startswith("epoch 4, slope 2.7")
    assert _script(tmp_path / "run", "interrupted", "broken", "never") == [
        "KeyboardInterrupt: ",
        "epochs 0 1",
        # What the user must mend is one line, from another process too.
        "EmofuseError: clip.mp4: gone; put it back",
        "epochs 0 1",
        expected,
        "epochs 0 1 2 3 4",
    ]


def test_processes_of_torchrun_make_one_run(tmp_path: Path) -> None:
    folder = import_file(write_feature_file(tmp_path / "file.npz"), tmp_path / "corpus")
    arguments: list[object] = ["train", folder, "--model", "mfcre", "--protocol", "official"]
    arguments += ["--epochs", "3", "--batch-size", "2", "--device", "cpu", "--devices", "2", "--quiet"]
    arguments += ["--set", "model.options.dropout=0", "--out", tmp_path / "two"]
    code, out, errors = ForkedCommand(arguments, tmp_path / "printed", together_script.torchrun).wait()
    assert code == 0, errors
    assert out.count("report: ") == 1
    shared = RunFolder.open(tmp_path / "two")
    assert shared.read_record().status == "evaluated"
    settings = shared.read_settings().with_changes({"devices": 1})
    alone = fit_run(settings, Manifest.read(folder / "manifest.csv").validate(), tmp_path / "one")
    histories = [pd.read_csv(run.history_file).drop(columns="seconds") for run in (alone, shared)]
    pd.testing.assert_frame_equal(*histories, rtol=1e-4)
    assert len(histories[1]) == 3


def test_devices_that_are_not_there_are_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    Processes(2).check("cuda")
    with pytest.raises(EmofuseError, match=r"4 CUDA devices were asked for, and this machine has 2"):
        Processes(4).check("cuda")
    with pytest.raises(EmofuseError, match=r"torchrun --nnodes 3 --nproc-per-node 2"):
        Processes(2, 3).check("cpu")
    for name, value in {"TORCHELASTIC_RUN_ID": "a", "LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    Processes(2).check("cpu")
    with pytest.raises(EmofuseError, match=r"2 and 2 do not fit torchrun, which started 2 processes"):
        Processes(2, 2).check("cpu")


def _script(folder: Path, *how: str) -> list[str]:
    program = ForkedCommand([folder, *how], folder.with_name("printed"), together_script.run)
    code, out, errors = program.wait()
    assert code == 0, errors
    return out.splitlines()
