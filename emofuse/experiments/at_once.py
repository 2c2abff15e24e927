"""Runs of an experiment at once, wherever the executor has them; one that dies is named in its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from emofuse.data.manifest import Manifest
from emofuse.experiments.failures import note_failure
from emofuse.runs.corpus import Progress, corpus_of
from emofuse.runs.executor import Executor
from emofuse.runs.processes import Task
from emofuse.runs.settings import RunSettings


def run_at_once(
    executor: Executor,
    tasks: Mapping[Path, Task],
    settings: Sequence[RunSettings],
    manifest: Manifest,
    folder: Path,
    *,
    what: str,
    progress: Progress,
    ended: Callable[[Path], None] = lambda path: None,
) -> None:
    """Run tasks; each reads the corpus again, from where its settings say.

    Args:
        executor: where.
        tasks: run folder → what is to be done there.
        settings: of the tasks.
        manifest: the corpus.
        folder: holds the run folders.
        what: the tasks in print, such as ``"folds"``.
        progress: called with (done, total, what).
        ended: called with each run folder as its task ends.

    Raises:
        EmofuseError: the corpus is not where the settings say, or the executor cannot work.
    """
    if not tasks:
        return
    corpus_of(settings[0])  # what is wrong with it is better said now
    executor.prepare(settings, manifest, folder, progress)
    done = 0

    def finished(path: Path, death: str | None) -> None:
        nonlocal done
        done += 1
        if death is not None:
            note_failure(path, death)
        progress(done, len(tasks), what)
        ended(path)

    progress(0, len(tasks), what)
    executor.run(tasks, settings, folder, finished=finished)
