"""What benchmarks/growth.py measures: each piece of work at one size, in a process of its own.

A piece makes ready what it needs, and gives the function that is measured.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

Work = Callable[[], Any]
LABELS = list("abcdefg")
STARTER = Path(__file__).parents[1] / "starter" / "emofuse_starter" / "run"
OF_A_RUN = ("run.json", "config.yaml", "metrics.json", "model.safetensors")
WIDTHS = {"text": 32, "audio": 16, "video": 16}
WINDOW = 10
_SHORT = 3.0  # seconds
# System → settings that bound what an utterance sees.
WINDOWED: dict[str, dict[str, Any]] = {
    "MFCRE, both directions": {"name": "mfcre", "window": WINDOW},
    "MFCRE, causal": {"name": "mfcre", "window": WINDOW, "context": "causal"},
    "AGHMN": {"name": "aghmn", "window": WINDOW},
    "CMN": {"name": "cmn", "window": WINDOW},
    "ICON": {"name": "icon", "window": WINDOW},
    "DialogueGCN": {"name": "dialogue-gcn", "past": WINDOW, "future": WINDOW, "nodal_attention": False},
    "RGAT": {"name": "rgat", "past": WINDOW, "future": WINDOW},
    "GraphCFC": {"name": "graph-cfc", "past": WINDOW, "future": WINDOW},
    "GraphSmile": {"name": "graph-smile", "past": 3, "future": 3},
    "GS-MCC": {"name": "gs-mcc", "window": WINDOW},
}


def manifest_file(folder: Path, rows: int) -> Path:
    """A table of dialogues of ten turns, in which a tenth of the texts stand twice; made once."""
    import pandas as pd

    file = folder / f"{rows}.csv"
    if not file.is_file():
        dialogue = np.arange(rows) // 10
        pd.DataFrame(
            {
                "id": [f"u{i}" for i in range(rows)],
                "dialogue": [f"d{d}" for d in dialogue],
                "turn": np.arange(rows) % 10,
                "speaker": [f"s{(d * 7 + i % 3) % (rows // 50 + 1)}" for i, d in enumerate(dialogue)],
                "text": [f"text number {i % (rows * 9 // 10)} of all" for i in range(rows)],
                "label": np.random.default_rng(0).choice(LABELS, rows),
            }
        ).to_csv(file, index=False)
    return file


def run_folders(folder: Path, runs: int) -> Path:
    """So many scored runs, which differ in their seed; made once."""
    place = folder / f"runs-{runs}"
    record = json.loads((STARTER / "run.json").read_text(encoding="utf-8"))
    for seed in range(0 if place.is_dir() else runs):
        run = place / f"run-{seed}"
        run.mkdir(parents=True)
        for name in OF_A_RUN[1:]:
            shutil.copyfile(STARTER / name, run / name)
        (run / "run.json").write_text(json.dumps(record | {"seed": seed}), encoding="utf-8")
    return place


def _read(folder: Path, rows: int) -> Work:
    from emofuse.data.manifest import Manifest

    return partial(Manifest.read, folder / f"{rows}.csv")


def _check(folder: Path, rows: int) -> Work:
    return _read(folder, rows)().validate


def _split(folder: Path, rows: int, protocol: str) -> Work:
    from emofuse.evaluation.protocols.splits import splits

    return partial(splits, _read(folder, rows)(), protocol, k=5, seed=0, val_fraction=0.15)


def _audit(folder: Path, rows: int) -> Work:
    from emofuse.evaluation.protocols.audit_folds import audit_protocol

    return partial(audit_protocol, _read(folder, rows)(), "dialogue", k=5, seed=0, val_fraction=0.15)


def _write(folder: Path, rows: int) -> Work:
    return partial(_read(folder, rows)().write, folder / "written.csv")


def _prepare(folder: Path, rows: int) -> Work:
    from emofuse.corpora.tables import manifest_from_tables

    return partial(manifest_from_tables, [folder / f"{rows}.csv"])


def _scores(rows: int, resamples: int) -> Work:
    from emofuse.evaluation.metrics.classification import classification_report

    rng = np.random.default_rng(0)
    true, probabilities = rng.integers(0, len(LABELS), rows), rng.dirichlet(np.ones(len(LABELS)), rows)
    return partial(
        classification_report,
        true,
        probabilities.argmax(axis=1),
        LABELS,
        probabilities,
        groups=[f"d{row // 10}" for row in range(rows)],
        bootstrap=resamples,
    )


def _leaderboard(folder: Path, runs: int) -> Work:
    from emofuse.evaluation.reporting.tables import FORMATS
    from emofuse.experiments.leaderboard.rank import read_leaderboard
    from emofuse.experiments.leaderboard.tables import leaderboard_tables

    place = run_folders(folder, runs)

    def page() -> str:
        board = read_leaderboard(place)
        if len(board.rows) != runs:
            raise RuntimeError(f"{len(board.rows)} of {runs} runs were read: {board.unfinished}")
        return FORMATS["html"](leaderboard_tables(board))

    return page


def _dialogue(utterances: int, system: str) -> Work:
    import torch

    from emofuse.models import create_model, model_info

    torch.set_num_threads(1)
    torch.manual_seed(0)
    widths = {f"{m}_dim": width for m, width in WIDTHS.items()}
    model = create_model(preset="tiny", num_classes=len(LABELS), **widths, **WINDOWED[system]).eval()
    given = {m: torch.randn(1, utterances, width) for m, width in WIDTHS.items()}
    given["mask"] = torch.ones(1, utterances, dtype=torch.bool)
    if model_info(model).speakers:
        given["speakers"] = torch.arange(utterances).unsqueeze(0) % 3
    short = {name: x[:, :20] for name, x in given.items()}

    def run(batch: dict[str, Any]) -> None:
        with torch.inference_mode():
            model(**batch)

    run(short)  # what is imported and made once is not counted
    return partial(run, given)


def pieces(folder: Path) -> dict[str, dict[str, Callable[[int], Work]]]:
    """What grows → the name of a piece → what makes it ready at a size."""
    return {
        "rows of a manifest": {
            "read": partial(_read, folder),
            "check": partial(_check, folder),
            "split by dialogue, five folds": partial(_split, folder, protocol="dialogue"),
            "split by speaker, five folds": partial(_split, folder, protocol="speaker"),
            "audit of five folds by dialogue": partial(_audit, folder),
            "write": partial(_write, folder),
            "prepare a table": partial(_prepare, folder),
        },
        "rows that are scored": {
            "scores with intervals of 1,000 resamples": partial(_scores, resamples=1000),
        },
        "resamples": {
            "intervals of 100,000 rows": lambda resamples: _scores(100_000, resamples),
        },
        "runs": {"leaderboard, as a page": partial(_leaderboard, folder)},
        "utterances of a dialogue": {system: partial(_dialogue, system=system) for system in WINDOWED},
    }


def measured(work: Work) -> tuple[float, float]:
    """Processor seconds, and mebibytes that the process held at most beside what it held before.

    Of short work the least of three runs counts, the first of which says the memory.
    """
    from emofuse.experiments.peak_memory import PeakMemory

    with PeakMemory("cpu") as held:
        seconds = [_processor_seconds(work)]
    while seconds[0] < _SHORT and len(seconds) < 3:
        seconds.append(_processor_seconds(work))
    return min(seconds), held.mib or 0.0


def _processor_seconds(work: Work) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began
