"""``emofuse import``: a published feature file in, a manifest and filled feature store out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from emofuse.data.atomic import kept_if_complete
from emofuse.data.nearest_names import none_of
from emofuse.data.output_paths import check_new_folder
from emofuse.errors import EmofuseError

EXAMPLE = """Take over the features that others have published, as a manifest and a feature store beside it. Styles:
`mmsa` (MOSI, MOSEI, CH-SIMS), `conv-emotion` (also MMGCN's), `multiemo` (a folder), `npz`, `csv`.

Nothing that a file asks to be run is run: a pickle with more in it than arrays and plain containers is refused.

Example: `emofuse import mmsa unaligned_50.pkl --out mosi`
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="import", help=EXAMPLE)(import_file)


def import_file(
    style: Annotated[str, typer.Argument(help="mmsa, conv-emotion, multiemo, npz or csv")],
    file: Annotated[Path, typer.Argument(help="the file; for multiemo its folder")],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder for manifest.csv and features/")],
    pooling: Annotated[
        str, typer.Option(help="mean over an utterance's steps for one vector, or tokens to keep them all")
    ] = "mean",
    labels: Annotated[
        str | None, typer.Option(help="names of classes 0, 1, ..., separated by commas")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the summary as JSON")] = False,
) -> None:
    """Read, store, write, say what is there."""
    from emofuse.corpora.table_summary import count_labels, label_table
    from emofuse.features.importers import import_features

    if pooling not in ("mean", "tokens"):
        raise EmofuseError(none_of("--pooling", pooling, ("mean", "tokens")))
    check_new_folder(out)
    names = [name.strip() for name in labels.split(",")] if labels else None
    kind = cast(Literal["mean", "tokens"], pooling)
    target = out / "manifest.csv"
    with kept_if_complete(out), kept_if_complete(out / "features"):
        manifest, identities, notes = import_features(
            file, style, out / "features", pooling=kind, labels=names
        )
        manifest.validate()
        manifest.write(target)
    counts = count_labels(manifest.frame)
    if as_json:
        found = {modality: identity.model_dump() for modality, identity in identities.items()}
        summary = {"manifest": str(target), "labels": counts, "features": found, "notes": notes}
        typer.echo(json.dumps(summary, ensure_ascii=False))
        return
    for line in label_table(counts):
        typer.echo(line)
    for modality, identity in identities.items():
        typer.echo(f"{modality}: {identity.dim} numbers ({identity.name}, {identity.digest})")
    for note in notes:
        typer.echo(f"note: {note}")
    typer.echo(f"written: {target} and {out / 'features'}")
