"""Progress bars on standard error, so that standard output stays a program's to read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the training room takes seconds to load, and some verbs do without it
    from emofuse.runs.corpus import Progress as ProgressHook


@contextmanager
def progress_bar(*, quiet: bool = False) -> Iterator[ProgressHook]:
    """Yield a hook (done, total, what) that draws one bar per kind of work."""
    if quiet:
        yield _draw_nothing
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    # Utterances are done by the batch: over half a minute, one batch would count as all the time there is.
    with Progress(*columns, console=console, speed_estimate_period=300) as bars:
        tasks = {}

        def advance(done: int, total: int, what: str) -> None:
            if total == 0:
                return  # such as features that are all in the store: no work, no bar
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield advance


def _draw_nothing(done: int, total: int, what: str) -> None:
    """The hook of a quiet command."""
