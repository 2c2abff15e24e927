"""``emofuse finetune``: stage 1, a text, speech or image encoder learns a corpus's emotions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emofuse.data.output_paths import check_new_folder
from emofuse.data.wording import counted
from emofuse.errors import EmofuseError

if TYPE_CHECKING:
    from emofuse.training.finetuning.run import FineTuned

EXAMPLE = """Fine-tune a pretrained text, speech or image encoder on the training part of a split, and keep it as a folder that
transformers and `emofuse train --text-encoder FOLDER` (or `--audio-encoder`, `--video-encoder`) read. `--model face-cnn`
and `--model voice-cnn` train small networks of faces and of voices from nothing.

The folder remembers what it was fitted to; a run that is judged on any of it is refused.

Example: `emofuse finetune text meld/manifest.csv --model google-bert/bert-base-uncased --context-before 2 -o tuned`

Example: `emofuse finetune audio corpus/manifest.csv --model facebook/wav2vec2-base --set noise_snr=15 -o tuned`

Example: `emofuse finetune video corpus/manifest.csv --model microsoft/resnet-50 --faces --frames 5 -o tuned`
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="finetune", help=EXAMPLE)(finetune)


def finetune(
    modality: Annotated[str, typer.Argument(help="text, audio or video")],
    manifest: Annotated[Path, typer.Argument(help="manifest.csv, .jsonl or .parquet")],
    model: Annotated[
        str,
        typer.Option(
            help="a model's name or folder: BERT, RoBERTa, wav2vec 2.0, HuBERT, ResNet, ViT, ConvNeXt, Swin class; or face-cnn, "
            "voice-cnn"
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder to make")],
    protocol: Annotated[
        str, typer.Option(help="as for train; the training part of its split is used")
    ] = "speaker",
    folds: Annotated[int, typer.Option(help="folds that the protocol makes", min=2)] = 5,
    fold: Annotated[int, typer.Option(help="the fold, from 0", min=0)] = 0,
    val_fraction: Annotated[float, typer.Option(help="share of training that chooses the epoch")] = 0.15,
    pooling: Annotated[str | None, typer.Option(help="text: cls or mean (the default)")] = None,
    context_before: Annotated[int, typer.Option(help="text: turns read before the utterance", min=0)] = 0,
    context_after: Annotated[int, typer.Option(help="text: turns read after it", min=0)] = 0,
    speakers: Annotated[bool, typer.Option("--speakers", help="text: with the speakers' names")] = False,
    max_length: Annotated[int | None, typer.Option(help="text: tokens at most, context included")] = None,
    faces: Annotated[
        bool, typer.Option("--faces", help="video: the faces that MTCNN finds, in place of whole pictures")
    ] = False,
    min_face: Annotated[int | None, typer.Option(help="video: side in pixels of the smallest face")] = None,
    frames: Annotated[
        int | None, typer.Option(help="video: pictures of an utterance in training; 5", min=1)
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="at most so many epochs")] = None,
    batch_size: Annotated[int | None, typer.Option(help="utterances at once")] = None,
    accumulate: Annotated[int | None, typer.Option(help="batches for one step")] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", "--lr", help="of the encoder, after the warm-up")
    ] = None,
    class_weights: Annotated[str | None, typer.Option(help="none or balanced")] = None,
    cross_fit: Annotated[
        int | None,
        typer.Option(
            help="so many more encoders, each without a group of the training part, encode that group", min=2
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option(help="with --cross-fit: encoders at once, as far as memory allows", min=1)
    ] = 1,
    freeze_layers: Annotated[int | None, typer.Option(help="lowest layers that stay as they are")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="any other setting of the fine-tuning, e.g. layer_drop=0.1"),
    ] = None,
    seed: Annotated[int, typer.Option(help="of head, order and augmentation")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    workers: Annotated[int, typer.Option(help="processes that read sound and pictures", min=0)] = 2,
    threads: Annotated[
        int | None,
        typer.Option(help="processor threads; another number changes the last digits of the results", min=1),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="take up an interrupted fine-tuning")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the scores as JSON")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress bars")] = False,
) -> None:
    """Split, fine-tune, score, save."""
    check_new_folder(out)
    from emofuse.cli.progress import progress_bar
    from emofuse.cli.settings import free_settings
    from emofuse.data.manifest import Manifest
    from emofuse.runs.corpus import choose_device, choose_split, corpus_file
    from emofuse.runs.settings import RunSettings
    from emofuse.training.finetuning import fine_tune

    if modality not in ("text", "audio", "video"):
        raise EmofuseError(f"finetune {modality}: give text, audio or video")
    tuning: dict[str, Any] = {
        "epochs": epochs,
        "batch_size": batch_size,
        "accumulate": accumulate,
        "learning_rate": learning_rate,
        "class_weights": class_weights,
        "freeze_layers": freeze_layers,
        "cross_fit": cross_fit,
    }
    encoder: dict[str, Any] = {
        "modality": modality,
        "name": model,
        "pooling": pooling,
        "max_length": max_length,
        "context_before": context_before,
        "context_after": context_after,
        "speaker_names": speakers,
        "faces": faces,
        "frames": frames,
        **({"min_face": min_face} if min_face is not None else {}),
        "finetune": {name: value for name, value in tuning.items() if value is not None}
        | free_settings(set_ or []),
    }
    settings = RunSettings().with_changes(
        {
            "data.protocol": protocol,
            "data.folds": folds,
            "data.fold": fold,
            "data.val_fraction": val_fraction,
            "seed": seed,
            f"encoders.{modality}": encoder,
        }
    )
    corpus = Manifest.read(corpus_file(manifest)).validate()
    split = choose_split(settings, corpus)
    with progress_bar(quiet=quiet) as progress:
        tuned = fine_tune(
            settings.encoder(modality),  # type: ignore[arg-type]
            corpus,
            split,
            out,
            seed=seed,
            device=choose_device(device),
            workers=workers,
            threads=threads,
            protocol=protocol,
            fold=fold,
            resume=resume,
            jobs=jobs,
            progress=progress,
        )
    _print(tuned, as_json)


def _print(tuned: FineTuned, as_json: bool) -> None:
    from emofuse.encoders.cross_fitted import read_cross_fit

    record = tuned.record
    if as_json:
        answer = {"folder": str(tuned.folder), "parts": record.parts, "scores": record.scores}
        typer.echo(json.dumps(answer, ensure_ascii=False))
        return
    for part, scores in record.scores.items():
        note = " (this part chose the epoch: optimistic)" if part == "val" else ""
        typer.echo(
            f"{part}: {counted(record.parts[part], 'utterance')}, weighted F1 {100 * scores['weighted_f1']:.1f}, "
            f"accuracy {100 * scores['accuracy']:.1f}, UAR {100 * scores['uar']:.1f}{note}"
        )
    if record.best_epoch is not None:
        typer.echo(f"epoch {record.best_epoch + 1} was kept")
    if (gap := read_cross_fit(tuned.folder)) is not None:
        typer.echo(gap.line)
    typer.echo(f"use it: emofuse train DATA --{record.modality}-encoder {tuned.folder}")
