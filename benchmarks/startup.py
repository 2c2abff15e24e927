"""How long each verb takes to start, as a ratio to importing torch on the same machine.

    python -m benchmarks.startup [--run FOLDER]

Processor seconds, the least of several processes, taken in turn with those of torch. Writes
benchmarks/results/startup.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "startup.md"
TORCH = ["-c", "import torch"]
MANIFEST = "id,dialogue,text,label,split\na,x,hello there you,joy,train\nb,y,good bye now,anger,test\n"


def processor_seconds(arguments: list[str]) -> float:
    """Of one Python process and of nothing else."""
    before = os.times()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    after = os.times()
    used = after.children_user + after.children_system
    return used - before.children_user - before.children_system


def verbs(manifest: Path, run: Path | None) -> dict[str, list[str]]:
    """What is measured, by the name that the table gives it."""
    found = {
        "--help": ["--help"],
        "models": ["models"],
        "predict --help": ["predict", "--help"],
        "audit of two rows": ["audit", str(manifest)],
    }
    if run is not None:
        found |= {
            "info": ["info", str(run)],
            "leaderboard of one run": ["leaderboard", str(run.parent)],
        }
    return found


def main() -> None:
    """Measure every verb and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, help="a run folder, for the verbs that read one")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "manifest.csv"
        manifest.write_text(MANIFEST, encoding="utf-8")
        commands = {"import torch": TORCH} | {
            name: ["-m", "emofuse", *words] for name, words in verbs(manifest, given.run).items()
        }
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(given.repeats):
            for name, arguments in commands.items():
                taken[name].append(processor_seconds(arguments))
    least = {name: min(seconds) for name, seconds in taken.items()}
    rows = [f"| {name} | {s:.2f} | {s / least['import torch']:.2f} |" for name, s in least.items()]
    print("\n".join(rows))
    RESULTS.write_text(
        f"# Start-up of the verbs\n\nProcessor seconds, {platform.processor() or platform.machine()}, the least of "
        f"{given.repeats} processes; the ratio is to importing torch in the same run.\n\n"
        "| | seconds | ratio |\n|---|---:|---:|\n" + "\n".join(rows) + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
