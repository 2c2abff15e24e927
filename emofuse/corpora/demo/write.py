"""Make the demo corpus: its clips, its manifest, its cues and a note on what it is."""

from __future__ import annotations

import csv
import json
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from emofuse.corpora.demo.cast import NAMES, make_cast
from emofuse.corpora.demo.clip import check_picture, perform
from emofuse.corpora.demo.note import write_note
from emofuse.corpora.demo.scenario import VALENCE, Scenario
from emofuse.corpora.demo.script import SHORTEST_DIALOGUE, Line, write_script
from emofuse.data.atomic import write_text_aside, written_aside
from emofuse.data.json_text import parse_json
from emofuse.data.manifest import Manifest
from emofuse.data.media import MediaError, probe
from emofuse.data.output_paths import check_new_folder
from emofuse.data.wording import counted
from emofuse.data.worker_processes import begin_worker, workers_starting
from emofuse.errors import EmofuseError, explain_os_error

SOURCE = "emofuse demo corpus (synthetic)"
"""What stands in the column ``corpus`` of every row, so that reports can say where their numbers are from."""

FEWEST_CLIPS = 6 * SHORTEST_DIALOGUE
"""What twelve speakers need, the fewest that there are: a dialogue for each of their six pairs."""
_SETTINGS_FILE = "demo.json"
_GENERATOR = 4
"""Counts the changes of what is drawn and spoken: files of another generator are not mixed in."""

Progress = Callable[[int, int, str], None]
"""Called with the number of clips done, of all clips, and what is being done."""


@dataclass(frozen=True)
class _Settings:
    """All that the content of a corpus depends on."""

    clips: int
    speakers: int
    seed: int
    size: int
    frame_rate: float
    generator: int = _GENERATOR


