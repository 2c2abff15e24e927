"""Nothing is half written: a file is made aside and renamed when it is whole."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; it takes its place when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own, since threads and machines may write one target at once. The suffix stays last
    # because encoders and libraries choose a format by it.
    aside = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:12]}{path.suffix}")
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_text_aside(path: Path, text: str) -> None:
    """Write UTF-8 text so that a reader sees the old file or the new one, never a part."""
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")
