"""``emofuse prepare``: whatever a corpus comes as, a manifest out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emofuse.data.output_paths import check_new_file
from emofuse.data.paths import real_path
from emofuse.errors import EmofuseError

if TYPE_CHECKING:
    from emofuse.corpora import Corpus
    from emofuse.data.manifest import Manifest

EXAMPLE = """Write a manifest for a corpus and say what is in it. `csv` takes anybody's tables; other names take a
published corpus as its folder lies: meld, iemocap, mosi, mosei, ch-sims, crema-d, ravdess, emodb, fer2013,
image-folder, tables, prepared. `joint` makes one manifest of several.

Example: `emofuse prepare csv --map text=Utterance,label=Emotion,speaker=Speaker --split train=train.csv,val=dev.csv`

Example: `emofuse prepare csv train.xlsx --map text=Utterance,label=Emotion,dialogue=Season+Episode+Scene_ID`

Example: `emofuse prepare iemocap path/to/IEMOCAP_full_release --option classes=four`

Example: `emofuse prepare joint meld=meld/manifest.csv goemotions=go/manifest.csv --take goemotions=10000 -o joint.csv`
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="prepare", help=EXAMPLE)(prepare)


def prepare(
    corpus: Annotated[
        str, typer.Argument(help="csv for tables (CSV, TSV, JSON lines, Parquet, Excel), or a corpus by name")
    ],
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="the tables, where --split does not name them; or the corpus's folder"),
    ] = None,
    map_: Annotated[
        str | None,
        typer.Option(
            "--map",
            help="manifest column=table column, separated by commas; + joins columns; not needed where names are the manifest's",
        ),
    ] = None,
    split: Annotated[str | None, typer.Option(help="train=FILE,val=FILE,test=FILE")] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="name=value for the reader of a corpus; may be repeated")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="manifest to write: .csv, .jsonl or .parquet, or a folder for its manifest.csv; by default manifest.csv, "
            "of tables in the folder that you are in, of a corpus in its own",
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check-media/--no-check-media", help="open every recording of a corpus")
    ] = True,
    workers: Annotated[int, typer.Option(help="threads that open recordings", min=1)] = 2,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            help="joint: NAME:LABEL=NEW renames a corpus's label; NAME:LABEL= leaves its rows unlabelled"
        ),
    ] = None,
    take: Annotated[
        list[str] | None,
        typer.Option(help="joint: NAME=COUNT takes so many training utterances of a corpus, whole dialogues"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the summary as JSON")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress bar")] = False,
) -> None:
    """Read, check everything at once, write."""
    if out is not None:
        out = out if out.suffix and not out.is_dir() else out / "manifest.csv"
        check_new_file(out)
    if corpus == "joint":
        _prepare_joint([str(path) for path in paths or []], labels or [], take or [], out, as_json)
        return
    if labels or take:
        raise EmofuseError("--labels and --take are for `prepare joint`, which joins several manifests")
    if corpus == "csv":
        _prepare_tables(paths or [], map_, split, out, as_json)
        return
    if not paths or len(paths) != 1:
        raise EmofuseError(f"prepare {corpus}: name the one folder that the corpus lies in")
    given = _options(corpus, option or []) | {
        name: value for name, value in (("map", map_), ("split", split)) if value is not None
    }
    _prepare_corpus(corpus, paths[0], given, out, workers if check else 0, as_json, quiet)


def _prepare_tables(
    files: list[Path], map_: str | None, split: str | None, out: Path | None, as_json: bool
) -> None:
    from emofuse.corpora.corpus import refuse_only_pointers
    from emofuse.corpora.table_mapping import parse_map, parse_splits
    from emofuse.corpora.tables import manifest_from_tables

    given = parse_splits(split) if split else files
    if split and files:
        raise EmofuseError("prepare csv: name the tables either as arguments or in --split, not both")
    tables = [file for several in given.values() for file in several] if isinstance(given, dict) else given
    target = out or Path("manifest.csv")
    if any(real_path(target) == real_path(table) for table in tables):
        raise EmofuseError(f"{target}: is one of the tables; name another file with --out")
    manifest, summary = manifest_from_tables(given, None if map_ is None else parse_map(map_))
    refuse_only_pointers(manifest, manifest.root)
    manifest.check_target(target)
    manifest.validate()
    if out is None:
        _refuse_other_tables(manifest, target)
    manifest.write(target)
    if as_json:
        found = {"manifest": str(target), "rows": len(manifest), "splits": summary.splits}
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    for line in summary.lines():
        typer.echo(line)
    typer.echo(f"written: {target}")


def _refuse_other_tables(manifest: Manifest, target: Path) -> None:
    """A manifest that nobody has named is replaced only where it is of the same tables, as after a correction."""
    from emofuse.data.replaced_manifest import replaced_manifest

    replaced = replaced_manifest(target, "--out")
    if replaced is None:
        return
    held, new = _said(replaced), _said(manifest)
    if 2 * len(held & new) < min(len(held), len(new)):
        raise EmofuseError(
            f"{target}: holds other utterances than these tables; name another with --out, or this one to replace it"
        )


