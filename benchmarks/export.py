"""Every system as a program: which axes vary, how far it is from the network, how fast ONNX Runtime is.

    python -m benchmarks.export [SYSTEM ...]

Small networks, on one thread: the ratio tells what is saved around the arithmetic. Each time is the median of passes
that take turns with those of the network. Writes the table of docs/export.md; named systems replace their lines there.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.machine import machine_line
from benchmarks.script import argument_parser
from emofuse.errors import EmofuseError
from emofuse.inference.exporting.inputs import padded, random_tensors
from emofuse.inference.exporting.program import (
    Captured,
    capture,
    check,
    onnx_bytes,
    onnx_session,
    run_exported,
    run_onnx,
)
from emofuse.models import ModelInfo, create_model, list_models

PAGE = Path(__file__).parents[1] / "docs" / "export.md"
BEGIN, END = "<!-- made by benchmarks/export.py -->", "<!-- end -->"
LONGEST = {"dialogue": 24, "steps_text": 24, "steps_audio": 24, "steps_video": 24, "frames": 4}
TIMED = {"batch": 8, "dialogue": 20, "steps_text": 20, "steps_audio": 20, "steps_video": 20, "frames": 4}
WIDTHS = {"text": 64, "audio": 32, "video": 32}


def small(info: ModelInfo) -> nn.Module:
    """A small network of a system."""
    torch.manual_seed(0)
    given: dict[str, Any] = {
        f"{m}_dim": width for m, width in WIDTHS.items() if info.inputs.get(m, "frames") != "frames"
    }
    given |= {"num_classes": 6} if "classification" in info.tasks else {"task": "regression"}
    return create_model(info.name, preset="tiny" if "tiny" in info.presets else None, **given).eval()


def ratio(captured: Captured, onnx: Callable[..., Any], passes: int) -> float:
    """Time of ONNX Runtime over that of the network."""
    tensors = random_tensors(captured.program.inputs, TIMED, seed=9)
    filled = padded(captured.program.inputs, tensors, captured.fixed)
    taken: dict[str, list[float]] = {"network": [], "onnx": []}
    with torch.inference_mode():
        for _ in range(passes):
            for name, run in (
                ("network", lambda: captured.program(*tensors)),
                ("onnx", lambda: onnx(filled)),
            ):
                begin = time.perf_counter()
                run()
                taken[name].append(time.perf_counter() - begin)
    return statistics.median(taken["onnx"]) / statistics.median(taken["network"])


def row(info: ModelInfo, passes: int) -> str:
    """The line of one system."""
    try:
        captured = capture(small(info), LONGEST)
    except EmofuseError as error:
        return f"| {info.title} | no | no | – | – | {_cell(error)} |"
    why, forms = captured.reason, []
    difference, times = "–", "–"
    try:
        check(captured, run_exported(captured))
        forms.append("yes")
    except EmofuseError as error:
        forms.append("no")
        why = why or str(error)
    try:
        run = run_onnx(onnx_session(onnx_bytes(captured), 1))
        difference = f"{check(captured, run):.0e}"
        times = f"{ratio(captured, run, passes):.2f}"
        forms.append("yes")
    except EmofuseError as error:
        forms.append("no")
        why = why or str(error)
    fixed = f"fixed: {', '.join(captured.fixed)}; " if captured.fixed else ""
    return f"| {info.title} | {' | '.join(forms)} | {difference} | {times} | {fixed}{_cell(why) if why else 'all vary'} |"


def _cell(reason: object) -> str:
    return re.sub(r"[|<>\n`]", " ", str(reason))[:160]


def write(rows: dict[str, str]) -> None:
    """Put the lines into the page; those of systems that were not asked for stay."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN, 1)
    held, after = rest.split(END, 1)
    kept = {line.split("|")[1].strip(): line for line in held.splitlines() if line.startswith("| ")}
    kept.pop("system", None)
    head = f"{machine_line(1)}, torch {torch.__version__}.\n\n| system | torch.export | ONNX | difference | ratio | axes |\n"
    lines = [line for _, line in sorted((kept | rows).items(), key=lambda pair: pair[0].lower())]
    table = head + "|---|---|---|---:|---:|---|\n" + "\n".join(lines)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Export every system, and write its line as soon as it is known."""
    parser = argument_parser(__doc__)
    parser.add_argument("systems", nargs="*", help="names; all by default")
    parser.add_argument("--passes", type=int, default=15)
    given = parser.parse_args()
    torch.set_num_threads(1)
    for info in list_models():
        if given.systems and info.name not in given.systems:
            continue
        line = row(info, given.passes)
        print(line, flush=True)
        write({info.title: line})


if __name__ == "__main__":
    main()
