"""How long each verb takes to start, as a ratio to importing torch on the same machine.

    python -m benchmarks.startup [--run FOLDER ...] [--clip FILE]

Processor seconds, the least of several processes, taken in turn with those of torch; a first round, which writes
Python's compiled files as the first start after an installation does, is not counted. A prediction is compared with
importing torch and what it computes: a second prediction in the same process. Writes benchmarks/results/startup.md.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import machine_line
from benchmarks.script import argument_parser

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "startup.md"
STARTER = HERE.parent / "starter" / "emofuse_starter" / "run"
TORCH = "import torch"
MANIFEST = "id,dialogue,text,label,split\na,x,hello there you,joy,train\nb,y,good bye now,anger,test\n"
TEXT = "I can't believe it!"
WORK = """
import sys, time
from emofuse import EmotionPipeline
pipe = EmotionPipeline.from_pretrained(sys.argv[1])
pipe(sys.argv[2] or None, text=sys.argv[3])
before = time.process_time()
pipe(sys.argv[2] or None, text=sys.argv[3])
print(time.process_time() - before)
"""


def processor_seconds(arguments: Sequence[str]) -> float:
    """Of one Python process and of nothing else."""
    before = os.times()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=usual_environment())
    after = os.times()
    used = after.children_user + after.children_system
    return used - before.children_user - before.children_system


def usual_environment() -> dict[str, str]:
    """This one, but that Python keeps what it has compiled, as it does unless it is told otherwise."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def work_seconds(run: Path, clip: Path | None) -> float:
    """Of a prediction in a process that has made one before."""
    command = [sys.executable, "-c", WORK, str(run), str(clip or ""), TEXT]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def verbs(manifest: Path, runs: Sequence[Path]) -> dict[str, list[str]]:
    """What is measured, by the name that the table gives it."""
    return {
        "--help": ["--help"],
        "models": ["models"],
        "predict --help": ["predict", "--help"],
        "audit, of two rows": ["audit", str(manifest)],
        "info": ["info", str(runs[0])],
        "leaderboard, of one run": ["leaderboard", str(runs[0])],
        "compare, of a run with itself": [
            "compare",
            f"a={runs[0]}",
            f"b={runs[0]}",
            "--bootstrap",
            "100",
            "--no-flops",
        ],
    }


def predictions(runs: Sequence[Path], clip: Path | None) -> dict[str, tuple[Path, Path | None]]:
    """Name → run and clip of each prediction that is measured."""
    found: dict[str, tuple[Path, Path | None]] = {}
    for run in runs:
        name = "the starter" if run.resolve() == STARTER.resolve() else run.name
        found[f"predict, {name}, words alone"] = (run, None)
        if clip is not None:
            found[f"predict, {name}, a clip"] = (run, clip)
    return found


def measured(commands: dict[str, list[str]], repeats: int) -> dict[str, float]:
    """The least processor seconds of each, taken in turn."""
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(1 + repeats):
        for name, arguments in commands.items():
            taken[name].append(processor_seconds(arguments))
    return {name: min(seconds[1:]) for name, seconds in taken.items()}


def main() -> None:
    """Measure every verb and write the table."""
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--run", type=Path, nargs="+", default=[STARTER], help="run folders to read and predict with"
    )
    parser.add_argument("--clip", type=Path, help="a recording of a few seconds, to predict")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    asked = predictions(given.run, given.clip)
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "manifest.csv"
        manifest.write_text(MANIFEST, encoding="utf-8")
        commands = {name: ["-m", "emofuse", *words] for name, words in verbs(manifest, given.run).items()}
        commands |= {
            name: [
                "-m",
                "emofuse",
                "predict",
                str(run),
                *([str(clip)] if clip else []),
                "--text",
                TEXT,
                "--quiet",
            ]
            for name, (run, clip) in asked.items()
        }
        least = measured({"import torch": ["-c", TORCH]} | commands, given.repeats)
    work = {name: work_seconds(run, clip) for name, (run, clip) in asked.items()}
    torch = least["import torch"]
    rows = [
        f"| {name} | {seconds:.2f} | {seconds / torch:.2f} "
        f"| {f'{work[name]:.2f} | {seconds / (torch + work[name]):.2f}' if name in work else '– | –'} |"
        for name, seconds in least.items()
    ]
    print("\n".join(rows))
    RESULTS.write_text(
        f"# Start-up of the verbs\n\n{machine_line(1)}. Processor seconds, the least of {given.repeats} processes; the "
        "ratio is to importing torch in the same run.\nThe work of a prediction is a second one in the same process: "
        "decoding, encoders and network.\n\n"
        "| | seconds | ratio to torch | of it work | ratio to torch and work |\n|---|---:|---:|---:|---:|\n"
        + "\n".join(rows)
        + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
