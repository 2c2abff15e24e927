"""``emofuse train``: a manifest in, a run folder with weights, metrics and a report out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emofuse.cli.executors import RayAddress
from emofuse.cli.train_many import ManyRuns, run_all_folds, run_seeds, run_seeds_of_all_folds
from emofuse.cli.train_one import train_one
from emofuse.data.paths import real_path
from emofuse.errors import EmofuseError

if TYPE_CHECKING:
    from emofuse.data import Modality
    from emofuse.data.manifest import Manifest
    from emofuse.runs.settings import RunSettings

EXAMPLE = """Train a system on a corpus, evaluate it honestly and write a report. A recipe's settings stand in the place of the
defaults that are named below.

Example: `emofuse train corpus/manifest.csv --out runs/first --protocol speaker --modalities text,audio`

Example: `emofuse train mosi --out runs/mosi --recipe cm-msf/mosi`

Example: `emofuse train corpus/manifest.csv --out runs/all --protocol random-kfold --folds 10 --all-folds --jobs 2`

Example: `emofuse train corpus/manifest.csv --out runs/five --seeds 5`

Example, on two machines with four GPUs each: `torchrun --nnodes 2 --nproc-per-node 4 --rdzv-backend c10d
--rdzv-endpoint HOST:29500 --no-python emofuse train corpus/manifest.csv --out runs/big --devices 4 --nodes 2`
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="train", help=EXAMPLE)(train)


