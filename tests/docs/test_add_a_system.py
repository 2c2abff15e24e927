"""The page on adding a system: its excerpts are of the files that they name, and its package does what it says."""

import tomllib
from pathlib import Path

import pytest

from emofuse.models import registry
from tests.docs.pages import ROOT, Block, blocks
from tests.feature_file import emofuse, told
from tests.small_runs import text_corpus

PAGE = ROOT / "docs" / "add-a-system.md"
EXCERPTS = [
    block
    for language in ("python", "yaml")
    for block in blocks(language)
    if "of" in block.marks and block.marks["of"] != "a plugin"
]


@pytest.mark.parametrize("block", EXCERPTS, ids=str)
def test_an_excerpt_stands_in_its_file(block: Block) -> None:
    assert block.content in (ROOT / block.marks["of"]).read_text(encoding="utf-8")


def test_there_are_excerpts() -> None:
    assert {block.marks["of"] for block in EXCERPTS} >= {"emofuse/models/bc_lstm.py"}


def of_the_plugin(language: str) -> str:
    (found,) = (b for b in blocks(language) if b.page == PAGE and b.marks.get("of") == "a plugin")
    return found.content


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's package, on the path as an installed one is."""
    place = tmp_path / "site"
    package, info = place / "my_package", place / "my_package-1.0.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    (package / "__init__.py").touch()
    (package / "my_lstm.py").write_text(of_the_plugin("python"))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    ((group, points),) = tomllib.loads(of_the_plugin("toml"))["project"]["entry-points"].items()
    lines = [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    (tmp_path / "my-lstm.yaml").write_text(of_the_plugin("yaml"))
    monkeypatch.syspath_prepend(place)
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    return tmp_path / "my-lstm.yaml"


def test_the_package_of_the_page_is_listed_trained_and_predicts(plugin: Path, tmp_path: Path) -> None:
    listed = [line.split()[0] for line in emofuse("models").splitlines() if not line.startswith(" ")]
    assert "my-lstm" in listed
    corpus = text_corpus(tmp_path / "corpus")
    trained = told(
        *("train", corpus.root, "--recipe", plugin, "--modalities", "text", "--out", tmp_path / "run"),
        *("--text-encoder", "hashed-ngrams", "--device", "cpu", "--set", "data.workers=0"),
    )
    assert trained["model"] == "my-lstm"
    # Three in four utterances say what their label goes with, and each label is a third of them.
    assert trained["test"]["accuracy"] > 0.5
    (said,) = told_lines("predict", tmp_path / "run", "--text", "what a wonderful day")
    assert " joy " in said


def told_lines(*arguments: object) -> list[str]:
    return emofuse(*arguments, "--quiet").splitlines()
