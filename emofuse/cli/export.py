"""``emofuse export``: a run as a program for ONNX Runtime or torch.export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from emofuse.errors import EmofuseError

EXAMPLE = """Write a run as a program that needs none of its network's code. It is checked first: on random batches of other
sizes than it was made with it must say what the network says, to 1e-4. Labels, settings, temperature and encoders are copied
beside it.

Example: `emofuse export runs/first -o exported`

Example: `emofuse predict exported clip.mp4 --text "I can't believe it!"`
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="export", help=EXAMPLE)(export)


def export(
    run: Annotated[
        Path, typer.Argument(help="run folder made by `emofuse train`, starter, or org/name on the hub")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="a new folder")],
    format_: Annotated[
        str, typer.Option("--format", help="onnx, or torch for a file of torch.export")
    ] = "onnx",
    as_json: Annotated[bool, typer.Option("--json", help="print export.json")] = False,
) -> None:
    """Write the program and say how far it is from the network."""
    if format_ not in ("onnx", "torch"):
        raise EmofuseError(f"--format {format_!r}: choose onnx or torch")
    from dataclasses import asdict

    from emofuse.inference.exporting.folder import export_run
    from emofuse.inference.exporting.places import PROGRAM_FILES
    from emofuse.runs.named_run import run_folder_of

    done = export_run(run_folder_of(run), out, "onnx" if format_ == "onnx" else "torch")
    if as_json:
        typer.echo(json.dumps(asdict(done), ensure_ascii=False))
        return
    typer.echo(
        f"written: {out / PROGRAM_FILES[format_]}, {done.largest_difference:.1e} from the network at most"
    )
    typer.echo(f"vary: {', '.join(done.axes)}")
    if done.fixed:
        sizes = ", ".join(f"{axis} {size}" for axis, size in done.fixed.items())
        typer.echo(f"fixed: {sizes}; shorter batches are filled up ({done.why_fixed})")