def train(
    manifest: Annotated[
        Path, typer.Argument(help="manifest.csv, .jsonl or .parquet, or the folder that it lies in")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="run folder to make")],
    recipe: Annotated[
        str | None,
        typer.Option(
            help="YAML file with settings, or a name such as deepmsi-mer/meld; other options overrule it"
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="system, see `emofuse models`; by default deepmsi-mer")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="size of the system, e.g. tiny or paper; by default tiny")
    ] = None,
    modalities: Annotated[
        str | None, typer.Option(help="text,audio,video or fewer; all there are by default")
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="official, session, speaker, dialogue or random-kfold; by default speaker"),
    ] = None,
    folds: Annotated[int | None, typer.Option(help="folds that the protocol makes; by default 5")] = None,
    fold: Annotated[int | None, typer.Option(help="the fold to train, from 0; by default 0")] = None,
    all_folds: Annotated[
        bool, typer.Option("--all-folds", help="train every fold, a run folder each, and report over them")
    ] = False,
    jobs: Annotated[
        int, typer.Option(help="with --all-folds: folds at once, as far as memory allows", min=1)
    ] = 1,
    ray: RayAddress = None,
    task: Annotated[
        str | None, typer.Option(help="classification (column label) or regression (column valence)")
    ] = None,
    text_encoder: Annotated[
        str | None, typer.Option(help="hashed-ngrams, a model name or a local folder; or imported")
    ] = None,
    audio_encoder: Annotated[
        str | None, typer.Option(help="logmel-functionals, a model name or a local folder; or imported")
    ] = None,
    video_encoder: Annotated[
        str | None,
        typer.Option(
            help="frame-statistics, a model name or a local folder; or imported. deepmsi-mer reads frames itself"
        ),
    ] = None,
    normalise: Annotated[
        list[str] | None,
        typer.Option(
            help="modality=speaker, or =recording: features without what its utterances have in common"
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="at most so many epochs; by default 30")] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="utterances, or dialogues, per step; by default 16")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", "--lr", help="step size; by default 0.0001")
    ] = None,
    class_weights: Annotated[str | None, typer.Option(help="none or balanced")] = None,
    seed: Annotated[
        int | None, typer.Option(help="of weights and order; the split has data.split_seed")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda")] = None,
    threads: Annotated[
        int | None,
        typer.Option(help="processor threads; another number changes the last digits of the results"),
    ] = None,
    devices: Annotated[
        int | None, typer.Option(help="devices of each machine that train together; they share each batch")
    ] = None,
    nodes: Annotated[int | None, typer.Option(help="machines; several are started with torchrun")] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            help="train so many seeds and make an ensemble of them, which says the mean; it costs so many times as much",
            min=2,
        ),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="any other setting, e.g. model.options.dropout=0.1")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="take up an interrupted run")] = False,
    calibrate: Annotated[
        bool,
        typer.Option("--calibrate", help="fit a temperature for the probabilities on the validation part"),
    ] = False,
    baseline: Annotated[
        bool,
        typer.Option(
            help="fit a linear model on the same features and split, and say whether the system beats it"
        ),
    ] = True,
    linear_pool: Annotated[
        bool | None,
        typer.Option(
            help="pool the system with the linear model on the same features; the validation part chooses the weight"
        ),
    ] = None,
    withhold_leaky: Annotated[
        bool,
        typer.Option(
            "--withhold-leaky", help="leave out imported modalities whose features know their training part"
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the metrics as JSON")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress bars")] = False,
) -> None:
    """Train, evaluate, report."""
    from emofuse.cli.named_choices import check_system, recipe_file
    from emofuse.cli.settings import free_settings, per_modality, renamed_encoder
    from emofuse.data.manifest import Manifest
    from emofuse.data.modality import parse_modalities
    from emofuse.runs.corpus import corpus_file
    from emofuse.runs.settings import RunSettings

    settings = RunSettings.from_yaml(recipe_file(recipe)) if recipe else RunSettings()
    manifest = corpus_file(manifest)
    encoders: dict[Modality, str | None] = {
        "text": text_encoder,
        "audio": audio_encoder,
        "video": video_encoder,
    }
    changes: dict[str, Any] = {
        "data.manifest": str(real_path(manifest)),
        "model.name": model,
        "model.preset": preset,
        "model.modalities": parse_modalities(modalities),
        "data.protocol": protocol,
        "data.folds": folds,
        "data.fold": fold,
        "model.task": task,
        **{f"encoders.{m}": renamed_encoder(settings, m, name) for m, name in encoders.items() if name},
        **per_modality("--normalise", "data.normalise", normalise or []),
        "optimiser.epochs": epochs,
        "optimiser.batch_size": batch_size,
        "optimiser.learning_rate": learning_rate,
        "optimiser.class_weights": class_weights,
        "seed": seed,
        "device": device,
        "threads": threads,
        "linear_pool": linear_pool,
        "devices": devices,
        "nodes": nodes,
    }
    settings = settings.with_changes({name: value for name, value in changes.items() if value is not None})
    settings = settings.with_changes(free_settings(set_ or []))
    check_system(settings.model.name)
    _check_choices(settings, out, all_folds, fold, seeds, calibrate)
    if not all_folds and (ray is not None or jobs > 1):
        raise EmofuseError(
            f"{'--ray' if ray is not None else '--jobs'} is for folds at once: add --all-folds"
        )
    if withhold_leaky and all_folds:
        raise EmofuseError(
            "--withhold-leaky is for one split, which the features were made for; leave out --all-folds"
        )
    corpus = Manifest.read(manifest).validate()
    if withhold_leaky:
        settings = _without_leaky(settings, corpus)
    how = ManyRuns(resume, baseline, as_json, quiet, jobs, ray)
    if all_folds and seeds is not None:
        run_seeds_of_all_folds(settings, corpus, out, seeds, how)
    elif all_folds:
        run_all_folds(settings, corpus, out, how)
    elif seeds is not None:
        run_seeds(settings, corpus, out, seeds, how)
    else:
        train_one(
            settings,
            corpus,
            out,
            resume=resume,
            calibrate=calibrate,
            baseline=baseline,
            as_json=as_json,
            quiet=quiet,
        )


def _check_choices(
    settings: RunSettings, out: Path, all_folds: bool, fold: int | None, seeds: int | None, calibrate: bool
) -> None:
    """Options that do not go together are refused before the corpus is read."""
    from emofuse.training.processes import is_torchrun

    if seeds is not None and (calibrate or is_torchrun()):
        raise EmofuseError("--seeds is for one process: leave out --calibrate and torchrun")
    if calibrate and (all_folds or settings.model.task != "classification"):
        raise EmofuseError(
            "--calibrate is for one run that predicts classes; of the folds calibrate each: "
            f"emofuse evaluate {out}/fold-00 --calibrate"
        )
    if all_folds and fold is not None:
        raise EmofuseError("--fold and --all-folds exclude each other: train one fold or all of them")
    if all_folds and is_torchrun():
        raise EmofuseError("--all-folds under torchrun: start each fold by itself, with --fold 0, 1, ...")


def _without_leaky(settings: RunSettings, corpus: Manifest) -> RunSettings:
    from emofuse.training.withholding import withhold_leaky

    settings, lines = withhold_leaky(settings, corpus)
    for line in lines:
        typer.echo(line, err=True)
    return settings
