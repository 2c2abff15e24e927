"""Tables of words and numbers as Markdown, HTML and LaTeX; the same table in each, escaped for each."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from emofuse.evaluation.reporting.printable import printable

OPTIMISTIC, SYNTHETIC = "†", "‡"
FLAG_NOTES: Mapping[str, str] = MappingProxyType(
    {
        OPTIMISTIC: "† optimistic: the model, or a choice that was made for it, knows whom or what it is judged on",
        SYNTHETIC: "‡ synthetic data, drawn by a program: says nothing about real conversations",
    }
)


def flags_of(optimistic: bool, synthetic: bool) -> str:
    """The flags of a number: its protocol flatters, its data are synthetic."""
    return OPTIMISTIC * optimistic + SYNTHETIC * synthetic


_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "†": r"\textdagger{}",
    "‡": r"\textdaggerdbl{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": r"$-$",
    "–": "--",
    "→": r"$\rightarrow$",
}
_MARKDOWN_SIGNS = re.compile(r"([\\*\[\]|#~]|<(?! )|(?<!\w)_|_(?!\w))")


@dataclass(frozen=True)
class Cell:
    """Words of a table.

    Attributes:
        text: them.
        bold: the best of their column.
        flags: of :data:`FLAG_NOTES`, shown beside the words.
    """

    text: str
    bold: bool = False
    flags: str = ""

    @property
    def flagged(self) -> str:
        """The words with their flags, on one line."""
        return printable(f"{self.text} {self.flags}")


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        title: above it.
        columns: their names.
        rows: cells, a row at a time.
        words: columns from the left that hold words; the others hold numbers and stand to the right.
        notes: below it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    words: int = 1
    notes: tuple[str, ...] = ()

    @property
    def footnotes(self) -> tuple[str, ...]:
        """The notes, and what the flags in the cells mean."""
        used = {flag for row in self.rows for cell in row for flag in cell.flags}
        return (*self.notes, *(note for flag, note in FLAG_NOTES.items() if flag in used))


def markdown_tables(tables: Sequence[Table]) -> str:
    """The tables as Markdown, padded so that they can be read as they stand."""
    return "\n".join(line for table in tables for line in _markdown(table))


def _markdown(table: Table) -> Iterator[str]:
    words = [[_markdown_words(name) for name in table.columns]]
    words += [
        [f"**{_markdown_words(c.flagged)}**" if c.bold else _markdown_words(c.flagged) for c in row]
        for row in table.rows
    ]
    widths = [max(3, *(len(row[i]) for row in words)) for i in range(len(table.columns))]
    yield f"### {_markdown_words(table.title)}\n"
    rules = ["-" * width if i < table.words else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    for row in [words[0], rules, *words[1:]]:
        padded = (
            word.ljust(width) if i < table.words else word.rjust(width)
            for i, (word, width) in enumerate(zip(row, widths, strict=True))
        )
        yield f"| {' | '.join(padded)} |"
    yield ""
    yield from (f"{_markdown_words(note)}\n" for note in table.footnotes)


def _markdown_words(text: str) -> str:
    return _MARKDOWN_SIGNS.sub(r"\\\1", printable(text))


def html_tables(tables: Sequence[Table]) -> str:
    """The tables as HTML, without a page around them, to be pasted into one."""
    return "\n".join(line for table in tables for line in _html(table)) + "\n"


def _html(table: Table) -> Iterator[str]:
    def cell(tag: str, words: str, column: int) -> str:
        side = "left" if column < table.words else "right"
        return f'<{tag} style="text-align:{side}">{words}</{tag}>'

    yield "<table>"
    yield f"<caption>{html.escape(printable(table.title))}</caption>"
    heads = (cell("th", html.escape(printable(name)), i) for i, name in enumerate(table.columns))
    yield f"<thead><tr>{''.join(heads)}</tr></thead>"
    yield "<tbody>"
    for row in table.rows:
        words = (html.escape(each.flagged) for each in row)
        marked = (f"<strong>{w}</strong>" if each.bold else w for w, each in zip(words, row, strict=True))
        yield f"<tr>{''.join(cell('td', w, i) for i, w in enumerate(marked))}</tr>"
    yield "</tbody>"
    yield "</table>"
    yield from (f"<p><small>{html.escape(printable(note))}</small></p>" for note in table.footnotes)


def latex_tables(tables: Sequence[Table]) -> str:
    """The tables as LaTeX; the preamble needs ``booktabs``."""
    head = r"% needs \usepackage{booktabs}, and a LaTeX that reads UTF-8"
    return "\n".join([head, *(line for table in tables for line in _latex(table))]) + "\n"


def _latex(table: Table) -> Iterator[str]:
    sides = "".join("l" if i < table.words else "r" for i in range(len(table.columns)))
    yield "\\begin{table}\n\\centering"
    yield f"\\caption{{{latex_words(table.title)}}}"
    yield f"\\begin{{tabular}}{{{sides}}}\n\\toprule"
    yield " & ".join(latex_words(name) for name in table.columns) + r" \\"
    yield r"\midrule"
    for row in table.rows:
        words = (latex_words(each.flagged) for each in row)
        marked = (f"\\textbf{{{w}}}" if each.bold else w for w, each in zip(words, row, strict=True))
        yield " & ".join(marked) + r" \\"
    yield "\\bottomrule\n\\end{tabular}"
    yield from (f"\\par\\footnotesize {latex_words(note)}" for note in table.footnotes)
    yield "\\end{table}\n"


def latex_words(text: str) -> str:
    """One line of words in which nothing is a command."""
    return "".join(_LATEX.get(sign, sign) for sign in printable(text))


FORMATS: Mapping[str, Callable[[Sequence[Table]], str]] = MappingProxyType(
    {"markdown": markdown_tables, "html": html_tables, "latex": latex_tables}
)
