"""What run.json says is compared with the weights before anything is built from it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from emofuse.errors import EmofuseError
from emofuse.pipeline import EmotionPipeline
from emofuse.runs.run_folder import RunFolder
from emofuse.training.fit import fit_run
from tests.small_runs import text_corpus, text_settings

Record = dict[str, Any]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    corpus = text_corpus(tmp_path_factory.mktemp("words"), dialogues=9)
    return fit_run(text_settings(corpus, optimiser__epochs=1), corpus, corpus.root / "run")


def huge(record: Record) -> None:
    record["model_config"]["classifier_hidden"] = [10**9, 10**9]


def a_label_more(record: Record) -> None:
    record["labels"] = [*record["labels"], "awe"]


def another_task(record: Record) -> None:
    record["task"] = "regression"


@pytest.mark.parametrize("edit", [huge, a_label_more, another_task])
def test_a_record_that_does_not_fit_its_weights_is_one_line(
    fitted: RunFolder, edit: Callable[[Record], None], tmp_path: Path
) -> None:
    run = RunFolder(Path(shutil.copytree(fitted.path, tmp_path / "run")))
    record = json.loads(run.record_file.read_text())
    edit(record)
    run.record_file.write_text(json.dumps(record))
    with pytest.raises(EmofuseError) as caught:
        EmotionPipeline.from_pretrained(run.path)
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_finite_are_refused(fitted: RunFolder, tmp_path: Path) -> None:
    run = RunFolder(Path(shutil.copytree(fitted.path, tmp_path / "run")))
    state = load_file(run.weights_file)
    name = next(n for n, tensor in state.items() if tensor.is_floating_point())
    save_file(state | {name: torch.full_like(state[name], torch.nan)}, run.weights_file)
    with pytest.raises(EmofuseError, match="NaN or infinity"):
        EmotionPipeline.from_pretrained(run.path)


DAMAGE = [b"", b"\x00\xff", b"[" * 100_000, b"{}", None]
# Settings that say nothing are those by default.
DAMAGED = [
    (name, content)
    for name in ("run.json", "split.json", "config.yaml")
    for content in DAMAGE
    if name != "config.yaml" or content not in (b"", b"{}")
]


@pytest.mark.parametrize(
    ("name", "content"), DAMAGED, ids=[f"{name}-{number}" for number, (name, _) in enumerate(DAMAGED)]
)
def test_a_damaged_file_is_one_line(
    fitted: RunFolder, name: str, content: bytes | None, tmp_path: Path
) -> None:
    run = RunFolder(Path(shutil.copytree(fitted.path, tmp_path / "run")))
    (run.path / name).unlink()
    if content is None:
        (run.path / name).mkdir()
    else:
        (run.path / name).write_bytes(content)
    reader = {"run.json": run.read_record, "split.json": run.read_split, "config.yaml": run.read_settings}[
        name
    ]
    with pytest.raises(EmofuseError) as caught:
        reader()
    assert "\n" not in str(caught.value)
