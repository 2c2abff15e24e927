"""Does work grow in proportion to its size? Processor seconds and memory, and the slopes of their logarithms.

    python -m benchmarks.growth --work FOLDER [--of PIECE ...] [--sizes N ...]

Rows of a manifest, rows that are scored, resamples, runs of a leaderboard, utterances of a dialogue. Each piece and size
is measured in a process of its own. A slope of 1 is proportional; of memory it is that of what is held beside what the
process holds before. Writes benchmarks/results/growth.md of all that has been measured in this folder.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.growth_work import manifest_file, measured, pieces
from benchmarks.machine import machine_line
from benchmarks.script import argument_parser

RESULTS = Path(__file__).parent / "results" / "growth.md"
SIZES = {
    "rows of a manifest": (10_000, 100_000, 1_000_000),
    "rows that are scored": (10_000, 30_000, 100_000),
    "resamples": (250, 1_000, 4_000),
    "runs": (20, 100, 500),
    "utterances of a dialogue": (1_000, 3_000, 10_000),
}
LEAST_SECONDS, LEAST_MIB = 0.01, 2.0  # less than these is noise, and has no slope
Figures = dict[str, dict[str, dict[str, list[float]]]]


def in_its_own_process(grows: str, piece: str, size: int, folder: Path) -> list[float]:
    """Seconds and mebibytes of one piece at one size."""
    command = [sys.executable, "-m", "benchmarks.growth", "--work", str(folder)]
    done = subprocess.run(
        [*command, "--measure", grows, piece, str(size)], check=True, stdout=subprocess.PIPE, text=True
    )
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def slope(sizes: Sequence[int], taken: Sequence[float], least: float) -> float | None:
    """From the smallest size at which there is something to measure to the largest; None where there is none."""
    pairs = [(size, value) for size, value in zip(sizes, taken, strict=True) if value >= least]
    if len(pairs) < 2:
        return None
    (small, little), (large, much) = pairs[0], pairs[-1]
    return math.log(much / little) / math.log(large / small)


def page(figures: Figures) -> str:
    """All that has been measured as Markdown."""
    parts = [
        "# Growth",
        f"{machine_line(1)}. Processor seconds, and mebibytes that a process holds at most beside what it held before; each "
        "piece and size in a process of its own. Of work under 3 s the least "
        "of three runs counts.\nThe slope is that of the logarithms: 1 is proportional.",
    ]
    for grows, sizes in SIZES.items():
        found = figures.get(grows, {})
        if found:
            parts += [f"## {grows[0].upper()}{grows[1:]}", _table(sizes, found)]
    return "\n\n".join(parts) + "\n"


def _table(sizes: Sequence[int], found: dict[str, dict[str, list[float]]]) -> str:
    heads = [f"{size:,}" for size in sizes]
    lines = [
        f"| | {' | '.join(f'{head}, s' for head in heads)} | slope | {' | '.join(f'{head}, MiB' for head in heads)} | slope |",
        "|---|" + "---:|" * (2 * len(sizes) + 2),
    ]
    for piece, by_size in found.items():
        known = [size for size in sizes if str(size) in by_size]
        seconds, mib = ([by_size[str(size)][which] for size in known] for which in (0, 1))
        cells = [
            *_cells(sizes, known, seconds, 2),
            _number(slope(known, seconds, LEAST_SECONDS), 2),
            *_cells(sizes, known, mib, 0),
            _number(slope(known, mib, LEAST_MIB), 2),
        ]
        lines.append(f"| {piece} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cells(sizes: Sequence[int], known: Sequence[int], values: Sequence[float], digits: int) -> list[str]:
    found = dict(zip(known, values, strict=True))
    return [_number(found.get(size), digits) for size in sizes]


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def main() -> None:
    """Measure what is asked for and write the tables."""
    parser = argument_parser(__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for the inputs, which are kept")
    parser.add_argument("--of", nargs="+", help="pieces, or what grows; all by default")
    parser.add_argument("--sizes", type=int, nargs="+", help="some of the sizes; all by default")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    known = pieces(given.work)
    if given.measure:
        grows, piece, size = given.measure
        print(json.dumps(measured(known[grows][piece](int(size)))))
        return
    given.work.mkdir(parents=True, exist_ok=True)
    kept = given.work / "figures.json"
    figures: Figures = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    for grows, sizes in SIZES.items():
        for piece in known[grows]:
            for size in sizes:
                if (given.of and not {piece, grows} & set(given.of)) or (
                    given.sizes and size not in given.sizes
                ):
                    continue
                if grows == "rows of a manifest":
                    manifest_file(given.work, size)
                found = in_its_own_process(grows, piece, size, given.work)
                print(f"{piece}, {size:,}: {found[0]:.2f} s, {found[1]:.0f} MiB", flush=True)
                figures.setdefault(grows, {}).setdefault(piece, {})[str(size)] = found
                kept.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
                RESULTS.write_text(page(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
