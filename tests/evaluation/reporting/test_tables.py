import html.parser
import re

import pytest

from emofuse.evaluation.reporting.tables import (
    OPTIMISTIC,
    SYNTHETIC,
    Cell,
    Table,
    html_tables,
    latex_tables,
    markdown_tables,
)

NASTY = "a|b_c & 50 % <script>\\x{y}$#^~`*\n† "
TABLE = Table(
    title="Scores & such",
    columns=("Method", "F1"),
    rows=(
        (Cell(NASTY), Cell("70.1 ± 2.0", flags=OPTIMISTIC + SYNTHETIC)),
        (Cell("plain"), Cell("−3.2 (1.0 to 2.0)", bold=True)),
    ),
    notes=("Percent.",),
)


def test_markdown_keeps_its_columns_whatever_the_names_hold():
    lines = markdown_tables([TABLE]).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 4
    assert all(len(re.split(r"(?<!\\)\|", row)) == 4 for row in rows)
    assert len({len(row) for row in rows}) == 1, "padded to one width"
    assert rows[1].endswith(":|") or rows[1].endswith(": |")
    assert "**−3.2 (1.0 to 2.0)**" in rows[3]
    assert "70.1 ± 2.0 †‡" in rows[2]


def test_html_shows_names_as_they_are_and_runs_none_of_them():
    text = html_tables([TABLE])
    assert "<script>" not in text
    found: list[tuple[str, str]] = []

    class Reader(html.parser.HTMLParser):
        def handle_data(self, data):
            found.append((self.get_starttag_text() or "", data))

    Reader().feed(text)
    words = " ".join(data for _, data in found)
    assert "50 % <script>\\x{y}$#^~`*" in words
    assert ("<strong>", "−3.2 (1.0 to 2.0)") in found


def test_latex_has_no_bare_command_signs():
    text = latex_tables([TABLE])
    assert text.startswith("% needs")
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
    (first, second) = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert (
        r"a\textbar{}b\_c \& 50 \% \textless{}script\textgreater{}\textbackslash{}x\{y\}\$\#\textasciicircum{}"
        in first
    )
    assert r"70.1 $\pm$ 2.0 \textdagger{}\textdaggerdbl{}" in first
    assert r"\textbf{$-$3.2 (1.0 to 2.0)}" in second
    assert text.count("{") == text.count("}")
    assert len(re.findall(r"(?<!\\)&", first)) == 1


@pytest.mark.parametrize("render", [markdown_tables, html_tables, latex_tables])
def test_flags_that_occur_are_explained_and_others_are_not(render):
    assert "optimistic" in render([TABLE])
    assert "synthetic" in render([TABLE])
    plain = Table("t", ("a",), ((Cell("1"),),))
    assert "optimistic" not in render([plain])
