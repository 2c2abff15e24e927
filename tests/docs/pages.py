"""The pages of the project as Markdown tokens: their blocks of code, their links and their anchors."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    ROOT / "starter" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks" / "results").glob("*.md")),
]
_MARK = re.compile(r"<!-- (needs|given|of) (.+?) -->")


@dataclass(frozen=True)
class Block:
    """A fenced block of code.

    Attributes:
        page: that it stands on.
        line: its first.
        language: after the fence.
        content: the code.
        marks: what comments right before it say: "needs" what it cannot run without, "given" names that it assumes, "of" the file
            that it is an excerpt of.
    """

    page: Path
    line: int
    language: str
    content: str
    marks: dict[str, str]

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@cache
def tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))


def blocks(language: str) -> list[Block]:
    """All blocks of a language, page by page in the order in which they stand."""
    found = []
    for page in PAGES:
        marks: dict[str, str] = {}
        for token in tokens(page):
            if token.type == "html_block":
                marks |= dict(_MARK.findall(token.content))
                continue
            if token.type == "fence" and token.info == language:
                found.append(Block(page, token.map[0] + 1, language, token.content, marks))
            marks = {}
    return found


def command_lines(block: Block) -> list[list[str]]:
    """The commands of a console block as words, continued lines joined, comments gone."""
    lines = block.content.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def inline(page: Path) -> Iterator[tuple[int, Token]]:
    """The pieces of running text with their line."""
    for token in tokens(page):
        for child in token.children or ():
            yield token.map[0] + 1 if token.map else 0, child


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site make them, and those set by ``id``."""
    found: set[str] = set()
    listed = tokens(page)
    for before, token in pairwise(listed):
        if before.type == "heading_open":
            words = "".join(c.content for c in token.children or () if c.type in ("text", "code_inline"))
            found.add(_slug(words))
    return found | set(re.findall(r'\bid="([^"]+)"', page.read_text(encoding="utf-8")))


def _slug(words: str) -> str:
    plain = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())
