"""Trainings that are killed, starved of disk, damaged, or that diverge."""

import errno
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from emofuse.cli import main
from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError, EmofuseWarning
from emofuse.runs.folder_lock import locked_folder
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.settings import RunSettings
from emofuse.training.checkpoints import AsideCheckpointIO
from emofuse.training.fit import fit_run
from emofuse.training.module import EmotionModule
from tests.forked_command import ForkedCommand
from tests.small_runs import text_corpus, text_settings

EPOCHS = 3


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return text_corpus(tmp_path_factory.mktemp("words"), dialogues=9)


@pytest.fixture(scope="module")
def settings(words: Manifest) -> RunSettings:
    return text_settings(words, optimiser__epochs=EPOCHS)


@pytest.fixture(scope="module")
def whole(words: Manifest, settings: RunSettings, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return fit_run(settings, words, tmp_path_factory.mktemp("whole") / "run")


def cut(words: Manifest, settings: RunSettings, path: Path, epoch: int = EPOCHS - 1) -> RunFolder:
    """A run that was interrupted in its last epoch."""
    step = EmotionModule.training_step

    def power_cut(self: EmotionModule, batch: Any, batch_idx: int) -> torch.Tensor:
        if self.current_epoch == epoch:
            raise RuntimeError("power cut")
        return step(self, batch, batch_idx)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EmotionModule, "training_step", power_cut)
        with pytest.raises(RuntimeError, match="power cut"):
            fit_run(settings, words, path)
    return RunFolder(path)


def same_weights(a: RunFolder, b: RunFolder) -> bool:
    one, other = load_file(a.weights_file), load_file(b.weights_file)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        ({"best.ckpt": None}, "best.ckpt is missing: the training begins anew"),
        ({"best.ckpt": b"PK\x03\x04 cut short"}, "best.ckpt is damaged: the training begins anew"),
        ({"last.ckpt": b""}, "last.ckpt is damaged: the training goes on after epoch"),
        ({"last.ckpt": b"PK\x03\x04 cut short"}, "last.ckpt is damaged: the training goes on after epoch"),
        (
            {"last.ckpt": b"", "best.ckpt": b""},
            "last.ckpt is damaged; .*best.ckpt is damaged: the training begins anew",
        ),
    ],
    ids=["no best", "best truncated", "empty", "truncated", "both"],
)
def test_a_damaged_checkpoint_falls_back_and_says_so(
    words: Manifest,
    settings: RunSettings,
    whole: RunFolder,
    damage: dict[str, bytes | None],
    line: str,
    tmp_path: Path,
) -> None:
    run = cut(words, settings, tmp_path / "run")
    for name, content in damage.items():
        (run.checkpoints / name).unlink()
        if content is not None:
            (run.checkpoints / name).write_bytes(content)
    with pytest.warns(EmofuseWarning, match=line):
        fit_run(settings, words, run.path, resume=True)
    assert same_weights(run, whole)
    assert not run.checkpoints.exists()


def test_a_kill_just_after_the_weights_leaves_no_checkpoints_for_ever(
    words: Manifest, settings: RunSettings, whole: RunFolder, tmp_path: Path
) -> None:
    run = cut(words, settings, tmp_path / "run")
    shutil.copy(whole.weights_file, run.weights_file)
    fit_run(settings, words, run.path, resume=True)
    assert not run.checkpoints.exists()


def test_a_kill_while_a_checkpoint_is_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    AsideCheckpointIO().save_checkpoint({"epoch": 1}, path)
    with pytest.MonkeyPatch.context() as patch:

        def full(self: Path, content: bytes) -> int:
            with self.open("wb") as file:
                file.write(bytes(content)[:10])
            raise OSError(errno.ENOSPC, "No space left on device", str(self))

        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space"):
            AsideCheckpointIO().save_checkpoint({"epoch": 2}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]


