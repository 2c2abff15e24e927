"""Ctrl-C of whole commands: one line, the code that a shell expects, and no process that works on."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from torch.utils.data import DataLoader, Dataset
from torch.utils.data._utils import signal_handling

from emofuse.cli import main
from emofuse.data.manifest import Manifest
from emofuse.inference import utterance_pipeline
from emofuse.runs.run_folder import RunFolder
from emofuse.training.fit import fit_run
from tests.forked_command import ForkedCommand
from tests.quick_processes import quick_processes
from tests.small_runs import text_corpus, text_settings

PLAIN = "emofuse: interrupted"
LINE = f"{PLAIN}; what was finished is kept (see --resume)"
GOES_ON = f"{PLAIN}; what was finished is kept, and the same command goes on"
Start = Callable[..., ForkedCommand]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return text_corpus(tmp_path_factory.mktemp("words"), dialogues=9)


@pytest.fixture(scope="module")
def run(words: Manifest) -> RunFolder:
    return fit_run(text_settings(words, optimiser__epochs=1), words, words.root / "run")


@pytest.fixture(scope="module")
def endless(words: Manifest) -> Path:
    settings = text_settings(words, optimiser__epochs=5000, optimiser__patience=5000)
    recipe = words.root / "endless.yaml"
    recipe.write_text(settings.to_yaml(), encoding="utf-8")
    return recipe


def interrupted(command: ForkedCommand, said: str) -> None:
    code, out, errors = command.end(signal.SIGINT)
    last = [line for line in errors.replace("\r", "\n").splitlines() if line.strip()][-1]
    assert last.strip() == said
    assert code == 130
    assert "Traceback" not in out + errors
    deadline = time.monotonic() + 20
    while command.alive() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not command.alive()


class _Killed(Dataset[int]):
    def __init__(self, number: int) -> None:
        self.number = number

    def __len__(self) -> int:
        return 1

    def __getitem__(self, place: int) -> int:
        os.kill(os.getpid(), self.number)
        time.sleep(100)
        return place


@pytest.mark.parametrize(
    ("number", "code", "line"),
    [
        (
            signal.SIGKILL,
            2,
            "emofuse: a process that reads the data was ended from outside (Killed), as where memory",
        ),
        (signal.SIGTERM, 143, LINE),
    ],
)
def test_a_process_that_reads_the_data_and_is_killed(
    tmp_path: Path, number: int, code: int, line: str
) -> None:
    def program() -> None:
        # torch looks after its processes once per program; here another test's library may have undone that.
        signal_handling._SIGCHLD_handler_set = False
        main.app = lambda: next(iter(DataLoader(_Killed(number), num_workers=1)))  # type: ignore[assignment]
        main.run()

    ended, _, errors = ForkedCommand(["train"], tmp_path / "printed", program).wait()
    assert ended == code, errors
    assert errors.startswith(line)
    assert errors.count("\n") == 1


def test_folds_in_processes_of_their_own(words: Manifest, endless: Path, tmp_path: Path) -> None:
    out = tmp_path / "cv"
    arguments = ["train", words.root, "--recipe", endless, "--all-folds", "--jobs", 2, "-o", out]
    with quick_processes():
        command = ForkedCommand(arguments, tmp_path / "printed")
    command.wait_until(lambda: list(out.glob("fold-00/checkpoints/last.ckpt")))
    interrupted(command, LINE)


def test_a_sweep(words: Manifest, endless: Path, tmp_path: Path) -> None:
    grid = "optimiser.learning_rate=0.01,0.02"
    arguments = ["sweep", endless, words.root, "--grid", grid, "-o", tmp_path / "swept"]
    command = ForkedCommand(arguments, tmp_path / "printed")
    command.wait_until(lambda: list((tmp_path / "swept").rglob("last.ckpt")))
    interrupted(command, GOES_ON)


def test_an_extraction_in_two_processes(tmp_path: Path) -> None:
    corpus = text_corpus(tmp_path / "words", dialogues=400, turns=10)
    arguments = ["extract", corpus.root / "manifest.csv", "--modality", "text", "--processes", 2]
    command = ForkedCommand([*arguments, "--set", "dim=8192"], tmp_path / "printed")
    command.wait_until(lambda: len(command.alive()) > 2)
    interrupted(command, GOES_ON)


def test_a_prediction(run: RunFolder, words: Manifest, tmp_path: Path) -> None:
    def program() -> None:
        # Its first batch lasts: a quick machine would be done before the signal is there.
        def lasting(*given: object, **named: object) -> None:
            (tmp_path / "predicts").touch()
            time.sleep(100)

        utterance_pipeline.predict_subsets = lasting  # type: ignore[assignment]
        main.run()

    arguments = ["predict", run.path, words.root / "manifest.csv", "--csv"]
    command = ForkedCommand(arguments, tmp_path / "printed", program)
    command.wait_until((tmp_path / "predicts").exists)
    interrupted(command, PLAIN)
