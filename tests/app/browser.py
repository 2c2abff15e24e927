"""The system's chromium, through Playwright; tests are skipped with a reason where it is not."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


def browser_path() -> str:
    """Where a browser is."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("there is no chromium on this machine")
    return found


@contextmanager
def page_of_browser(width: int = 1280, height: int = 1600) -> Iterator[Any]:
    """A page whose camera and microphone are made up by the browser."""
    path = browser_path()
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=path,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
            ],
        )
        context = browser.new_context(viewport={"width": width, "height": height})
        try:
            yield context.new_page()
        finally:
            browser.close()


def upload(page: Any, file: Path) -> None:
    """Put a file into the page's upload."""
    page.locator("#upload input[type=file]").set_input_files(str(file))
