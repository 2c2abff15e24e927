"""What --help shows: nothing cut, in a terminal of 80 columns too, and examples that can be copied."""

from __future__ import annotations

import re
import shlex

import pytest
from typer.testing import CliRunner

from emofuse.cli.help_text import first_sentence, laid_out, shell_lines
from emofuse.cli.main import VERBS, app


def _help_of(*words: str) -> list[str]:
    answer = CliRunner().invoke(app, [*words, "--help"], prog_name="emofuse", env={"COLUMNS": "80"})
    assert answer.exit_code == 0, answer.output
    return list(answer.output.splitlines())


@pytest.mark.parametrize("verb", VERBS)
def test_help_fits_80_columns_and_nothing_is_cut(verb: str) -> None:
    lines = _help_of(verb)
    assert not [line for line in lines if len(line) > 80 or "…" in line]
    # Options of the longest names stand whole.
    assert all(re.match(r"  (-\w, )?--[a-z][a-z-]*", line) for line in lines if line.startswith("  -"))


def test_the_list_of_verbs_has_whole_sentences() -> None:
    text = "\n".join(_help_of())
    assert all(re.search(rf"^  {verb} +[A-Z]", text, re.MULTILINE) for verb in VERBS)
    assert "..." not in text.partition("Commands:")[2]
    assert text.count("\n  demo-data    Make a synthetic corpus.\n") == 1


def test_an_example_is_what_a_shell_reads() -> None:
    command = (
        'emofuse predict runs/first a.mp4 --text "I can\'t believe it, and never will!" --out ' + "x" * 40
    )
    lines = shell_lines(command, width=40)
    assert len(lines) > 2
    # A backslash at the end of a line takes the next one to it; Python's shlex does not know that.
    assert shlex.split("\n".join(lines).replace("\\\n", "")) == shlex.split(command)
    shown = laid_out(f"Say it.\n\nExample, on\ntwo machines: `{command}`\n\nMore `of it`.")
    assert shown.startswith("Say it.\n\n\b\nExample, on two machines:\n  emofuse predict")
    assert shown.endswith("\n\nMore `of it`.")


def test_a_verb_is_told_in_its_first_sentence() -> None:
    assert first_sentence("Make it: of clay,\nand fire. Then wait.\n\nExample: `x`") == "Make it."
    assert first_sentence("Read v1.2 of\nit. More.") == "Read v1.2 of it."
    assert first_sentence("no end") == "no end"
