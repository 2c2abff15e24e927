"""``emofuse demo-data``: a synthetic corpus of real media files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = """Make a synthetic corpus: dialogues as mp4 files with sound, and their manifest.

Example: `emofuse demo-data corpus --clips 1200 --seed 0`
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="demo-data", help=EXAMPLE)(demo_data)


def demo_data(
    folder: Annotated[Path, typer.Argument(help="folder to fill")],
    clips: Annotated[int, typer.Option(help="number of utterances", min=1)] = 1200,
    seed: Annotated[int, typer.Option(help="of everything drawn")] = 0,
    workers: Annotated[int, typer.Option(help="processes that draw", min=1)] = 2,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress bar")] = False,
) -> None:
    """Draw, speak and write the clips."""
    from emofuse.cli.progress import progress_bar
    from emofuse.corpora.demo import generate_demo_corpus

    with progress_bar(quiet=quiet) as progress:
        manifest = generate_demo_corpus(folder, clips=clips, seed=seed, workers=workers, progress=progress)
    typer.echo(f"{len(manifest)} synthetic clips: {folder / 'manifest.csv'}")