def _said(manifest: Manifest) -> set[tuple[str, ...]]:
    """What tells the utterances of a table, whatever their ids and wherever the manifest lies."""
    cells = manifest.frame[["text", "video", "audio"]].fillna("").astype(str)
    return {(text, Path(video).name, Path(audio).name) for text, video, audio in cells.to_numpy()}


def _prepare_joint(
    given: list[str], labels: list[str], take: list[str], out: Path | None, as_json: bool
) -> None:
    from emofuse.corpora.joint import join_corpora
    from emofuse.data.manifest import Manifest

    if out is None:
        raise EmofuseError(
            "prepare joint: name the manifest to write with --out, in a folder above all media"
        )
    files = _options("joint", given, "the manifest", "NAME=MANIFEST")
    maps: dict[str, dict[str, str]] = {}
    for item in labels:
        name, colon, change = item.partition(":")
        old, sign, new = change.partition("=")
        if not (colon and sign and name and old):
            raise EmofuseError(f"prepare joint: --labels {item!r} is not of the form NAME:LABEL=NEW")
        maps.setdefault(name, {})[old] = new
    counts = _options("joint", take, "--take", "NAME=COUNT")
    if odd := [value for value in counts.values() if not value.isdecimal() or int(value) < 1]:
        raise EmofuseError(f"prepare joint: --take {odd[0]!r} is no number of utterances")
    corpora = {name: Manifest.read(Path(file)).validate() for name, file in files.items()}
    joint = join_corpora(
        corpora, real_path(out).parent, labels=maps, take={n: int(v) for n, v in counts.items()}
    )
    joint.check_target(out)
    joint.validate()
    joint.write(out)
    rows = joint.frame["corpus"].value_counts(sort=False).to_dict()
    if as_json:
        typer.echo(
            json.dumps(
                {"manifest": str(out), "rows": len(joint), "corpora": rows, "labels": joint.labels},
                ensure_ascii=False,
            )
        )
        return
    for corpus, count in rows.items():
        typer.echo(f"{corpus}: {count} utterances")
    typer.echo(f"labels: {', '.join(joint.labels)}")
    typer.echo(f"written: {out}")


def _options(
    corpus: str, given: list[str], what: str = "--option", form: str = "name=value"
) -> dict[str, str]:
    options = {}
    for item in given:
        name, sign, value = item.partition("=")
        if not (sign and name.strip() and value.strip()):
            raise EmofuseError(f"prepare {corpus}: {what} {item!r} is not of the form {form}")
        options[name.strip()] = value.strip()
    return options


def _prepare_corpus(
    name: str,
    root: Path,
    options: dict[str, str],
    out: Path | None,
    workers: int,
    as_json: bool,
    quiet: bool,
) -> None:
    from emofuse.corpora import check_media, read_corpus, summarise
    from emofuse.corpora.media_check import seconds_stated

    if out is None and name == "prepared":
        raise EmofuseError("prepare prepared: there is a manifest already; name another to write with --out")
    target = out or (root if root.is_dir() else root.parent) / "manifest.csv"
    check_new_file(target)
    if name == "fer2013":  # its pictures become files beside the manifest
        options = {"into": str(target.parent)} | options
    corpus = read_corpus(name, root, **options)
    # Before every recording is opened.
    corpus.manifest.validate(check_files=False, check_places=True)
    corpus.manifest.check_target(target)
    seconds = seconds_stated(corpus.manifest)
    has_media = corpus.manifest.frame[["video", "audio"]].notna().any(axis=None)
    if workers and has_media:
        from emofuse.cli.progress import progress_bar

        with progress_bar(quiet=quiet) as progress:
            checked = check_media(corpus, workers=workers, progress=progress)
        corpus, seconds = checked.corpus, checked.seconds
    corpus.manifest.validate()
    corpus.manifest.write(target)
    quarantine = _keep_set_aside(corpus, target.parent / "quarantine.csv")
    summary = summarise(corpus, seconds)
    if as_json:
        typer.echo(json.dumps({"manifest": str(target), **summary.to_dict()}, ensure_ascii=False))
        return
    for line in summary.lines():
        typer.echo(line)
    if corpus.set_aside:
        typer.echo(f"what was set aside, and why: {quarantine}")
    typer.echo(f"written: {target}")


def _keep_set_aside(corpus: Corpus, path: Path) -> Path:
    """Write what is not used, and take back what an earlier reading had not used."""
    from emofuse.data.quarantine import Quarantine

    quarantine = Quarantine(path)
    used = {
        (row.id, name) for row in corpus.manifest.rows() for name in ("video", "audio") if getattr(row, name)
    }
    for entry in quarantine.entries:
        if (entry.id, entry.modality) in used:
            quarantine.discard(entry.id, entry.modality)
    for entry in corpus.set_aside:
        quarantine.add(entry.id, entry.modality, entry.file, entry.reason, entry.message)
    quarantine.tidy()
    return path
