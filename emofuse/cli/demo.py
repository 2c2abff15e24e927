"""``emofuse demo``: from nothing to a trained model, a report and a prediction, in minutes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from emofuse.data.output_paths import check_new_folder
from emofuse.errors import EmofuseError
from emofuse.starter import is_starter_installed, starter_folder

EXAMPLE = """Make a synthetic corpus, train DeepMSI-MER on it, report honestly, predict a new clip. Needs no download.

Example: `emofuse demo demo`

Example: `emofuse demo demo --clip holiday.mp4`
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="demo", help=EXAMPLE)(demo)


def demo(
    folder: Annotated[Path, typer.Argument(help="folder for everything that is made")] = Path("demo"),
    clips: Annotated[int, typer.Option(help="utterances of the corpus", min=60)] = 1200,
    seed: Annotated[int, typer.Option(help="of the corpus")] = 0,
    workers: Annotated[int, typer.Option(help="processes that draw it", min=1)] = 2,
    clip: Annotated[
        Path | None, typer.Option(help="a recording of real people, which the starter predicts at the end")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress bars")] = False,
) -> None:
    """Run the whole way and say where the results are."""
    from emofuse.cli.progress import progress_bar
    from emofuse.demo import run_demo
    from emofuse.recipes import find_recipe
    from emofuse.runs.settings import RunSettings

    check_new_folder(folder)
    if clip is not None:  # said now, and not after some minutes
        starter_folder()
        if not clip.is_file():
            raise EmofuseError(f"{clip}: no such file; name a recording of people, or leave --clip out")
    began = time.perf_counter()
    settings = RunSettings.from_yaml(find_recipe("deepmsi-mer/demo"))
    result = run_demo(
        folder,
        settings,
        clips=clips,
        seed=seed,
        workers=workers,
        open_progress=lambda: progress_bar(quiet=quiet),
        say=typer.echo,
    )
    typer.echo("")
    for line in result.outcome.lines():
        typer.echo(line)
    best = sorted(result.segment.probabilities.items(), key=lambda pair: -pair[1])[:3]
    typer.echo("")
    typer.echo(f"a new clip, drawn with {result.truth}: predicted {result.segment.label}")
    typer.echo("  " + ", ".join(f"{label} {100 * p:.0f} %" for label, p in best))
    typer.echo("")
    typer.echo(f"report      {result.report}")
    typer.echo(f"timeline    {result.timeline}")
    typer.echo(f"run folder  {result.outcome.folder.path}")
    typer.echo(
        f'try         emofuse predict {result.outcome.folder.path} {result.clip} --text "{result.segment.text}"'
    )
    typer.echo(f"took        {time.perf_counter() - began:.0f} s")
    typer.echo("")
    _real_people(clip, folder)


def _real_people(clip: Path | None, folder: Path) -> None:
    """The starter on a real clip, with a page of what faces, voice and words say, or how to have that."""
    page = folder / "people.html"
    if clip is None:
        install = "" if is_starter_installed() else "pip install ./starter; "
        typer.echo(
            f"All of this was drawn. For real people: {install}emofuse predict YOUR_CLIP.mp4 --by-modality --page {page}"
        )
        return
    from emofuse.cli.predict import predict

    predict(None, [clip], by_modality=True, page=page)
    typer.echo(f"page        {page}")