def generate_demo_corpus(
    folder: Path | str,
    *,
    clips: int = 1200,
    speakers: int | None = None,
    seed: int = 0,
    size: int = 96,
    frame_rate: float = 12.5,
    workers: int = 2,
    progress: Progress | None = None,
) -> Manifest:
    """Make a synthetic corpus of dyadic dialogues, as :mod:`~emofuse.corpora.demo.scenario` describes it.

    The folder then holds ``clips/*.mp4``, ``manifest.csv``, ``cues.csv`` (what each modality shows: for
    checks, not for training), ``README.md`` and ``demo.json`` (the settings). The content depends on the
    settings and not on the number of workers. After an interruption the same call makes what is missing.

    Args:
        folder: Folder to fill; new, empty, or holding a corpus with the same settings.
        clips: Number of utterances, at least :data:`FEWEST_CLIPS`.
        speakers: A multiple of six, from 12 to 48; by default 48 from 960 clips on, 24 from 144 on, else 12.
            The more there are, the better can a system learn what does not hang on the speaker, and the less
            of each speaker's habits.
        seed: Of all that is drawn by lot.
        size: Height and width of the pictures in pixels.
        frame_rate: Frames per second.
        workers: Processes that draw. With more than one, a script that calls this needs the usual guard
            ``if __name__ == "__main__"``, since the processes are spawned.
        progress: Called after each clip.

    Returns:
        The manifest, validated. Label ``emotion``, valence from :data:`VALENCE`, ``group`` the pair of
        speakers, ``split`` a speaker-independent one.

    Raises:
        EmofuseError: If a setting is out of bounds, or the folder holds something else.
    """
    folder = Path(folder)
    settings = _Settings(clips, speakers or _usual_speakers(clips), seed, size, frame_rate)
    _check(settings, workers)
    _claim(folder, settings)
    scenario = Scenario()
    lines = write_script(scenario, make_cast(settings.speakers // 2, seed), clips, seed)
    _make_clips(folder, settings, lines, workers, progress or _silent)
    _write_cues(folder / "cues.csv", lines)
    write_text_aside(folder / "README.md", write_note(scenario, lines, seed))
    manifest = Manifest.from_frame(_table(lines), folder).validate()
    manifest.write(folder / "manifest.csv")
    return Manifest.read(folder / "manifest.csv")


def _usual_speakers(clips: int) -> int:
    """Twenty utterances of each or more where possible, so that their habits can be met in training."""
    return 48 if clips >= 960 else 24 if clips >= 144 else 12


def is_demo_corpus(manifest: Manifest) -> bool:
    """Whether any utterance of a manifest is from the demo corpus, so that its numbers are synthetic."""
    return "corpus" in manifest.frame and bool((manifest.frame["corpus"] == SOURCE).any())


def _check(settings: _Settings, workers: int) -> None:
    if settings.clips < FEWEST_CLIPS:
        raise EmofuseError(
            f"{counted(settings.clips, 'clip')}: the demo corpus needs at least {FEWEST_CLIPS}"
        )
    if settings.speakers % 6 or not 12 <= settings.speakers <= len(NAMES):
        raise EmofuseError(
            f"{counted(settings.speakers, 'speaker')}: choose a multiple of six from 12 to {len(NAMES)}"
        )
    if settings.clips < settings.speakers // 2 * SHORTEST_DIALOGUE:
        raise EmofuseError(
            f"{settings.clips} clips are too few for {settings.speakers} speakers: take at least "
            f"{settings.speakers // 2 * SHORTEST_DIALOGUE}"
        )
    if settings.seed < 0 or workers < 1:
        raise EmofuseError("the seed of the demo corpus must be at least 0, and the workers at least 1")
    check_picture(settings.size, settings.frame_rate)


def _claim(folder: Path, settings: _Settings) -> None:
    """Take a new or empty folder, or go on in one with the same settings; refuse any other."""
    wanted = vars(settings)
    record = folder / _SETTINGS_FILE
    check_new_folder(folder)
    try:
        found = parse_json(record.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if folder.exists() and any(folder.iterdir()):
            raise EmofuseError(
                f"{folder}: holds something else already; name a new or empty folder"
            ) from None
        write_text_aside(record, json.dumps(wanted, indent=2) + "\n")
        return
    except (OSError, ValueError) as error:
        raise EmofuseError(f"{record}: cannot be read ({error}); name a new folder") from None
    if found != wanted:
        raise EmofuseError(
            f"{folder}: holds a demo corpus with other settings ({_spelled(found)}); name a new folder or "
            f"delete that one"
        )


def _spelled(settings: object) -> str:
    if not isinstance(settings, dict):
        return "unreadable"
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def _make_clips(
    folder: Path, settings: _Settings, lines: Sequence[Line], workers: int, progress: Progress
) -> None:
    missing = [i for i, line in enumerate(lines) if not _is_complete(folder / _file(line))]
    done = len(lines) - len(missing)
    job = partial(_make_clip, folder, settings)
    for _ in _each(job, missing, [lines[i] for i in missing], workers):
        done += 1
        progress(done, len(lines), "drawing clips")


def _each(
    job: Callable[[int, Line], None], numbers: Iterable[int], lines: Sequence[Line], workers: int
) -> Iterator[None]:
    """Run the job for every line; a few are done sooner than a process starts."""
    if workers == 1 or len(lines) <= 8:
        yield from map(job, numbers, lines)
        return
    context = multiprocessing.get_context("spawn")  # forking is unsafe beside the threads of torch and PyAV
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=begin_worker)
    try:
        with workers_starting():
            done = pool.map(job, numbers, lines, chunksize=2)
        yield from done
    except BrokenProcessPool:
        raise EmofuseError(
            "a process that draws clips was ended from outside (out of memory?); the clips so far are kept: "
            "run it again, with one worker if need be"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _make_clip(folder: Path, settings: _Settings, number: int, line: Line) -> None:
    path = folder / _file(line)
    rng = np.random.default_rng([settings.seed, 4, number])
    try:
        perform(
            path,
            line.text,
            line.cues,
            line.speaker,
            size=settings.size,
            frame_rate=settings.frame_rate,
            rng=rng,
        )
    except OSError as error:
        raise EmofuseError(explain_os_error(error)) from None


def _is_complete(path: Path) -> bool:
    try:
        found = probe(path)
    except MediaError:
        return False
    return found.has_video and found.has_audio


def _file(line: Line) -> str:
    return f"clips/{line.id}.mp4"


def _table(lines: Iterable[Line]) -> pd.DataFrame:
    rows = [
        {
            "id": line.id,
            "dialogue": line.dialogue,
            "turn": line.turn,
            "speaker": line.speaker.name,
            "text": line.text,
            "video": _file(line),
            "label": line.emotion,
            "valence": VALENCE[line.emotion],
            "split": line.split,
            "group": line.speaker.pair,
            "corpus": SOURCE,
        }
        for line in lines
    ]
    return pd.DataFrame(rows)


def _write_cues(path: Path, lines: Iterable[Line]) -> None:
    with written_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("id", "label", "text_cue", "audio_cue", "video_cue"))
        table.writerows((line.id, line.emotion, *line.cues) for line in lines)


def _silent(done: int, total: int, what: str) -> None:
    """Report nothing."""
