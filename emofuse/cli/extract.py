"""``emofuse extract``: features of an encoder into the feature store, ahead of training."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emofuse.cli.executors import RayAddress
from emofuse.data.nearest_names import none_of
from emofuse.data.paths import real_path
from emofuse.errors import EmofuseError

if TYPE_CHECKING:
    from emofuse.encoders import EncoderSpec
    from emofuse.runs.settings import RunSettings

EXAMPLE = """Fill the feature store of a corpus. `train` does so itself; this does it ahead, or spreads it over machines.
It may be killed at any moment and started again: what was finished is kept.

Example: `emofuse extract corpus/manifest.csv --modality text --encoder path/to/bert`

Example: `emofuse extract corpus/manifest.csv --modality video --set rate=5 --shard 0/4` (and 1/4, 2/4, 3/4 elsewhere)
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="extract", help=EXAMPLE)(extract)


def extract(
    manifest: Annotated[Path, typer.Argument(help="manifest.csv, .jsonl or .parquet")],
    modality: Annotated[str, typer.Option(help="text, audio or video")],
    encoder: Annotated[str | None, typer.Option(help="embedded encoder, model name or local folder")] = None,
    pooling: Annotated[
        str | None, typer.Option(help="cls, mean or tokens; the encoder's own by default")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="any other setting of the encoder, e.g. rate=5 or context_before=3"),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(help="i/n: only the i-th of n parts of the rows, from 0; all n fill one store"),
    ] = None,
    store: Annotated[Path | None, typer.Option(help="feature store; beside the manifest by default")] = None,
    batch_size: Annotated[int, typer.Option(help="utterances encoded at once", min=1)] = 32,
    workers: Annotated[int, typer.Option(help="threads that decode media", min=0)] = 2,
    processes: Annotated[int, typer.Option(help="processes that decode and encode", min=1)] = 1,
    ray: RayAddress = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="print what became of the rows as JSON")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress bar")] = False,
) -> None:
    """Encode every row that the store does not have yet."""
    from emofuse.cli.executors import joined_cluster
    from emofuse.cli.progress import progress_bar
    from emofuse.data.manifest import Manifest
    from emofuse.data.quarantine import Quarantine
    from emofuse.encoders import create_encoder
    from emofuse.features import extract_features
    from emofuse.runs.corpus import choose_device, corpus_file
    from emofuse.runs.features import feature_store_of
    from emofuse.runs.settings import usual_threads

    part = _part(shard)
    spec, settings = _spec(modality, encoder, pooling, batch_size, set_ or [], store)
    file = corpus_file(manifest)
    corpus = Manifest.read(file).validate()
    # Machines that fill one store share its folder; a list of its own spares each the others' changes.
    name = "quarantine.csv" if part is None else f"quarantine-{part[0]}-of-{part[1]}.csv"
    quarantine = Quarantine(corpus.root / name)
    made = create_encoder(spec, device="cpu" if ray is not None else choose_device(device))
    features = feature_store_of(settings, corpus)
    with joined_cluster(ray, processes, "--processes") as cluster, progress_bar(quiet=quiet) as progress:
        elsewhere = None
        if cluster is not None:
            elsewhere = cluster.extraction(
                real_path(file), spec, features, device=device, workers=workers, threads=usual_threads()
            )
        report = extract_features(
            corpus,
            made,
            features,
            quarantine=quarantine,
            batch_size=batch_size,
            progress=progress,
            shard=part,
            workers=workers,
            processes=processes,
            elsewhere=elsewhere,
        )
    quarantine.tidy()
    reader = features.reader(made.identity)
    held = sum(id in reader for id in corpus.ids)
    if as_json:
        found = {
            "encoder": made.identity.name,
            "digest": made.identity.digest,
            "held": held,
            "rows": len(corpus),
        }
        typer.echo(json.dumps(found | vars(report), ensure_ascii=False))
        return
    typer.echo(
        f"{report.done} encoded, {report.skipped} were there already, {report.absent} have no {modality}, "
        f"{report.quarantined} set aside"
    )
    typer.echo(
        f"{held} of {len(corpus)} rows have {modality} features ({made.identity.name}, {made.identity.digest})"
    )
    for note, count in report.notes.items():
        typer.echo(f"note: in {count} of {report.done} rows encoded now, {note}")
    if any(entry.modality == modality for entry in quarantine.entries):
        typer.echo(f"what was set aside, and why: {quarantine.path}")


def _part(shard: str | None) -> tuple[int, int] | None:
    if shard is None:
        return None
    found = re.fullmatch(r"(\d+)/(\d+)", shard)
    if not found:
        raise EmofuseError(f"--shard {shard}: write i/n, e.g. 0/4 for the first of four parts")
    part = int(found[1]), int(found[2])
    if part[0] >= part[1]:
        raise EmofuseError(
            f"--shard {shard}: parts are numbered from 0 to n − 1, e.g. 3/4 is the last of four"
        )
    return part


def _spec(
    modality: str,
    encoder: str | None,
    pooling: str | None,
    batch_size: int,
    more: list[str],
    store: Path | None,
) -> tuple[EncoderSpec, RunSettings]:
    from emofuse.cli.settings import free_settings
    from emofuse.data.modality import MODALITIES
    from emofuse.runs.settings import RunSettings

    if modality not in MODALITIES:
        raise EmofuseError(none_of("--modality", modality, MODALITIES))
    settings = RunSettings()
    given: dict[str, Any] = {"name": encoder, "pooling": pooling, "batch_size": batch_size} | free_settings(
        more
    )
    chosen = settings.encoder(modality).model_dump(mode="json") | {
        k: v for k, v in given.items() if v is not None
    }
    changes = {f"encoders.{modality}": chosen} | ({"data.features": str(store)} if store else {})
    settings = settings.with_changes(changes)
    return settings.encoder(modality), settings
