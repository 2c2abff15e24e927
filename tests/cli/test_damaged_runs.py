"""Every verb answers a damaged or hostile run folder in one line, and waits for nothing."""

import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.errors import EmofuseError
from emofuse.inference.baselines import fit_baselines
from emofuse.inference.evaluate import evaluate_fit
from emofuse.runs.run_folder import RunFolder
from emofuse.training.fit import fit_run
from tests.small_runs import text_corpus, text_settings

ALIASES = "a0: &a0 [1, 1]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)

Damage = Callable[[Path], object]
DAMAGES: dict[str, Damage] = {
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "a device": lambda file: file.symlink_to("/dev/zero"),
    "deep": lambda file: file.write_text("[" * 100_000),
    "NUL": lambda file: file.write_bytes(bytes(100)),
    "a list": lambda file: file.write_text("[1, 2]"),
    "infinity": lambda file: file.write_text('{"train": [Infinity], "temperature": 1e999}'),
    "aliases": lambda file: file.write_text(ALIASES),
    "empty": Path.touch,
    "a link to itself": lambda file: file.symlink_to(file.name),
    "half": lambda file: file.write_bytes(_true(file).read_bytes()[: _true(file).stat().st_size // 2]),
}
TABLE_DAMAGES: dict[str, Damage] = {
    "other columns": lambda file: _change(file, lambda table: table.add_prefix("x")),
    "no rows": lambda file: _change(file, lambda table: table.iloc[:0]),
    "not finite": lambda file: _change(file, _not_finite),
    "lists": lambda file: _change(file, lambda table: table.apply(lambda cells: [[1, 2]] * len(cells))),
}
# File → verbs that read it before they do any work.
READERS = {
    "run.json": ["info", "predict", "evaluate", "explain"],
    "config.yaml": ["predict", "evaluate", "resume"],
    "model.safetensors": ["predict", "explain"],
    "split.json": ["evaluate", "resume"],
    "predictions.parquet": ["compare", "coverage"],
    "history.csv": ["evaluate"],
    "corpus.parquet": ["evaluate", "resume"],
    "baselines.parquet": ["evaluate"],
    "calibration.json": ["predict", "evaluate", "explain"],
    "familiarity.safetensors": ["predict"],
    "metrics.json": ["info", "leaderboard"],
}
# No damage: a corpus has no numbers, half a history is one of fewer epochs, and half of the settings are settings.
HARMLESS = {("corpus.parquet", "not finite"), ("history.csv", "half"), ("config.yaml", "half")}


def _true(file: Path) -> Path:
    """The same file of the run beside it."""
    return file.parent.parent / "true" / file.name


def _change(file: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    if file.suffix == ".csv":
        change(pd.read_csv(_true(file))).to_csv(file, index=False)
    else:
        change(pd.read_parquet(_true(file))).to_parquet(file)


def _not_finite(table: pd.DataFrame) -> pd.DataFrame:
    numbers = table.select_dtypes("float").columns
    return table.assign(**dict.fromkeys(numbers, math.inf))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs on one corpus with all that a run can keep, the second untouched."""
    corpus = text_corpus(tmp_path_factory.mktemp("words"), dialogues=9)
    folder = fit_run(text_settings(corpus, optimiser__epochs=1), corpus, corpus.root / "run")
    fit_baselines(folder, corpus)
    evaluate_fit(folder, corpus, calibration="fit")
    return folder.path, Path(shutil.copytree(folder.path, corpus.root / "other"))


def command(verb: str, run: Path, other: Path) -> list[str]:
    corpus, recipe = str(other.parent), str(other / "config.yaml")
    return {
        "info": ["info", str(run)],
        "predict": ["predict", str(run), "--text", "I love it"],
        "explain": ["explain", str(run), "--text", "I love it"],
        "evaluate": ["evaluate", str(run), "--quiet"],
        "compare": ["compare", str(run), str(other)],
        "coverage": ["predict", str(run), "--text", "I love it", "--coverage", "0.9"],
        "leaderboard": ["leaderboard", str(run)],
        "resume": ["train", corpus, "-o", str(run), "--recipe", recipe, "--resume", "--quiet"],
    }[verb]


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_one_line(runs: tuple[Path, Path], tmp_path: Path, name: str) -> None:
    shutil.copytree(runs[1], tmp_path / "true")
    run = Path(shutil.copytree(runs[0], tmp_path / "run"))
    damages = DAMAGES | (TABLE_DAMAGES if name.endswith((".csv", ".parquet")) else {})
    for number, (kind, damage) in enumerate(damages.items()):
        if (name, kind) in HARMLESS:
            continue
        (run / name).unlink(missing_ok=True) if not (run / name).is_dir() else (run / name).rmdir()
        damage(run / name)
        verb = READERS[name][number % len(READERS[name])]
        result = CliRunner().invoke(app, command(verb, run, runs[1]))
        if verb == "leaderboard" and result.exception is None:
            lines = [line for line in result.output.splitlines() if line.startswith("|") and str(run) in line]
            (line,) = lines  # a run without a score is listed with the reason
        else:
            assert isinstance(result.exception, EmofuseError), (kind, verb, result.exception, result.output)
            (line,) = str(result.exception).splitlines()
        assert line.isprintable()
        assert str(run) in line, (kind, verb, line)
    assert not RunFolder(run).checkpoints.exists()
