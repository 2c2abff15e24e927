import base64
import html.parser
import itertools
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emofuse.errors import EmofuseError
from emofuse.evaluation.comparison.paired import compare_predictions
from emofuse.evaluation.metrics.classification import classification_report
from emofuse.evaluation.metrics.estimate import Estimate
from emofuse.evaluation.protocols.protocol_info import PROTOCOLS
from emofuse.evaluation.reporting.figures import (
    draw_confusion,
    draw_kept_patches,
    draw_learning_curves,
    save_figure,
)
from emofuse.evaluation.reporting.printable import markdown_text as markdown_cell
from emofuse.evaluation.reporting.report import ComparisonRow, ReportFigure, RunReport, write_report
from emofuse.evaluation.reporting.report_rows import class_scores, headline, paired_rows, pick_examples

LABELS = ["neutral", "joy", "sadness", "anger", "surprise", "fear"]
ATTACK = "<script>alert('x')</script><img src=x onerror=alert(1)> & \"quoted\" | pipe\n# not a heading"
LINES = ["I can't believe you did that!", ATTACK, "Ça alors, 本当に?", "No. Just no.", None]
SPEAKERS = ["Mónica", "<b>Ross</b>", None]


class Page(html.parser.HTMLParser):
    """What a browser would make of a page: its elements, and the words of each kind of element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in ("meta", "img", "source", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data):
        if data.strip():
            self.words.append((self.open[-1] if self.open else "", data))

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, *tags):
        return " ".join(words for tag, words in self.words if not tags or tag in tags)


@pytest.fixture(scope="module")
def predictions():
    rng = np.random.default_rng(7)
    true = rng.choice(6, 120, p=[0.4, 0.2, 0.15, 0.1, 0.1, 0.05])
    scores = rng.normal(size=(120, 6))
    scores[np.arange(120), true] += 2
    return true, np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Figures of a run, in a folder with a space and an umlaut in its name."""
    folder = tmp_path_factory.mktemp("run") / "figüres of it"
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 40, (6, 6))
    frames = rng.integers(0, 256, (15, 128, 128, 3), dtype=np.uint8)
    kept = [np.sort(np.stack([rng.permutation(64)[:30] for _ in range(15)]), axis=1)]
    wide, narrow = (draw_confusion(counts, LABELS, narrow=n) for n in (False, True))
    return {
        "confusion": save_figure(wide, folder, "confusion", narrow),
        "curves": save_figure(draw_learning_curves({"train_loss": [2, 1]}), folder, "curves"),
        "patches": save_figure(draw_kept_patches(frames, kept, (8, 8)), folder, "patches"),
    }


@pytest.fixture(scope="module")
def run(predictions, drawn):
    """A run as the training room would describe it."""
    true, probabilities = predictions
    predicted = probabilities.argmax(axis=1)
    scores = classification_report(true, predicted, LABELS, probabilities, bootstrap=50)
    comparison = compare_predictions(np.zeros(120, int), predicted, true, LABELS, bootstrap=50)
    optimistic = {"weighted_f1": Estimate(0.91, sd=0.02)}
    return RunReport(
        title="DeepMSI-MER on the demo corpus",
        command="emofuse train recipes/demo.yaml --out 'runs/demo & more'",
        synthetic=True,
        summary="Three modalities on people never seen in training.",
        protocol=PROTOCOLS["speaker"],
        headline=headline(scores),
        classes=class_scores(scores),
        comparison=[
            ComparisonRow("all three, speaker", headline(scores), note="ceiling 92.0"),
            ComparisonRow("all three, random-kfold", optimistic, optimistic=True, note="same people"),
        ],
        paired=paired_rows("majority", "all three", comparison),
        configuration={"seed": 0, "model": {"modalities": ("text", "audio"), "options": {}, "preset": None}},
        counts={"train": {"joy": 30, "fear": 4}, "test": {"joy": 7, "anger": 2}},
        quarantine={"the video stream is damaged": 2, ATTACK: 1},
        audit=["utterances: train 34, test 9", "train/test share 1 dialogues"],
        audit_flags=["train/test share 1 dialogues"],
        figures=[
            ReportFigure(drawn["confusion"], "Which was taken for which.", "Confusion matrix", "classes"),
            ReportFigure(drawn["curves"], "Loss by epoch.", f"Curves {ATTACK}", "training"),
            ReportFigure(drawn["patches"], "What it looked at.", "Frames", "frames"),
        ],
        examples=pick_examples(
            [f"dia{n // 12}_utt{n % 12}" for n in range(120)],
            true,
            probabilities,
            LABELS,
            texts=[LINES[n % 5] for n in range(120)],
            speakers=[SPEAKERS[n % 3] for n in range(120)],
        ),
        environment={"emofuse": "0.1.0", "torch": "2.13.0"},
        notes=["A note that the reader must know."],
    )


