"""Commands that need a corpus, on tiny ones: what prepares, imports, audits and inspects runs, what trains runs as far as its
first encoder. So every path, name and recipe between them is tried; `test_commands` tries the options alone."""

from __future__ import annotations

import importlib
import os
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.models.registry import model_config
from emofuse.runs.settings import RunSettings
from emofuse.runs.tasks import task_of
from tests.docs.pages import PAGES, ROOT, blocks, command_lines
from tests.docs.small_world import make_world

WHOLE = ("prepare", "import", "audit", "inspect")
AS_FAR_AS_ENCODERS = ("train", "finetune", "extract", "sweep", "ablate", "reproduce", "benchmark")
TRIED = (*WHOLE, *AS_FAR_AS_ENCODERS)
# Where each of them begins to encode, or to train an encoder.
ENCODERS = (
    ("emofuse.training.fit", "encoders_of_run"),
    ("emofuse.training.finetuning", "fine_tune"),
    ("emofuse.encoders", "create_encoder"),
    ("emofuse.experiments.benchmark.run", "encode_modalities"),
    ("emofuse.experiments.benchmark.run", "run_jobs"),  # imported features need no encoder
)
# One process is enough here, and what another one does is not seen.
SPREAD = ("--jobs", "--processes", "--ray", "--devices", "--nodes")
PLUGIN = "my-lstm.yaml"
# Folders that a page may take as prepared before, unless it does so itself.
PREPARED = {
    "meld": "prepare meld meld",
    "mosi": "import mmsa mosi_trainvalid.pkl --out mosi",
    "ravdess": "prepare ravdess ravdess",
    "iemocap": "prepare iemocap iemocap",
    "faces": "prepare fer2013 path/to/FER2013 --out faces",
}
# All systems take as long as the rest of these tests together.
SOME_SYSTEMS = ["--systems", "bc-lstm,tfn,deepmsi-mer"]
CONSOLE = blocks("console")


class EncodersReachedError(BaseException):
    """No error of a run, which would be noted and passed over."""


def reached(*given: Any, **_: object) -> None:
    """All that stands before the encoders is right, and so are the system's settings, which a run asks for after them."""
    if given and isinstance(given[0], RunSettings):
        settings, manifest = given[:2]
        options = task_of(settings, manifest).model_options() | settings.model.options
        model_config(settings.model.name, settings.model.preset, **options)
    raise EncodersReachedError


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def prepared(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which all is prepared that can be."""
    copy = shutil.copytree(world, tmp_path_factory.mktemp("prepared") / "world", copy_function=os.link)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(copy)
        for line in PREPARED.values():
            try_command("before", line.split())
    return copy


@pytest.fixture
def place(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy for one page, whose commands write into it. No encoder is made there."""
    copy = tmp_path / "world"
    shutil.copytree(world, copy, copy_function=os.link)
    monkeypatch.chdir(copy)
    for module, name in ENCODERS:
        monkeypatch.setattr(importlib.import_module(module), name, reached)
    # `reproduce --corpus demo` draws it; here it lies there.
    drawing = importlib.import_module("emofuse.experiments.reproduction.deepmsi_mer")
    monkeypatch.setattr(drawing, "generate_demo_corpus", lambda *_, **__: None)
    return copy


def link_anew(source: str, target: str) -> None:
    Path(target).unlink(missing_ok=True)
    os.link(source, target)


def cheaper(words: list[str]) -> list[str]:
    """The same in one process, and a benchmark of few systems."""
    few = SOME_SYSTEMS if words[0] == "benchmark" and "--systems" not in words else []
    return [word for before, word in pairwise(["", *words, *few]) if not {before, word} & set(SPREAD)]


def commands(page: Path) -> list[tuple[str, list[str]]]:
    """Where they stand and their words: those of the page that can be tried, in their order."""
    return [
        (str(block), words[words.index("emofuse") + 1 :])
        for block in CONSOLE
        if block.page == page and "needs" in block.marks
        for words in command_lines(block)
        if "emofuse" in words and set(words) & set(TRIED) and PLUGIN not in words
    ]


TRIED_PAGES = [page for page in PAGES if commands(page)]


def try_command(where: str, words: list[str]) -> None:
    try:
        result = CliRunner().invoke(app, cheaper(words))
    except EncodersReachedError:
        assert words[0] in AS_FAR_AS_ENCODERS
    else:
        said = f"{where}: {' '.join(words)}: {result.exception!r}\n{result.output}"
        assert words[0] in WHOLE or "--list" in words, f"it has not come to its encoders: {said}"
        assert result.exit_code == 0, said


@pytest.mark.parametrize("page", TRIED_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_of_a_page_find_what_they_name(page: Path, place: Path, prepared: Path) -> None:
    given = commands(page)
    made = {word for _, words in given if words[0] in ("prepare", "import") for word in words}
    for name in set(PREPARED) - made:
        shutil.copytree(prepared / name, place / name, copy_function=link_anew, dirs_exist_ok=True)
    for where, words in given:
        try_command(where, words)


@pytest.mark.parametrize("page", TRIED_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_two_commands_of_a_page_train_into_one_folder(page: Path) -> None:
    given = [words for _, words in commands(page) if words[0] in AS_FAR_AS_ENCODERS]
    folders = [after for words in given for name, after in pairwise(words) if name in ("--out", "-o")]
    assert len(folders) == len(set(folders)), f"{page}: the second of these is refused: {sorted(folders)}"


def test_a_command_that_does_not_fit_is_told(place: Path) -> None:
    with pytest.raises(AssertionError, match=r"has not come to its encoders.*no manifest"):
        try_command("here", ["train", "meld", "--out", "run"])
    with pytest.raises(AssertionError, match="dropuot"):
        try_command("here", ["train", "corpus", "--set", "model.options.dropuot=0.1", "--out", "run"])
    with pytest.raises(
        AssertionError, match="exit_code"
    ):  # its recordings would lie outside of the manifest's folder
        try_command("here", ["prepare", "meld", "MELD.Raw", "--out", "meld"])
