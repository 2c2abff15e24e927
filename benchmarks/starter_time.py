"""How long the starter takes for a clip of ten seconds: after its start, and with it.

    python -m benchmarks.starter_time CLIP.mp4 ... --write

Each recording is made ten seconds long by running it again and again. Processor seconds and seconds on the clock, of a second
prediction in a process, and of `emofuse predict CLIP` from the shell. Other programs on the machine lengthen the latter.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from benchmarks.machine import machine_line
from benchmarks.script import argument_parser
from emofuse.data.audio import read_audio
from emofuse.data.media_writer import write_video
from emofuse.data.sampling_rate import RATE

RESULTS = Path(__file__).parent / "results" / "starter_time.md"
SECONDS = 10
TEXT = "I can't believe it!"
WARM = """
import json, sys, time
import torch
torch.set_num_threads(int(sys.argv[2]))
from emofuse import EmotionPipeline
pipe = EmotionPipeline.from_pretrained("starter", device="cpu")
pipe(sys.argv[1], text=sys.argv[3])
clock, used = time.perf_counter(), time.process_time()
pipe(sys.argv[1], text=sys.argv[3])
print(json.dumps([time.process_time() - used, time.perf_counter() - clock]))
"""


def ten_seconds(clip: Path, target: Path) -> None:
    """The clip again and again until ten seconds are full, in its own size and rate."""
    with av.open(str(clip)) as container:
        rate = container.streams.video[0].average_rate

    def pictures() -> Iterator[np.ndarray]:
        while True:
            with av.open(str(clip)) as container:
                for frame in container.decode(video=0):
                    yield frame.to_ndarray(format="rgb24")

    sound = np.resize(read_audio(clip), SECONDS * RATE)
    write_video(target, itertools.islice(pictures(), int(SECONDS * rate)), rate, audio=sound)


def warm_seconds(clip: Path, threads: int) -> tuple[float, float]:
    """Processor and clock seconds of a second prediction."""
    command = [sys.executable, "-c", WARM, str(clip), str(threads), TEXT]
    used, clock = json.loads(
        subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    )
    return used, clock


def cold_seconds(clip: Path) -> tuple[float, float]:
    """The same of a whole command."""
    before, clock = os.times(), time.perf_counter()
    command = [sys.executable, "-m", "emofuse", "predict", str(clip), "--text", TEXT, "--quiet"]
    subprocess.run(command, check=True, capture_output=True)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return used, time.perf_counter() - clock


def main() -> None:
    """Measure, print or write the table."""
    parser = argument_parser(__doc__)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for clip in given.clips:
            long = Path(folder) / f"{clip.stem}.mp4"
            ten_seconds(clip, long)
            with av.open(str(long)) as container:
                stream = container.streams.video[0]
                size = f"{stream.width} × {stream.height}"
            measured = [*warm_seconds(long, given.threads), *cold_seconds(long)]
            rows.append(f"| {size} | {' | '.join(f'{value:.1f}' for value in measured)} |")
            print(rows[-1], flush=True)
    heads = ("ten seconds of", "after start: processor s", "clock s", "whole command: processor s", "clock s")
    head = f"| {' | '.join(heads)} |\n|---|{'---:|' * (len(heads) - 1)}\n"
    if given.write:
        RESULTS.write_text(
            f"# The starter's time\n\n{machine_line(given.threads)}, shared with other programs.\n\n{head}"
            + "\n".join(rows)
            + "\n",
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