@pytest.fixture(scope="module")
def written(run, drawn):
    return write_report(run, drawn["confusion"].png.parent.parent)


@pytest.fixture(scope="module")
def page(written):
    return Page(written.html.read_text("utf-8"))


@pytest.fixture(scope="module")
def markdown(written):
    return written.markdown.read_text("utf-8")


# --- the page as a page


def test_the_page_asks_nothing_of_the_network(page, written):
    for tag, attributes in page.elements:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            assert attributes.get(name, "#").startswith(("data:image/", "#")), (tag, name)
    assert not page.of("script")
    assert not page.of("link")
    assert not page.of("iframe")
    policy = [meta["content"] for meta in page.of("meta") if "http-equiv" in meta]
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]
    css = page.text("style")
    assert "url(" not in css
    assert "@import" not in css


def test_the_page_suits_phones_dark_rooms_and_screen_readers(page):
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.of("meta")
    css = page.text("style")
    assert "prefers-color-scheme: dark" in css
    assert "max-width: 640px" in css
    assert page.of("html") == [{"lang": "en"}]
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert all(image["alt"] for image in page.of("img"))
    assert len(page.of("img")) == 3
    assert not page.open, "every element is closed"


def test_each_table_scrolls_in_a_box_of_its_own(page):
    tags = [tag for tag, _ in page.elements]
    tables = [n for n, tag in enumerate(tags) if tag == "table"]
    assert len(tables) == 7
    for place in tables:
        box = page.elements[place - 1]
        assert box[0] == "div"
        assert box[1]["class"] == "scroll"
        assert box[1]["aria-label"]
        assert box[1]["tabindex"] == "0"


