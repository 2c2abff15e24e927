"""``emofuse extract``: features of an encoder into the feature store, ahead of training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = """Fill the feature store of a corpus. `train` does so itself; this spreads the work or does it ahead.

Example: `emofuse extract corpus/manifest.csv --modality text --encoder path/to/bert`
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="extract", help=EXAMPLE)(extract)


def extract(
    manifest: Annotated[Path, typer.Argument(help="manifest.csv, .jsonl or .parquet")],
    modality: Annotated[str, typer.Option(help="text or audio")],
    encoder: Annotated[str | None, typer.Option(help="embedded encoder, model name or local folder")] = None,
    pooling: Annotated[str, typer.Option(help="cls, mean or tokens, for pretrained encoders")] = "mean",
    store: Annotated[Path | None, typer.Option(help="feature store; beside the manifest by default")] = None,
    batch_size: Annotated[int, typer.Option(help="utterances encoded at once", min=1)] = 32,
    workers: Annotated[int, typer.Option(help="processes that decode sound", min=0)] = 2,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress bar")] = False,
) -> None:
    """Encode every row that the store does not have yet."""
    from emofuse.cli.progress import progress_bar
    from emofuse.data.manifest import Manifest
    from emofuse.data.quarantine import Quarantine
    from emofuse.training.config import RunSettings
    from emofuse.training.preparation import choose_device, encode, feature_store_of

    given = {"modality": modality, "pooling": pooling, "batch_size": batch_size} | (
        {"name": encoder} if encoder else {}
    )
    changes = {f"encoders.{modality}": given} if encoder else {}
    settings = RunSettings().with_changes(changes | ({"data.features": str(store)} if store else {}))
    corpus = Manifest.read(manifest).validate()
    quarantine = Quarantine(corpus.root / "quarantine.csv")
    with progress_bar(quiet=quiet) as progress:
        encoded = encode(
            corpus,
            settings.encoder(modality),  # type: ignore[arg-type]
            feature_store_of(settings, corpus),
            device=choose_device(device),
            quarantine=quarantine,
            workers=workers,
            progress=progress,
        )
    held = sum(row.id in encoded.reader for row in corpus.rows())
    typer.echo(
        f"{held} of {len(corpus)} rows have {modality} features ({encoded.identity.name}, {encoded.identity.digest})"
    )
    if len(quarantine):
        typer.echo(f"{len(quarantine)} could not be decoded: {quarantine.path}")
