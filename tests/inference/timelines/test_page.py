import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from emofuse.data.media_writer import write_video, write_wav
from emofuse.errors import EmofuseError
from emofuse.inference.timeline import EmotionTimeline
from emofuse.inference.timelines.page import MOST_RECORDINGS, timeline_page
from emofuse.inference.timelines.page_media import PageMedia, media_of_page
from tests.inference.timelines.made import LABELS, dialogue, segment

VOID = {"meta", "img", "br", "input", "link", "hr", "source", "wbr"}


class _Page(HTMLParser):
    """Elements with their attributes, words without tags, and whether each tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.scripts if self._open and self._open[-1] == "script" else self.words).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def page() -> _Page:
    return _Page(timeline_page(dialogue(), labels=LABELS, notes=["A <note>."]))


def test_no_script_runs_but_the_pages_own(page: _Page) -> None:
    [script] = page.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    [policy] = [m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert f"script-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none'; media-src 'none';")
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]


def test_nothing_is_fetched_from_elsewhere(page: _Page) -> None:
    for _, attributes in page.elements:
        for name in ("src", "href", "srcset", "action", "data"):
            assert (attributes.get(name) or "#").startswith("#")
    assert "url(" not in "".join(page.words)
    assert "@import" not in "".join(page.words)


def test_hostile_words_are_words(page: _Page) -> None:
    said = "".join(page.words)
    assert "</script><script>alert(1)</script> \"'&\\N{\\an8} -->" in said
    assert '"<b onmouseover=x()>' in said
    assert "\u202e" not in said
    assert "\0" not in said
    assert "\ufffd" in said  # in the place of the NUL
    assert "b" not in {name for name, attributes in page.elements if "onmouseover" in attributes}


def test_the_tracks_say_words_beside_colours_and_the_table_says_the_same(page: _Page) -> None:
    text = timeline_page(dialogue(), labels=LABELS)
    links = [a for a in page.all("a") if "data-of" in a]
    assert len(links) == 5
    assert links[0]["aria-label"] == "0:00.5 – 0:02.0, Ross: joy 70 %, “I can't believe it!”"
    assert re.search(r"<b>joy</b><span>70 %</span></a>", text)
    lanes = [ol["aria-label"] for ol in page.all("ol")]
    assert lanes[:2] == ["Ross: 2", "Ross, at the same time: 1"]
    assert lanes[2].startswith("Ann,")
    assert lanes[2].endswith(": 2")
    rows = [tr for tr in page.all("tr") if "data-start" in tr]
    assert [(row["data-start"], row["data-end"]) for row in rows[:2]] == [("0.5", "2.0"), ("1.5", "2.5")]
    shares = [td for td in page.all("td") if "data-part" in td]
    assert [td["data-part"] for td in shares[:3]] == ["0.2", "0.7", "0.1"]
    assert 'audio: anger 90 % <span class="flag">disagrees</span>' in text
    assert "audio is unlike anything in training (2.5 times the usual)" in text
    assert "without video: no video was given" in text
    assert all(th.get("scope") for th in page.all("th"))
    assert {"main", "header", "footer", "caption"} <= {name for name, _ in page.elements}
    assert [e for e in page.elements if e[1].get("role") == "status"]


def test_words_alone_have_a_table_and_no_tracks() -> None:
    text = timeline_page([segment(0, None, recording=None)])
    assert 'class="tracks"' not in text
    assert "words alone" in text
    assert "<b>joy" not in text


def test_a_value_is_shown_where_there_are_no_probabilities() -> None:
    told = segment(0, 1, "positive", probabilities={}, value=-0.52, by_modality={"text": {"value": 1.25}})
    text = timeline_page([told])
    assert "−0.52" in text
    assert "text: +1.25" in text
    assert "data-part" not in text


def test_nothing_and_too_much_are_refused() -> None:
    with pytest.raises(EmofuseError, match="no prediction"):
        timeline_page([])
    with pytest.raises(EmofuseError, match="more than one page can show"):
        timeline_page([segment(0, 1, recording=f"{i}.mp4") for i in range(MOST_RECORDINGS + 1)])


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films") / 'a "quoted" #1 é'
    frames = np.zeros((4, 32, 32, 3), np.uint8)
    write_video(folder / "film <1>.mp4", frames, 4, audio=np.zeros(16000))
    write_video(folder / "film.avi", frames, 4, video_codec="mpeg4")
    write_wav(folder / "voice.wav", np.zeros(800))
    return folder


def test_a_small_recording_is_within_the_page_and_a_large_one_beside_it(film: Path, tmp_path: Path) -> None:
    recording = film / "film <1>.mp4"
    timeline = EmotionTimeline([segment(0, 1, recording=str(recording))], LABELS)
    text = timeline.save_page(tmp_path / "page.html").read_text(encoding="utf-8")
    [video] = _Page(text).all("video")
    kind, content = str(video["src"]).split(";base64,")
    assert kind == "data:video/mp4"
    assert base64.b64decode(content) == recording.read_bytes()
    assert "media-src data:;" in text
    assert "The recording is within this page" in text
    text = timeline.save_page(tmp_path / "pages" / "page.html", embed_bytes=100).read_text(encoding="utf-8")
    [video] = _Page(text).all("video")
    assert (tmp_path / "pages" / unquote(str(video["src"]))).resolve() == recording.resolve()
    assert "media-src &#39;self&#39; file:;" in text
    assert "keep it there when the page is moved" in text
    text = timeline.save_page(tmp_path / "none.html", media="none").read_text(encoding="utf-8")
    assert not _Page(text).all("video")
    assert "media-src &#39;none&#39;" in text
    assert sorted(file.name for file in tmp_path.rglob("*") if file.is_file()) == [
        "none.html",
        "page.html",
        "page.html",
    ]


def test_what_browsers_do_not_play_is_said_and_sound_gets_a_player_of_sound(film: Path) -> None:
    played = media_of_page([str(film / "film.avi"), str(film / "voice.wav"), str(film / "gone.mp4")], None)
    assert set(played) == {str(film / "film.avi"), str(film / "voice.wav")}
    assert "Most browsers do not play it" in played[str(film / "film.avi")].note
    assert (played[str(film / "voice.wav")].kind, played[str(film / "voice.wav")].source[:22]) == (
        "audio",
        "data:audio/wav;base64,",
    )
    assert "Most browsers" not in played[str(film / "voice.wav")].note


def test_a_server_gives_its_own_address_and_name() -> None:
    media = {"/films/a film.mp4": PageMedia("/media/17", "video", name="holiday.mp4")}
    text = timeline_page(dialogue(), media)
    [video] = _Page(text).all("video")
    assert video["src"] == "/media/17"
    assert "<title>holiday.mp4</title>" in text
    assert "/films" not in text
