"""``emofuse audit``: what stands on both sides of a split, of ours or of somebody else's."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emofuse.data.nearest_names import none_of
from emofuse.errors import EmofuseError
from emofuse.evaluation.protocols.protocol_info import USUAL_FOLDS

if TYPE_CHECKING:
    from emofuse.data.batch import FeatureSource
    from emofuse.data.manifest import Manifest
    from emofuse.data.modality import Modality
    from emofuse.evaluation.protocols.audit_folds import AuditedSplit
    from emofuse.evaluation.protocols.fitted_features import FittedFeatures
    from emofuse.evaluation.protocols.protocol_info import Split

EXAMPLE = """Count the dialogues, speakers, texts, media files and ids that the parts of a split share. By default
the split is the manifest's own column; --split takes published files (JSON, CSV, or a list of ids per part).

Example: `emofuse audit corpus/manifest.csv --split published.json --strict`

Example: `emofuse audit corpus/manifest.csv --protocol dialogue --protocol random-kfold --folds 10`
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="audit", help=EXAMPLE)(audit)


def audit(
    manifest: Annotated[Path, typer.Argument(help="manifest.csv, .jsonl or .parquet")],
    split: Annotated[
        list[str] | None,
        typer.Option(help="a split file, or train=a.txt,val=b.txt,test=c.txt; may be repeated"),
    ] = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option(help="official, session, speaker, dialogue or random-kfold; may be repeated"),
    ] = None,
    folds: Annotated[int, typer.Option(help="folds that the protocols make", min=2)] = USUAL_FOLDS,
    seed: Annotated[int, typer.Option(help="of the protocols' shuffling")] = 0,
    val_fraction: Annotated[
        float, typer.Option(help="share of training that the protocols validate on")
    ] = 0.15,
    ignore: Annotated[
        str | None,
        typer.Option(
            help="kinds that may be shared: dialogues,speakers,long_texts,media,ids, or some of them; features for "
            "imported features that know the training part"
        ),
    ] = None,
    modalities: Annotated[
        str | None,
        typer.Option(
            help="what the run will read, such as audio,video; texts are no leak where text is not read"
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="exit with 1 when something leaks")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the audits as JSON")] = False,
) -> None:
    """Audit each split and say what leaks."""
    from emofuse.data.manifest import Manifest
    from emofuse.data.modality import parse_modalities
    from emofuse.evaluation.protocols.audit_folds import FEATURES
    from emofuse.runs.corpus import corpus_file

    ignored, read = _kinds(ignore), parse_modalities(modalities)
    file = corpus_file(manifest)
    corpus = Manifest.read(file).validate(check_files=False)
    made = {"k": folds, "seed": seed, "val_fraction": val_fraction}
    found = _audits(corpus, file, split or [], protocol or [], made, read, FEATURES not in ignored)
    warnings = {each.name: each.warnings(ignored) for each in found}
    leaks = any(warnings.values())
    if as_json:
        audits = [each.to_dict() | {"warnings": warnings[each.name]} for each in found]
        typer.echo(json.dumps({"leaks": leaks, "splits": audits}, ensure_ascii=False))
    else:
        for each in found:
            _print(each, warnings[each.name])
    if strict and leaks:
        raise typer.Exit(1)


def _kinds(ignore: str | None) -> list[str]:
    from emofuse.evaluation.protocols.audit import KINDS
    from emofuse.evaluation.protocols.audit_folds import FEATURES

    kinds = [kind.strip() for kind in ignore.split(",")] if ignore else []
    for kind in kinds:
        if kind not in (*KINDS, FEATURES):
            raise EmofuseError(none_of("--ignore", kind, (*KINDS, FEATURES)))
    return kinds


def _audits(
    corpus: Manifest,
    manifest: Path,
    files: list[str],
    protocols: list[str],
    made: dict[str, Any],
    modalities: Collection[str] | None,
    with_features: bool,
) -> list[AuditedSplit]:
    from emofuse.evaluation.protocols.audit_folds import audit_protocol, audit_split
    from emofuse.evaluation.protocols.published_splits import read_published_split, split_of_column
    from emofuse.features import FeatureStore
    from emofuse.runs.fitted_features import fitted_features, imported_readers

    def check(parts: Split) -> list[FittedFeatures]:
        """Only for a split that the user gave: features are made for one split, not for folds that are drawn now."""
        if not with_features:
            return []
        held = imported_readers(corpus, FeatureStore(corpus.root / "features"))
        readers: dict[Modality, FeatureSource] = {
            m: held[m] for m in held if modalities is None or m in modalities
        }
        valued = bool(corpus.frame["valence"].notna().any())
        return fitted_features(corpus, parts, readers, "regression" if valued else "classification")

    if not files and not protocols:
        column = split_of_column(corpus, str(manifest))
        return [audit_split(corpus, column, "column split", check, modalities=modalities)]
    return [
        *(
            audit_split(corpus, read_published_split(file), file, check, modalities=modalities)
            for file in files
        ),
        *(audit_protocol(corpus, name, **made, modalities=modalities) for name in protocols),
    ]


def _print(audited: AuditedSplit, warnings: list[str]) -> None:
    for line in audited.lines():
        typer.echo(line)
    typer.echo(f"  leaks: {len(warnings) or 'none'}")
