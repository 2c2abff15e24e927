"""Peak memory of an epoch of training against the size of the corpus.

    python -m benchmarks.corpus_memory [CLIPS ...]

Draws one synthetic corpus, lists its clips over and over until a corpus has the size asked for, and trains
DeepMSI-MER for one epoch on each in a process of its own, with two decoding workers. Memory that grew with
the corpus would show as a ratio above one.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from benchmarks.script import publish
from emofuse.corpora.demo import generate_demo_corpus
from emofuse.data.manifest import Manifest
from emofuse.recipes import find_recipe
from emofuse.runs.settings import RunSettings
from emofuse.training.fit import fit_run

RESULT = Path(__file__).parent / "results" / "corpus_memory.md"
DRAWN = 120


def repeated(corpus: Manifest, clips: int) -> Manifest:
    """The corpus's rows again and again under new names, each time with dialogues and speakers of their own."""
    frames = []
    for copy in range(-(-clips // len(corpus))):
        frame = corpus.frame.copy()
        for column in ("id", "dialogue", "speaker", "group"):
            frame[column] = frame[column].map(lambda name, copy=copy: f"{name}-{copy}")
        frames.append(frame)
    return Manifest.from_frame(pd.concat(frames).head(clips), corpus.root)


def train_once(folder: Path, clips: int) -> None:
    """One epoch over ``clips`` clips; prints peak memory in MB, of this process and of its largest worker."""
    corpus = repeated(Manifest.read(folder / "manifest.csv"), clips)
    settings = RunSettings.from_yaml(find_recipe("deepmsi-mer/demo")).with_changes(
        {"optimiser.epochs": 1, "data.features": str(folder / f"features-{clips}")}
    )
    began = time.perf_counter()
    fit_run(settings, corpus, folder / f"run-{clips}")
    seconds = time.perf_counter() - began
    peaks = [
        resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    print(f"{peaks[0]:.0f} {peaks[1]:.0f} {seconds:.1f}")


def main(sizes: list[int]) -> None:
    """Measure each size in a fresh process and write the table."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generate_demo_corpus(folder, clips=DRAWN, seed=0)
        for clips in sizes:
            command = [sys.executable, "-m", "benchmarks.corpus_memory", "--child", name, str(clips)]
            printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            rows.append((clips, *map(float, printed[-3:])))
    first = rows[0]
    lines = [
        "# Peak memory against the size of the corpus",
        "",
        "One epoch of DeepMSI-MER (recipe `deepmsi-mer/demo`) from raw clips, two decoding workers, CPU.",
        "Made by `python -m benchmarks.corpus_memory`.",
        "",
        "| clips | trainer, peak MB | worker, peak MB | trainer, against the first row | seconds |",
        "|---:|---:|---:|---:|---:|",
        *[
            f"| {n:,} | {own:.0f} | {worker:.0f} | {own / first[1]:.2f} | {s:.0f} |"
            for n, own, worker, s in rows
        ],
    ]
    RESULT.parent.mkdir(exist_ok=True)
    publish("\n".join(lines), RESULT)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        train_once(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main([int(n) for n in sys.argv[1:]] or [200, 2000])
