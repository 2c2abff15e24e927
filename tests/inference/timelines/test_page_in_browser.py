"""The page in a real browser: keys, clicks, playing, a phone, no script at all."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emofuse.data.media_writer import write_video
from emofuse.inference.timeline import EmotionTimeline
from tests.inference.timelines.made import EVIL, EVIL_NAME, LABELS, segment


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("there is no chromium on this machine")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield made
        made.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same six seconds within a page, and beside one."""
    folder = tmp_path_factory.mktemp("pages")
    film = folder / 'a "film" #1 <b>.mp4'
    frames = (np.full((32, 32, 3), 40 * second, np.uint8) for second in range(6) for _ in range(5))
    write_video(film, frames, 5, audio=0.1 * np.sin(np.arange(6 * 16000) / 9))
    told = EmotionTimeline(
        [
            segment(0.5, 1.5, "joy", recording=str(film)),
            segment(2.0, 3.0, "anger", speaker=EVIL_NAME, text=EVIL, recording=str(film)),
            segment(2.5, 2.6, "sadness", recording=str(film), text="Short."),
            segment(4.0, 5.5, "joy", speaker=EVIL_NAME, recording=str(film)),
        ],
        LABELS,
    )
    return told.save_page(folder / "within.html"), told.save_page(folder / "beside.html", media="link")


def _open(browser: Any, file: Path, **options: Any) -> tuple[Any, list[str]]:
    """A page, and what it complained about."""
    page = browser.new_context(viewport={"width": 1280, "height": 1400}, **options).new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.goto(file.as_uri())
    return page, complaints


def _time(page: Any) -> float:
    return float(page.evaluate("document.querySelector('video').currentTime"))


def _shown(page: Any) -> str:
    return " ".join(str(page.locator(".now .felt").inner_text()).split())


def _wait(page: Any, condition: str) -> None:
    """Until a condition holds; asked from outside, since the page's policy lets no script be made of words."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"it never came true: {condition}")


def test_keys_and_clicks_go_from_utterance_to_utterance(browser: Any, pages: tuple[Path, Path]) -> None:
    page, complaints = _open(browser, pages[0])
    _wait(page, "document.querySelector('video').readyState >= 1")
    assert _shown(page) == "joy 70 %"
    page.keyboard.press("ArrowRight")
    assert _time(page) == pytest.approx(2.0, abs=0.01)
    assert _shown(page) == "anger 70 %"
    assert page.locator("#told").inner_text().startswith("0:02.0 – 0:03.0, Ann,")
    assert "alert(1)" in page.locator(".now .words").inner_text()
    page.keyboard.press("ArrowRight")
    assert _time(page) == pytest.approx(2.5, abs=0.01)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")  # before the first there is none
    assert _time(page) == pytest.approx(0.5, abs=0.01)
    page.locator("[data-of=r0u3]").click()
    assert _time(page) == pytest.approx(4.0, abs=0.01)
    assert page.locator("tr.current").get_attribute("id") == "r0u3"
    assert page.locator("[data-of=r0u3]").get_attribute("aria-current") == "true"
    page.locator("[data-jump=r0u0]").click()
    assert _time(page) == pytest.approx(0.5, abs=0.01)
    page.keyboard.press("ArrowRight")  # from within the table as well
    assert _time(page) == pytest.approx(2.0, abs=0.01)
    # The tracks are one stop for the tab key.
    assert page.locator(".lane a[tabindex='0']").count() == 1
    assert complaints == []


def test_space_plays_and_what_is_said_now_is_shown(browser: Any, pages: tuple[Path, Path]) -> None:
    page, complaints = _open(browser, pages[1])  # beside the page, which its policy must allow
    _wait(page, "document.querySelector('video').readyState >= 1")
    assert page.locator(".fault").is_hidden()
    page.keyboard.press("ArrowRight")
    page.keyboard.press(" ")
    _wait(page, "document.querySelector('video').currentTime > 2.1")
    page.keyboard.press(" ")
    assert page.evaluate("document.querySelector('video').paused")
    page.evaluate("document.querySelector('video').currentTime = 4.5")
    _wait(page, "document.querySelector('tr.current').id === 'r0u3'")
    assert _shown(page) == "joy 70 %"
    now = float(
        page.evaluate("getComputedStyle(document.querySelector('.tracks')).getPropertyValue('--now')")
    )
    assert now == pytest.approx(4.5, abs=0.05)
    page.locator("[data-zoom=in]").click()
    widened = page.evaluate("document.querySelector('.reel').getBoundingClientRect().width")
    page.locator("[data-zoom=fit]").click()
    whole = page.evaluate("document.querySelector('.reel').getBoundingClientRect().width")
    assert widened > whole
    assert page.evaluate(
        "(() => { const t = document.querySelector('.tracks'); return t.scrollWidth <= t.clientWidth; })()"
    )
    assert complaints == []


@pytest.mark.parametrize("width", [1280, 390])
def test_seven_labels_with_all_that_is_said_of_them_fit_the_screen(
    browser: Any, tmp_path: Path, width: int
) -> None:
    labels = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
    equal = dict.fromkeys(labels, 1 / 7)
    told = segment(
        0.0,
        2.5,
        probabilities=equal,
        text="I can't believe that you said this to her, of all people, at the wedding!",
        novelty={"audio": 11.3},
        by_modality={"text": equal, "audio": equal},
    )
    page, _ = _open(browser, EmotionTimeline([told], labels).save_page(tmp_path / "p.html", media="none"))
    page.set_viewport_size({"width": width, "height": 900})
    wide, seen = page.evaluate(
        "(() => { const s = document.querySelector('.scroll'); return [s.scrollWidth, s.clientWidth]; })()"
    )
    assert wide <= seen <= width


def test_a_phone_needs_no_sideways_scrolling_and_dark_is_dark(browser: Any, pages: tuple[Path, Path]) -> None:
    page, _ = _open(browser, pages[0], color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(13, 17, 23)"


def test_a_recording_that_is_gone_is_said_and_the_utterances_stay(
    browser: Any, pages: tuple[Path, Path], tmp_path: Path
) -> None:
    page, _ = _open(browser, Path(shutil.copy(pages[1], tmp_path / "moved.html")))
    page.locator(".fault").wait_for(state="visible")
    page.keyboard.press("ArrowRight")
    assert _shown(page) == "anger 70 %"


def test_without_scripts_the_table_says_it_all(browser: Any, pages: tuple[Path, Path]) -> None:
    page, _ = _open(browser, pages[0], java_script_enabled=False)
    assert page.locator(".facts tbody tr").count() == 4
    assert page.locator(".keys").is_hidden()
    page.locator("[data-of=r0u3]").click()
    assert page.url.endswith("#r0u3")
