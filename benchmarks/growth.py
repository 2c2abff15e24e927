"""Does work on a manifest grow in proportion to its rows? Processor seconds, and the slope of their logarithms.

    python -m benchmarks.growth --work FOLDER

Reads, checks, splits, audits and writes manifests of dialogues of ten turns, and scores as many predictions with
intervals over dialogues. A slope of 1 is proportional. Writes benchmarks/results/growth.md.
"""

from __future__ import annotations

import argparse
import math
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emofuse.corpora.tables import manifest_from_tables
from emofuse.data.manifest import Manifest
from emofuse.evaluation.metrics.classification import classification_report
from emofuse.evaluation.protocols.audit_folds import audit_protocol

RESULTS = Path(__file__).parent / "results" / "growth.md"
SIZES = (10_000, 30_000, 100_000)
LABELS = list("abcdefg")


def table(rows: int) -> pd.DataFrame:
    """Dialogues of ten turns; a tenth of the texts stand twice."""
    dialogue = np.arange(rows) // 10
    return pd.DataFrame(
        {
            "id": [f"u{i}" for i in range(rows)],
            "dialogue": [f"d{d}" for d in dialogue],
            "turn": np.arange(rows) % 10,
            "speaker": [f"s{(d * 7 + i % 3) % (rows // 50 + 1)}" for i, d in enumerate(dialogue)],
            "text": [f"text number {i % (rows * 9 // 10)} of all" for i in range(rows)],
            "label": np.random.default_rng(0).choice(LABELS, rows),
        }
    )


def measure(rows: int, folder: Path) -> dict[str, float]:
    """Processor seconds of each piece of work."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{rows}.csv"
    table(rows).to_csv(file, index=False)
    found: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        began = time.process_time()
        result = work()
        found[name] = time.process_time() - began
        return result

    manifest = timed("read", lambda: Manifest.read(file))
    timed("check", manifest.validate)
    timed(
        "audit of five folds by dialogue",
        lambda: audit_protocol(manifest, "dialogue", k=5, seed=0, val_fraction=0.15),
    )
    timed("write", lambda: manifest.write(folder / "written.csv"))
    timed("prepare a table", lambda: manifest_from_tables([file]))
    rng = np.random.default_rng(0)
    true, probabilities = rng.integers(0, len(LABELS), rows), rng.dirichlet(np.ones(len(LABELS)), rows)
    dialogues = [f"d{row // 10}" for row in range(rows)]
    timed(
        "scores with intervals of 1,000 resamples",
        lambda: classification_report(
            true, probabilities.argmax(axis=1), LABELS, probabilities, groups=dialogues
        ),
    )
    return found


def main() -> None:
    """Measure every size and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    found = {rows: measure(rows, parser.parse_args().work) for rows in SIZES}
    lines = []
    for name in found[SIZES[0]]:
        seconds = [found[rows][name] for rows in SIZES]
        slope = math.log(seconds[-1] / seconds[0]) / math.log(SIZES[-1] / SIZES[0])
        lines.append(f"| {name} | {' | '.join(f'{s:.2f}' for s in seconds)} | {slope:.2f} |")
        print(lines[-1])
    RESULTS.write_text(
        f"# Growth with the rows of a manifest\n\nProcessor seconds, {platform.processor() or platform.machine()}; the slope "
        "is that of the logarithms.\n\n"
        f"| work | {' | '.join(f'{rows:,} rows' for rows in SIZES)} | slope |\n|---|---:|---:|---:|---:|\n"
        + "\n".join(lines)
        + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
