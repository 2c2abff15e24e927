"""Links and pictures of the pages lead to files and headings that are there."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs.pages import PAGES, ROOT, anchors, inline


def targets(page: Path) -> list[tuple[int, str]]:
    links = [(line, token.attrs.get("href") or token.attrs.get("src")) for line, token in inline(page)]
    return [(line, str(target)) for line, target in links if target]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    for line, target in targets(page):
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            continue
        file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        assert file.is_relative_to(ROOT), f"{page}:{line}: {target} leads out of the project"
        assert file.exists(), f"{page}:{line}: there is no {target}"
        if parts.fragment:
            assert parts.fragment in anchors(file), f"{page}:{line}: no heading for #{parts.fragment}"


def test_the_check_sees_the_links() -> None:
    assert sum(len(targets(page)) for page in PAGES) > 30
    assert "what-a-system-declares" in anchors(ROOT / "docs" / "architecture.md")
