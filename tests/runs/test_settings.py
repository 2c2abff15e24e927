"""Settings that no training could use are refused before one begins."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.errors import EmofuseError
from emofuse.runs.settings import RunSettings


@pytest.mark.parametrize("name", ["seed", "data.split_seed"])
def test_a_seed_is_one_that_every_generator_takes(name: str) -> None:
    for seed in (-1, 2**32):
        with pytest.raises(EmofuseError, match=rf"{name}: Input should be"):
            RunSettings().with_changes({name: seed})
    RunSettings().with_changes({name: 2**32 - 1})


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("epochs", "there is no setting epochs; perhaps 'optimiser.epochs'"),
        ("optimiser.epoch", "there is no setting optimiser.epoch; perhaps 'optimiser.epochs'"),
        ("data.fols", "there is no setting data.fols; perhaps 'data.folds'"),
        ("patience", "there is no setting patience; perhaps 'optimiser.patience'"),
        ("batch", "there is no setting batch; perhaps 'optimiser.batch_size'"),
        ("foo", "there is no setting foo; config.yaml of any run has them all"),
    ],
)
def test_a_setting_that_is_not_there_is_told_with_the_nearest(name: str, line: str) -> None:
    with pytest.raises(EmofuseError) as caught:
        RunSettings().with_changes({name: 1})
    assert str(caught.value) == f"settings: {line}"


def test_so_is_that_of_a_fine_tuning(tmp_path: Path) -> None:
    arguments = ["finetune", "text", "none.csv", "--model", "none", "--out", str(tmp_path / "tuned")]
    told = CliRunner().invoke(app, [*arguments, "--seed", "-1"])
    assert isinstance(told.exception, EmofuseError)
    assert "seed: Input should be greater than or equal to 0" in str(told.exception)
    assert not (tmp_path / "tuned").exists()