def test_the_library_writes_its_checkpoints_through_it(
    words: Manifest, settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        fit_run(settings, words, tmp_path / "run")


def test_weights_can_be_read_by_whoever_reads_the_rest(whole: RunFolder) -> None:
    modes = {file.stat().st_mode & 0o777 for file in (whole.weights_file, whole.record_file)}
    assert len(modes) == 1


@pytest.mark.parametrize("system", ["deepmsi-mer", "mfcre"])
def test_a_training_that_diverges_stops_at_once_and_leaves_no_weights(
    words: Manifest, tmp_path: Path, system: str
) -> None:
    options = {"model__name": system, "model__options": {}} if system == "mfcre" else {}
    wild = text_settings(words, optimiser__learning_rate=1e30, optimiser__gradient_clip=0, **options)
    with pytest.raises(
        EmofuseError, match=r"the training diverged: its .* is not finite in epoch 1"
    ) as caught:
        fit_run(wild, words, tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not RunFolder(tmp_path / "run").weights_file.exists()


@pytest.mark.parametrize("value", ["inf", "nan", "-inf"])
def test_a_setting_that_is_no_number_is_refused(value: str) -> None:
    with pytest.raises(EmofuseError, match="learning_rate"):
        RunSettings().with_changes({"optimiser.learning_rate": float(value)})


def test_threads_are_recorded_and_given_back(words: Manifest, settings: RunSettings, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    seen: list[int] = []
    step = EmotionModule.training_step

    def look(self: EmotionModule, batch: Any, batch_idx: int) -> torch.Tensor:
        seen.append(torch.get_num_threads())
        return step(self, batch, batch_idx)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EmotionModule, "training_step", look)
        three = settings.with_changes({"threads": 3, "optimiser.epochs": 1})
        run = fit_run(three, words, tmp_path / "run")
    assert set(seen) == {3}
    assert run.read_record().threads == 3
    assert torch.get_num_threads() == before


def test_a_second_training_in_a_folder_is_refused(
    words: Manifest, settings: RunSettings, tmp_path: Path
) -> None:
    with locked_folder(tmp_path / "run"), pytest.raises(EmofuseError, match="another job is under way"):
        fit_run(settings, words, tmp_path / "run")


@pytest.mark.parametrize(("signal_number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_training_that_is_ended_says_one_line_and_can_be_resumed(
    words: Manifest, settings: RunSettings, tmp_path: Path, signal_number: int, code: int
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(settings.with_changes({"optimiser.epochs": 5000, "optimiser.patience": 5000}).to_yaml())
    run = tmp_path / "run"
    train = ForkedCommand(
        ["train", words.root, "--recipe", recipe, "-o", run, "--quiet"], tmp_path / "printed"
    )
    train.wait_until((run / "checkpoints" / "last.ckpt").exists)
    ended, out, errors = train.end(signal_number)
    assert errors.strip() == "emofuse: interrupted; what was finished is kept (see --resume)"
    assert (out, ended) == ("", code)
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] >= 0


def test_a_full_disk_is_one_line_and_exit_code_two(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/run/history.csv")

    monkeypatch.setattr(main, "app", full)
    with pytest.raises(SystemExit) as ended:
        main.run()
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "emofuse: /data/run/history.csv: No space left on device; make room on the disk, or write elsewhere\n"
    )


@pytest.mark.parametrize(
    ("verb", "kept"),
    [
        ("train", "; what was finished is kept (see --resume)"),
        ("sweep", "; what was finished is kept, and the same command goes on"),
        ("compare", ""),
        ("--help", ""),
    ],
)
def test_a_signal_while_a_library_is_imported_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str, kept: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["emofuse", verb])

    def importing() -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as signalled:
            raise ImportError("initialization failed") from signalled

    monkeypatch.setattr(main, "app", importing)
    with pytest.raises(SystemExit) as ended:
        main.run()
    assert ended.value.code == 130
    assert capsys.readouterr().err == f"emofuse: interrupted{kept}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "{corpus}", "-o", "{file}"],
        ["train", "{corpus}", "-o", "{file}", "--all-folds"],
        ["sweep", "mfcre", "{corpus}", "--grid", "optimiser.epochs=1,2", "-o", "{file}"],
        ["compare", "{run}", "{run}", "-o", "{file}"],
        ["explain", "{run}", "--text", "no", "-o", "{file}"],
        ["predict", "{run}", "--text", "no", "--figure", "{file}/x.png"],
        ["finetune", "text", "{corpus}", "--model", "nobody/none", "-o", "{file}"],
        ["import", "npz", "{file}", "-o", "{file}"],
        ["leaderboard", "{run}", "-o", "{file}/x.md"],
        ["demo", "{file}"],
        ["evaluate", "{run}", "--data", "{corpus}", "--write-label-map", "{file}/map.yaml"],
    ],
    ids=lambda arguments: " ".join(arguments[:1] + arguments[-1:]),
)
def test_an_output_that_cannot_be_is_told_before_the_work(
    words: Manifest, whole: RunFolder, tmp_path: Path, arguments: list[str]
) -> None:
    file = tmp_path / "taken"
    file.touch()
    places = {"corpus": str(words.root), "run": str(whole.path), "file": str(file)}
    result = CliRunner().invoke(main.app, [each.format(**places) for each in arguments])
    assert isinstance(result.exception, EmofuseError), result.output
    assert "name a folder" in str(result.exception) or "choose another name" in str(result.exception)


def test_a_run_that_cannot_be_written_is_told_before_it_is_judged(
    whole: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on a read-only disk; root has every right.
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    result = CliRunner().invoke(main.app, ["evaluate", str(whole.path)])
    assert isinstance(result.exception, EmofuseError), result.output
    assert "cannot be written" in str(result.exception)
