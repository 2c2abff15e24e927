"""What the site shows otherwise than the repository: results as pages of its own, and commands that fit a column."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
# Characters of a code block that fit the page at a width of 1280 pixels.
COLUMN = 76

_CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_WORD = re.compile(r"""(?:"[^"]*"|'[^']*'|\S)+""")


def on_files(files: Files, config: Any) -> Files:
    """Add every result file as ``results-of-benchmarks/NAME.md``."""
    for source in sorted(RESULTS.glob("*.md")):
        page = File.generated(config, f"results-of-benchmarks/{source.name}", abs_src_path=str(source))
        files.append(page)
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Let links that hold in the repository hold on the site, and long commands fit the page."""
    linked = markdown.replace("](../benchmarks/results/", "](results-of-benchmarks/")
    # As bash, since the lexer of "console" takes a comment, which begins with a hash, for a command of root.
    return _CONSOLE.sub(lambda block: f"```bash\n{folded(block[1])}```", linked)


def folded(commands: str) -> str:
    """Shell commands with those that are longer than a column divided between their options."""
    return "".join(f"{line}\n" for command in commands.splitlines() for line in _lines(command))


def _lines(command: str) -> list[str]:
    if len(command) <= COLUMN or command.startswith("#"):
        return [command]
    command, sign, comment = command.partition("  #")
    lines = [f"#{comment}"] if sign else []
    indent = command[: len(command) - len(command.lstrip())]
    parts: list[str] = []
    for word in _WORD.findall(command):
        with_option = (
            parts and parts[-1].startswith("-") and " " not in parts[-1] and not word.startswith("-")
        )
        if with_option and word != "\\":
            parts[-1] += f" {word}"
        else:
            parts.append(word)
    line = indent
    for part in parts:
        if line.strip() and part != "\\" and len(line) + len(part) + 3 > COLUMN:
            lines.append(f"{line} \\")
            line = "    "
        line += part if not line.strip() else f" {part}"
    return [*lines, line]
