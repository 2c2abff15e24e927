"""Every command that the pages show exists, and those that need nothing run."""

import re
import runpy
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from emofuse.cli.main import app
from tests.docs.pages import PAGES, ROOT, Block, blocks, command_lines, inline

CONSOLE = blocks("console")
VERBS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


RECIPES = sorted((ROOT / "emofuse" / "recipes").rglob("*.yaml"))


def emofuse_words(words: list[str]) -> list[str] | None:
    """What follows ``emofuse``, also where a launcher such as torchrun stands before it."""
    return words[words.index("emofuse") + 1 :] if "emofuse" in words else None


@pytest.mark.parametrize("block", CONSOLE, ids=str)
def test_a_console_block_holds_commands_that_exist(block: Block) -> None:
    for words in command_lines(block):
        said = emofuse_words(words)
        if said is not None:
            assert said[0] in VERBS, f"{block}: no verb {said[0]}"
            # All that the command line checks before it runs: options, their values, what is required.
            VERBS[said[0]].make_context(f"emofuse {said[0]}", said[1:])
        elif words[:2] == ["python", "-m"]:
            assert (ROOT / f"{words[2].replace('.', '/')}.py").is_file(), f"{block}: no module {words[2]}"
        elif words[0] == "python":
            assert all(
                (ROOT / word).is_file() for word in words if word.startswith("starter/") and "." in word
            ), f"{block}: {words}: no such script or plan"
        elif words[0] == "make":
            makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
            assert re.search(rf"^{words[1]}:", makefile, flags=re.M), f"{block}: no target {words[1]}"
        else:
            assert words[:2] == ["pip", "install"], f"{block}: {words[0]} is checked by nothing"


def check_options(words: list[str], where: str) -> None:
    """The verb exists and has every option that is named, whatever else is left out."""
    assert words[1] in VERBS, f"{where}: no verb {words[1]}"
    known = {name for option in VERBS[words[1]].params for name in option.opts + option.secondary_opts}
    named = {word.split("=")[0] for word in words if re.fullmatch(r"--[a-z][a-z-]*(=.*)?", word)}
    assert named <= known, f"{where}: {words[1]} has no {sorted(named - known)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_within_sentences_name_verbs_and_options_that_exist(page: Path) -> None:
    for line, token in inline(page):
        words = token.content.split()
        if token.type == "code_inline" and words[:1] == ["emofuse"] and len(words) > 1:
            check_options(words, f"{page}:{line}")


def test_commands_in_the_notes_of_recipes_exist() -> None:
    notes = [
        (file, note) for file in RECIPES for note in re.findall(r"#.*", file.read_text(encoding="utf-8"))
    ]
    named = [(file, words) for file, note in notes for words in re.findall(r"emofuse [a-z][^`)]*", note)]
    assert named
    for file, words in named:
        check_options(words.split(), str(file))


@pytest.mark.timeout(900)  # it draws a corpus and trains on it
@pytest.mark.parametrize("block", [block for block in CONSOLE if "needs" not in block.marks], ids=str)
def test_a_block_that_needs_nothing_runs(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in command_lines(block):
        said = emofuse_words(words)
        assert said is not None, f"{block}: say with a comment before it what {words[0]} needs"
        result = CliRunner().invoke(app, said)
        assert result.exit_code == 0, f"{block}: {' '.join(words)}: {result.exception!r}\n{result.output}"


def test_no_command_hides_in_a_block_without_a_language() -> None:
    hidden = [
        block
        for block in blocks("")
        if re.search(r"^(emofuse|make|pip|python -m) ", block.content, flags=re.M)
    ]
    assert not hidden, f"{hidden[0]}: call it a console block"


def test_there_is_something_to_run() -> None:
    assert len(CONSOLE) > 20
    assert any("needs" not in block.marks for block in CONSOLE)


def test_what_the_site_makes_of_long_commands_is_the_same_commands() -> None:
    pytest.importorskip("mkdocs", reason="the site needs the extra docs")
    hooks = runpy.run_path(str(ROOT / "docs" / "site_hooks.py"))
    for block in CONSOLE:
        folded = replace(block, content=hooks["folded"](block.content))
        assert command_lines(folded) == command_lines(block)
        assert all(
            len(line) <= hooks["COLUMN"] or line.startswith("#") or len(line.split()) <= 3
            for line in folded.content.splitlines()
        ), block