def test_links_lead_to_sections_that_are_there(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [a["href"].removeprefix("#") for a in page.of("a")]
    sections = ["results", "comparison", "classes", "frames", "examples", "training", "data", "origin"]
    assert targets == sections
    assert set(targets) <= set(ids)
    labelled = [section["aria-labelledby"] for section in page.of("section")]
    assert set(labelled) <= set(ids)


def test_pictures_are_inside_and_whole(page):
    sources = [image["src"] for image in page.of("img")] + [s["srcset"] for s in page.of("source")]
    assert len(sources) == 4
    for source in sources:
        kind, data = re.fullmatch(r"data:image/(svg\+xml|webp);base64,(.+)", source).groups()
        content = base64.b64decode(data, validate=True)
        if kind == "webp":
            assert content[8:12] == b"WEBP"
        else:
            ElementTree.fromstring(content)
    # Fifteen noisy frames are lighter as an image than as a drawing; line art stays a drawing.
    assert [source[11:15] for source in sources] == ["svg+", "webp", "svg+", "svg+"]
    widths = [int(image["width"]) for image in page.of("img")]
    assert all(250 < width < 1000 for width in widths)


# --- what it says


def test_nothing_that_was_said_becomes_markup(page, written):
    assert not [a for _, a in page.elements if any(name.startswith("on") for name in a)]
    assert not page.of("b")
    assert "<script>alert('x')</script><img src=x onerror=alert(1)> & \"quoted\"" in page.text("q")
    assert "<b>Ross</b>" in page.text("small")
    assert "<script>" not in written.html.read_text("utf-8")
    assert any(ATTACK.split("\n")[0] in image["alt"] for image in page.of("img"))


def test_a_hostile_label_is_only_a_word(run, tmp_path):
    label = "\"><script>alert(1)</script>';}"
    example = replace(run.examples[0], true=label, predicted=label, id=label, kind=label)
    counts = {label: {label: 3}}
    report = replace(
        run, examples=[example], counts=counts, title=label, command=label, environment={label: label}
    )
    page = Page(write_report(report, tmp_path).html.read_text("utf-8"))
    assert not page.of("script")
    assert label in page.text("span")
    styles = {attributes["style"] for _, attributes in page.elements if "style" in attributes}
    assert all(re.fullmatch(r"(width:[\d.]+%;)?background:#[0-9a-f]{6}", style) for style in styles)


def test_numbers_are_there_with_their_intervals(page, run):
    first = run.headline["weighted_f1"]
    assert next(words for tag, words in page.words if tag == "span" and words == first.value_text())
    assert first.spread_text() in page.text("div")
    shown = page.text()
    for scores in run.classes:
        assert scores.f1.value_text() in shown
    assert "± 2.0" in shown
    assert "McNemar" in shown
    assert "< 0.001" in shown or re.search(r"0\.\d{3}", shown)


def test_synthetic_data_are_named_in_the_head_and_once_at_each_table_of_scores(written, page, run, markdown):
    text = written.html.read_text("utf-8")
    head, body = text.split("<main>")
    assert head.count('class="flag badge">synthetic data') == 1
    assert "Synthetic data." in page.text("strong")
    notes = re.findall(
        r'<p class="quiet">(.*?)</p>\n<div class="scroll" role="region" aria-label="(.*?)"', body
    )
    flagged = [table for note, table in notes if note.count("synthetic data") == 1]
    assert flagged == ["Scores side by side", "Paired tests", "Scores of each emotion"]
    assert body.count("synthetic data") == len(flagged)  # none in a card, a cell or the head of a column
    tables = re.findall(r"(?:^\|.*\n)+", markdown + "\n", flags=re.M)
    names = [t.split("|")[1:3] for t in tables if t.count("**[synthetic data]**") == 1]
    flag = " **[synthetic data]** "
    assert [first for first, _ in names] == [" Score ", f" Run{flag}", " First ", f" Emotion{flag}"]
    assert names[0][1] == f" Value{flag}"
    assert markdown.count("[synthetic data]") == len(names)


def test_the_note_of_a_run_stands_under_its_name_and_takes_no_column(page, written):
    text = written.html.read_text("utf-8")
    assert '<th scope="row">all three, speaker<small>ceiling 92.0</small></th>' in text
    compared = text[text.index('aria-label="Scores side by side"') :]
    heads = re.findall(r"<th scope=\"col\"[^>]*>([^<]*)", compared[: compared.index("</thead>")])
    assert heads == [
        "Run",
        "Weighted F1",
        "Macro F1",
        "Average recall (UAR)",
        "Accuracy",
        "Calibration error",
    ]


def values_with_flags(text: str) -> list[tuple[str, str]]:
    """Each number of the page with the flags in the same cell or card."""
    cells = re.findall(r'<(?:td class="number"[^>]*|dd)>(.*?)</(?:td|dd)>', text, flags=re.S)
    parts = [
        (re.sub(r"<[^>]+>", " ", cell).split(), re.findall(r'class="flag[^"]*">([^<]+)', cell))
        for cell in cells
    ]
    return [(words[0], " ".join(flags)) for words, flags in parts if words]


def test_only_the_optimistic_row_is_flagged_when_the_protocol_is_honest(written):
    flagged = [n for n, flags in values_with_flags(written.html.read_text("utf-8")) if "optimistic" in flags]
    assert flagged == ["91.0"]


def test_every_number_of_an_optimistic_run_is_flagged(run, tmp_path):
    report = replace(
        run, protocol=PROTOCOLS["random-kfold"], comparison=(), paired=(), examples=(), counts={}
    )
    files = write_report(report, tmp_path)
    numbers = values_with_flags(files.html.read_text("utf-8"))
    scores = [(n, flags) for n, flags in numbers if "." in n]
    assert len(scores) == len(run.headline) + 4 * len(LABELS)
    assert all("optimistic" in flags for _, flags in scores)
    assert "Optimistic protocol." in files.html.read_text("utf-8")
    markdown = files.markdown.read_text("utf-8")
    rows = [
        line for line in markdown.splitlines() if line.startswith("| Weighted F1") or line.startswith("| joy")
    ]
    assert rows
    assert all("**[optimistic]**" in row for row in rows)
    assert "> **Optimistic protocol.** random-kfold: utterances are drawn at random" in markdown


def test_real_data_under_an_honest_protocol_carry_no_flag(run, tmp_path):
    files = write_report(replace(run, synthetic=False, comparison=(), paired=()), tmp_path)
    assert 'class="flag' not in files.html.read_text("utf-8")
    assert "synthetic" not in files.markdown.read_text("utf-8").lower()


def test_what_leaks_and_what_was_set_aside_is_said(page, markdown):
    shown = page.text("li")
    assert "train/test share 1 dialogues" in shown
    assert shown.count("train/test share 1 dialogues") == 1
    assert "2 × the video stream is damaged" in shown
    assert "Set aside: 3" in page.text("h3")
    assert "- **Warning:** train/test share 1 dialogues" in markdown
    assert markdown.count("train/test share 1 dialogues") == 1
    assert [a["class"] for a in page.of("li") if a.get("class") == "warn"] == ["warn"] * 3


def test_counts_are_a_row_per_label_and_add_up(markdown):
    rows = re.findall(r"^\| (joy|fear|anger|\*\*all\*\*) \| (\d+) \| (\d+) \|$", markdown, flags=re.M)
    assert rows == [("joy", "30", "7"), ("fear", "4", "0"), ("anger", "0", "2"), ("**all**", "34", "9")]


def test_settings_are_flat_names(markdown):
    assert "| model.modalities | text, audio |" in markdown
    assert "| model.preset | – |" in markdown
    assert "| seed | 0 |" in markdown


# --- the markdown


def test_every_table_of_the_markdown_is_a_rectangle(markdown):
    tables = re.findall(r"(?:^\|.*\n)+", markdown + "\n", flags=re.M)
    assert len(tables) == 10
    for table in tables:
        widths = {len(re.split(r"(?<!\\)\|", line)) for line in table.strip().splitlines()}
        assert len(widths) == 1, table
        assert re.fullmatch(r"\|(-{3}:?\|)+", table.splitlines()[1])


def test_links_of_the_markdown_lead_to_the_figures(markdown, written):
    links = re.findall(r"\]\(([^)]+)\)", markdown)
    assert len(links) == 6
    for link in links:
        assert " " not in link
        assert (written.markdown.parent / unquote(link)).is_file()


def test_the_markdown_holds_no_markup_of_others(markdown):
    assert "<script" not in markdown
    assert "<b>" not in markdown
    assert "&lt;script&gt;" in markdown
    assert not re.search(r"^# not a heading", markdown, flags=re.M)


@given(st.text())
def test_a_cell_of_markdown_stays_one_cell(text):
    cell = markdown_cell(text)
    assert "\n" not in cell
    assert "<" not in cell
    assert not re.search(r"(?<!\\)(\\\\)*\|", cell)


# --- files


def test_writing_twice_gives_the_same_bytes(run, written):
    before = written.html.read_bytes(), written.markdown.read_bytes()
    write_report(run, written.html.parent)
    assert (written.html.read_bytes(), written.markdown.read_bytes()) == before
    assert not [path for path in written.html.parent.iterdir() if path.name.startswith(".")]


def test_a_missing_figure_is_named_and_the_old_report_stays(run, drawn, tmp_path):
    write_report(replace(run, figures=()), tmp_path)
    before = (tmp_path / "report.html").read_bytes()
    gone = replace(drawn["curves"], svg=Path("nowhere/curves.svg"))
    with pytest.raises(EmofuseError, match=r"curves\.svg: this figure of the report is missing"):
        write_report(replace(run, figures=[ReportFigure(gone, "c", "a")]), tmp_path)
    assert (tmp_path / "report.html").read_bytes() == before


def test_a_damaged_picture_is_named(run, drawn, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    figure = ReportFigure(replace(drawn["curves"], png=broken), "c", "a")
    with pytest.raises(EmofuseError, match=r"broken\.png: .* no picture"):
        write_report(replace(run, figures=[figure]), tmp_path)


def test_a_report_of_almost_nothing_is_a_page_without_empty_sections(tmp_path):
    files = write_report(RunReport(title="Nothing yet"), tmp_path / "new" / "folder")
    page = Page(files.html.read_text("utf-8"))
    assert page.text("h1") == "Nothing yet"
    assert not page.of("section")
    assert not page.of("a")
    assert files.markdown.read_text("utf-8").strip() == "# Nothing yet"


def test_undefined_scores_are_dashes_and_not_flagged(tmp_path):
    report = RunReport(
        title="t",
        synthetic=True,
        headline={"ece": Estimate(float("nan"))},
        comparison=[
            ComparisonRow("a", {"accuracy": Estimate(0.5)}),
            ComparisonRow("b", {"uar": Estimate(0.4)}),
        ],
    )
    files = write_report(report, tmp_path)
    assert "nan" not in Page(files.html.read_text("utf-8")).text().replace("nance", "").lower()
    rows = [
        line for line in files.markdown.read_text("utf-8").splitlines() if line.startswith(("| a", "| b"))
    ]
    assert rows == ["| a | 50.0 | – |  |", "| b | – | 40.0 |  |"]


def test_control_characters_do_not_reach_the_files(run, tmp_path):
    example = replace(run.examples[0], text="bell\x07 half \ud800 turn\u202e", speaker="\x1b[31mred")
    files = write_report(replace(run, examples=[example], figures=()), tmp_path)
    for path in (files.html, files.markdown):
        text = path.read_text("utf-8")
        assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e]", text)
        assert "bell� half � turn" in text


# --- the rows


def test_examples_are_what_their_headings_say(predictions):
    true, probabilities = predictions
    ids = [f"u{n:03d}" for n in range(120)]
    examples = pick_examples(ids, true, probabilities, LABELS, count=3)
    predicted, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong, right = np.flatnonzero(predicted != true), np.flatnonzero(predicted == true)
    wanted = {
        "Most confident mistakes": wrong[np.argsort(-sure[wrong])][:3],
        "Right, and surest of it": right[np.argsort(-sure[right])][:3],
        "Right, but hardly sure": right[np.argsort(sure[right])][:3],
    }
    for kind, rows in wanted.items():
        those = [example for example in examples if example.kind == kind]
        assert [example.id for example in those] == [ids[row] for row in rows]
        for example, row in zip(those, rows, strict=True):
            assert example.true == LABELS[true[row]]
            assert example.predicted == LABELS[predicted[row]]
            assert example.probability == pytest.approx(sure[row])


def test_few_utterances_come_once_each():
    examples = pick_examples(["a", "b"], [0, 0], [[0.9, 0.1], [0.8, 0.2]], ["x", "y"])
    assert sorted(example.id for example in examples) == ["a", "b"]


def test_rows_carry_the_metrics_over(predictions):
    true, probabilities = predictions
    report = classification_report(true, probabilities.argmax(axis=1), LABELS, probabilities, bootstrap=50)
    scores = headline(report)
    assert list(scores) == ["weighted_f1", "macro_f1", "uar", "accuracy", "ece"]
    assert scores["uar"].value == report.uar
    assert scores["uar"].whisker == tuple(report.intervals["uar"])
    rows = class_scores(report)
    assert [row.label for row in rows] == LABELS
    assert rows[3].recall.value == report.per_class["anger"].recall
    assert rows[3].f1.whisker == tuple(report.per_class["anger"].f1_interval)
    comparison = compare_predictions(
        np.zeros(120, int), probabilities.argmax(axis=1), true, LABELS, bootstrap=50
    )
    paired = paired_rows("a", "b", comparison)
    assert [row.metric for row in paired] == ["weighted_f1", "accuracy", "accuracy"]
    assert paired[0].difference.value == comparison.weighted_f1.difference
    assert paired[2].p_value == comparison.mcnemar.p_value
